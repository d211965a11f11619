"""Sentences that hold an answer and do not state their writer's own: `scopes.txt` has the words of each reason.

    an example          "Example: the answer is 18"
    somebody else's     "The book says the answer is 18"
    of something else   "The answer to part (a) is 18"
    conditional         "The answer is 18 if she sells all", "If she sold all, the answer would be 18"
    qualified           "The answer for Monday is 18, but the question asks for the week"
    taken back          "The answer is 18. Wait, I forgot"
    guessed             "I think it is about 18"

What denies, doubts, asks or bounds stands beside the nouns in `pbrlsvr.responses.cues`.
"""

import re
from functools import cache
from typing import NamedTuple

from pbrlsvr.responses.cue_patterns import any_of, codes_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.word_sections import word_sections

# The end of a sentence, not of its clauses.
_FULL_STOP = re.compile(r"[\n!?。！？।॥؟|]|\.(?=\s)")
#: "(a)" or "a)" between a noun and its value, or "(가)의" before it: the label of a part.
_LABEL = re.compile(r"(?<![^\W\d_])[(（]?[a-eа-гα-δ가-라ก-งক-ঘक-घ][)）]")
_HEAD = 160
_NEXT = 32


class Scope(NamedTuple):
    """The words of the languages that have a noun, for each reason."""

    example: re.Pattern[str]
    says: re.Pattern[str]
    according: re.Pattern[str]
    people: re.Pattern[str]
    part: re.Pattern[str]
    if_: re.Pattern[str]
    if_would: re.Pattern[str]
    would: re.Pattern[str]
    unreal: re.Pattern[str]
    but: re.Pattern[str]
    wait: re.Pattern[str]
    guess: re.Pattern[str]
    about: re.Pattern[str]
    of: re.Pattern[str]
    wrong_that: re.Pattern[str]

    def states(self, lower: str, noun: tuple[int, int], begin: int, value: tuple[int, int], end: int) -> bool:
        """Whether a sentence states its writer's final answer.

        Args:
            lower: the text in lower case.
            noun: where "answer" begins and ends.
            begin: where what the noun announces begins.
            value: where its value begins and ends.
            end: the end of the sentence.
        """
        head = lower[_sentence(lower, noun[0]) : noun[0]]
        middle, tail = lower[noun[1] : value[0]], lower[value[1] : end]
        # A letter may be a part's: "the answer to part C".
        link = lower[noun[1] : value[1] if lower[value[0]].isalpha() else begin]
        return not (
            self.example.match(head.lstrip(" *_#>\"'-–—•(（"))
            or self.says.search(head)
            or self.says.search(tail)
            or self.wrong_that.search(head)
            or (self.according.search(head) and self.people.search(head))
            or self._is_of_a_part(head, link, lower[noun[1] : begin])
            or self._is_conditional(head, middle, tail)
            or self.but.search(tail)
            or self._is_guessed(head, middle, tail)
            or self.wait.match(lower[end : end + _NEXT].lstrip(" .!?。！।…*\n"))
            # Thai ends no sentence but by a space.
            or ("\u0e00" <= lower[noun[0]] <= "\u0eff" and any(self.wait.match(run) for run in tail.split(" ")[1:4]))
        )

    def _is_of_a_part(self, head: str, link: str, before: str) -> bool:
        clause = re.split(r"[,:;，、：；،]", head)[-1][-24:]
        if self.part.search(clause) or self.part.search(link):
            return True
        return _LABEL.search(before) is not None or _LABEL.search(clause[-16:]) is not None

    def _is_conditional(self, head: str, middle: str, tail: str) -> bool:
        if self.if_.search(tail) or self.unreal.search(tail[:24]):
            return True
        conditional = self.if_would.search(head) or self.if_would.search(tail)
        return conditional is not None and bool(self.would.search(middle) or self.would.search(tail[:24]))

    def _is_guessed(self, head: str, middle: str, tail: str) -> bool:
        guess = self.guess.search(head) or self.guess.search(tail)
        return guess is not None and bool(self.about.search(middle) or self.about.search(tail[:16]))


def _sentence(lower: str, position: int) -> int:
    """Where the sentence begins that holds a position."""
    begin = max(0, position - _HEAD)
    for stop in _FULL_STOP.finditer(lower, begin, position):
        begin = stop.end()
    return begin


@cache
def scope_of(noun: str, kind: str) -> Scope:
    """The words for a noun of one column of the table of cues."""
    codes = codes_of(noun, kind)

    def words(section: str, marked: bool | None = None) -> re.Pattern[str]:
        found = [word for code in codes for word in word_sections("scopes")[section].get(code, ())]
        if marked is not None:
            found = [word for word in found if marked or not word.endswith("~")]
        return any_of(word.rstrip("~") for word in found)

    if_, if_would = words("if", marked=False), words("if", marked=True)
    wrong = any_of(word for code in codes for word in CUES[code].wrong)
    wrong_that = re.compile(rf"(?:{wrong.pattern})\w{{0,6}}\W{{1,3}}(?:{words('that').pattern})")
    plain = {name: words(name) for name in Scope._fields if name not in ("if_", "if_would", "wrong_that")}
    return Scope(if_=if_, if_would=if_would, wrong_that=wrong_that, **plain)


class Choosing(NamedTuple):
    """One language's words of a sentence that only chooses an option."""

    therefore: re.Pattern[str]
    right: re.Pattern[str]
    denied: re.Pattern[str]


def chooses(sentence: str, rest: str) -> bool:
    """Whether a sentence in lower case begins with "therefore", or its `rest` beside the option's letter says "right",
    and no language that has these words finds a "not" or "wrong" in it."""
    said = [words for words in _choosing() if words.therefore.match(sentence) or words.right.search(rest)]
    return bool(said) and not any(words.denied.search(rest) for words in said)


@cache
def _choosing() -> list[Choosing]:
    """Of each language."""
    table = word_sections("scopes")["therefore"]
    return [
        Choosing(any_of(table.get(code, ())), any_of(cue.right), any_of([*cue.no, *cue.wrong]))
        for code, cue in CUES.items()
    ]
