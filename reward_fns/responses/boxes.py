"""Boxes that hold no answer: an example of the form, a guess, a condition that is then denied."""

import re
from functools import cache

from pbrlsvr.responses.cue_patterns import any_language, any_of
from pbrlsvr.responses.scopes import FULL_STOP, sentence_begin
from pbrlsvr.responses.sentences import lower_case
from pbrlsvr.responses.word_sections import word_sections

_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]{0,4}\{[\s.…]{0,3}\}")
_DIGIT = re.compile(r"\d")
_HEAD = 160
_NEXT = 32


def is_example(text: str, begin: int, end: int) -> bool:
    """Whether a box only shows the form, or was a guess: "for example \\boxed{18}", "I wrote \\boxed{18}, but that
    is wrong".

    >>> said = "It goes in a box, for example \\\\boxed{18}. First"
    >>> is_example(said, said.index("\\\\"), said.index("}") + 1)
    True
    """
    lower = lower_case(text[max(0, begin - _HEAD) : end + _HEAD])
    at = begin - max(0, begin - _HEAD)
    head = lower[sentence_begin(lower, at) : at]
    if _EMPTY_BOX.search(head) or _shows().search(head[-_NEXT:]):
        return True
    tail = lower[at + end - begin :]
    tail = tail[: stop.start()] if (stop := FULL_STOP.search(tail)) else tail
    words = any_language()
    if _guesses().search(head) and words.wrong.search(tail):
        return True
    # "\\boxed{16} if my guess is right, but 16 * 3 is not 51"
    if (condition := _conditions().match(tail.lstrip(" $*"))) and _turns().search(tail, condition.end()):
        return True
    # "..., but that is wrong": a word for "but", and nothing between that could be something else's.
    return any(
        (wrong := words.wrong.search(tail, but.end(), but.end() + _NEXT)) and not _DIGIT.search(tail, 0, wrong.start())
        for but in _turns().finditer(tail)
    )


@cache
def _shows() -> re.Pattern[str]:
    shows = any_of(word for words in word_sections("scopes")["example"].values() for word in words if len(word) > 2)
    # Nothing but a word or two between: "come in", "e.g. as".
    return re.compile(rf"(?:{shows.pattern})[\s,:：、*$]{{0,3}}(?:[^\W\d_]{{1,8}}[\s,:]){{0,2}}[\s$*(]{{0,3}}\Z")


@cache
def _guesses() -> re.Pattern[str]:
    return any_of(word for words in word_sections("scopes")["guess_first"].values() for word in words)


@cache
def _conditions() -> re.Pattern[str]:
    return any_of(word.rstrip("~") for words in word_sections("scopes")["if"].values() for word in words)


@cache
def _turns() -> re.Pattern[str]:
    return any_of(word for words in word_sections("scopes")["but"].values() for word in words if len(word) > 1)
