"""The words for "answer" in a text: where they stand, and the patterns that go with each."""

import re
from functools import cache
from typing import NamedTuple

from pbrlsvr.responses.cue_patterns import Words, nouns_of_all, words_of
from pbrlsvr.responses.scopes import Scope, scope_of
from pbrlsvr.responses.sentences import lower_case
from pbrlsvr.responses.therefore import any_therefore
from pbrlsvr.responses.values import SIGNS

# A text has one final answer: more cues than these are looked at only by who floods a response with them.
_CANDIDATES = 32
_LETTER_OR_SIGN = re.compile(rf"[^\W\d_]|[{SIGNS}]")
_LEADS = re.compile(r"[ *_]{0,4}(?:[:：]|\n|\*\*)")
#: What ends a noun that is an abbreviation, has its colon, or is a heading.
CLOSED = ".:/\n"


class Noun(NamedTuple):
    """A noun of the table at `[begin, end)` in a text, which `lower` has in lower case."""

    text: str
    lower: str
    begin: int
    end: int
    word: str
    kind: str

    @property
    def words(self) -> Words:
        return words_of(self.word, self.kind)

    @property
    def scope(self) -> Scope:
        return scope_of(self.word, self.kind)


def names_an_answer(text: str) -> bool:
    """Whether a sentence has a word for "answer", and is for `find_cue` to read."""
    return any(
        "nouns" in nouns_of_all()[word]
        for _, word in outermost(lower_case(text))
        if word[-1] not in CLOSED and word != "which"
    )


def outermost(lower: str) -> list[tuple[int, str]]:
    """The nouns in the text that are no part of a longer one ("答" in "答案") or of another word, the last first."""
    candidates: list[tuple[int, int, str]] = []
    begun = {lower[place : place + 2] for place in range(len(lower))}.union(lower)
    for noun in (noun for pair in begun & _by_beginning().keys() for noun in _by_beginning()[pair]):
        position = lower.rfind(noun)
        for _ in range(_CANDIDATES):
            if position < 0:
                break
            candidates.append((position, -len(noun), noun))
            position = lower.rfind(noun, 0, position)
    kept: list[tuple[int, str]] = []
    reach = 0
    # "As a result, he has 18" is a conclusion, "As a result: 18" an answer.
    phrases = [said.span() for said in any_therefore().finditer(lower)] if candidates else []
    phrases = [(begin, end) for begin, end in phrases if not _LEADS.match(lower, end)]
    for position, size, noun in sorted(candidates):
        if any(begin < position and position - size <= end for begin, end in phrases):
            continue
        if position - size > reach and not _is_inside_word(lower, position, noun):
            kept.append((position, noun))
            reach = position - size
    return kept[::-1]


@cache
def _by_beginning() -> dict[str, list[str]]:
    """The nouns by their first two letters: of some 1,300, a text has few that could stand in it."""
    found: dict[str, list[str]] = {}
    for noun in nouns_of_all():
        found.setdefault(noun[:2], []).append(noun)
    return found


def _is_inside_word(lower: str, position: int, noun: str) -> bool:
    """Whether a noun is the end of another word; Arabic and Hebrew write articles and conjunctions to it."""
    if noun.rstrip(".:") == "ans" and lower[:position].rstrip(" ")[-1:].isdigit():
        return True  # "43 ans" are years
    if noun[0] >= "\u0e00" or not _LETTER_OR_SIGN.match(lower[position - 1 : position]):
        return False
    if not "\u0590" <= noun[0] <= "\u06ff":
        return True
    prefix = re.search(r"[^\W\d_]{1,4}\Z", lower[max(0, position - 4) : position])
    return prefix is None or re.fullmatch(r"[وف]?[بلك]?(?:ال|ل)?|ו?[שבלכמ]?ה?", prefix[0]) is None
