"""Words that change what a number says: not, at least, more than, or, half. Such a number states no answer.

The phrases stand in `changes.txt`. One counts wherever it is in the number's clause; with "#", the number, right
beside it ("more than #" is a bound, "# more than" is not; "at least" is one on either side). One or two letters
(Swahili "si", Wolof "du"), and what is another word elsewhere (Vietnamese "hay" is "or", Spanish "there are"), count
only in answers of their own language; all others in every answer, since a model may answer in another language.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from pbrlsvr.words import word_table

_SHORT = 2
# "No total" is "in the total", and "no rīta" in the morning.
_IN_THE = ("pt", "gl", "lv")
_SAME = {"tl": "fil"}
_GLUED = "*"
_MARK = "\ufffc"
_CLAUSE = re.compile(r"[.;:!?。；：！？।؟،,、\n]|\ufffd")
_WORD = re.compile(r"[^\s\d_.;:!?。；：！？।؟،,、\n'\"()\[\]{}<>«»„/\\|+*=~^%$€£¥₹&-]+")


@lru_cache(maxsize=512)
def _phrases(language: str) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Phrases by their first two words; those of every language, and the short ones of this."""
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for code, phrases in word_table("changes").items():
        for phrase in phrases if code != _GLUED else ():
            words = tuple(unicodedata.normalize("NFKC", phrase.rstrip("~")).casefold().replace("#", _MARK).split())
            short = all(len(word) <= _SHORT and (word < "\u0250" or word == _MARK) for word in words)
            if (
                code == _SAME.get(language, language)
                or not (short or phrase.endswith("~"))
                or (phrase == "no" and language not in _IN_THE)
            ):
                found.setdefault(words[:2], []).append(words)
    return found


@lru_cache(maxsize=1)
def _glued() -> re.Pattern[str]:
    return re.compile(unicodedata.normalize("NFKC", "|".join(word_table("changes")[_GLUED])).replace("#", _MARK))


def is_changed(text: str, numbers: list[tuple[int, int]], language: str) -> bool:
    """Whether a word in the clauses of these numbers negates, bounds or otherwise changes them.

    Args:
        text: the cleaned text.
        numbers: where its numbers begin and end, in order.
        language: the language of the text, without script and territory.

    >>> [is_changed(text, [(text.index("18"), text.index("18") + 2)], "en") for text in ("not 18", "18 eggs", "18以上")]
    [True, False, True]
    """
    pieces, position = [], 0
    for start, end in numbers:
        pieces += [text[position:start], _MARK]
        position = max(end, position)
    marked = "".join([*pieces, text[position:]]).casefold()
    if not marked.isascii() and _glued().search(re.sub(rf" ?{_MARK} ?", _MARK, marked)):
        return True
    if any(_MARK in phrase for phrase in _said(marked, language)):
        return True
    return any(_MARK in clause and any(_said(clause, language)) for clause in _CLAUSE.split(marked))


def _said(text: str, language: str) -> Iterator[tuple[str, ...]]:
    """The phrases in a text with marks for its numbers; no punctuation parts their words."""
    words, phrases = _words(text), _phrases(language)
    for at in range(len(words)):
        for beginning in {words[at : at + 1], words[at : at + 2]}:
            yield from (phrase for phrase in phrases.get(beginning, ()) if words[at : at + len(phrase)] == phrase)


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.replace(_MARK, f" {_MARK} ")))
