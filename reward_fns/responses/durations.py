"""Spans of time, "after 4 hours": CLDR's words for years, months, weeks, days, hours, minutes and seconds, beside a
word of `[within]` in `scopes.txt`. They are no answer of the sentence that they begin."""

import re
from functools import cache
from typing import NamedTuple

from babel import UnknownLocaleError
from babel.units import UnknownUnitError, format_unit

from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.words import scope_words

_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
# Endings that CLDR's forms do not have: "po 4 godzinach".
_ENDING = 4
_SHORTEST = 3
_REACH = 40
# Numbers of every plural form.
_PLURALS = (0.5, 1, 2, 3, 5, 21, 100)


def is_span_of_time(lower: str, begin: int, end: int, codes: tuple[str, ...]) -> bool:
    """Whether the number at `[begin, end)` of a text in lower case says after what time, or within which.

    >>> text = "so after 4 hours he has painted 45 rooms, and it took him 4 hours"
    >>> [is_span_of_time(text, at, at + 1, ("en",)) for at in (9, 32, 59)]
    [True, False, False]
    """
    words = _words(codes)
    ahead, behind = lower[max(0, begin - _REACH) : begin], words.unit.match(lower, end)
    unit_first = words.unit_first.search(ahead)
    if behind is None and unit_first is None:
        return False
    before = ahead[: unit_first.start()] if unit_first else ahead
    return bool(words.after.search(before) or words.later.match(lower, behind.end() if behind else end))


def is_time(lower: str, end: int, codes: tuple[str, ...]) -> bool:
    """Whether a unit of time stands behind the number that ends at `end`."""
    return _words(codes).unit.match(lower, end) is not None


class _Words(NamedTuple):
    """Of some languages: "hours", also where it stands before the number ("saa 4"); "after" before both, 後 behind."""

    unit: re.Pattern[str]
    unit_first: re.Pattern[str]
    after: re.Pattern[str]
    later: re.Pattern[str]


@cache
def _words(codes: tuple[str, ...]) -> _Words:
    forms = {form for code in codes for unit in _UNITS for form in _forms(code, unit)}
    # Endings change: what is common to all forms of a unit is enough, where it is long enough.
    stems = {_common([word for _, word in _forms(code, unit) if word]) for code in codes for unit in _UNITS}
    behind = {word for _, word in forms} | {f"{stem}*" for stem in stems if len(stem) > _SHORTEST}
    within = scope_words("within", codes)
    after = any_of(word for word in within if word[0] != "~").pattern
    later = any_of(word[1:] for word in within if word[0] == "~").pattern
    return _Words(
        re.compile(rf"[\s\u200c-]?(?:{_any(behind)})"),
        re.compile(rf"(?:{_any({word for word, _ in forms})})\s?\Z"),
        # "At the end of these 4 hours"
        re.compile(rf"(?:{after})\s?(?:[^\W\d_]{{1,6}}\s)?\Z"),
        re.compile(rf"\s?(?:{later})"),
    )


def _forms(code: str, unit: str) -> list[tuple[str, str]]:
    """What stands before and behind the number in each plural form."""
    name = f"duration-{unit}"
    try:
        texts = {format_unit(count, name, "long", locale=code).lower() for count in _PLURALS}
        # babel gives the name of the unit where CLDR's long form is its short one.
        if any(name in text for text in texts):
            texts = {format_unit(count, name, "short", locale=code).lower() for count in _PLURALS}
    except (UnknownLocaleError, UnknownUnitError):
        return []
    found = [re.match(r"(\D*)[\d.,٫]+(\D*)\Z", text) for text in texts]
    return [(form[1].strip(), form[2].strip()) for form in found if form]


def _common(words: list[str]) -> str:
    """The longest beginning that all words have."""
    least, most = (min(words), max(words)) if words else ("", "")
    size = next((at for at, letter in enumerate(least) if most[at : at + 1] != letter), len(least))
    return least[:size]


def _any(words: set[str]) -> str:
    """A pattern of the words; where letters have cases, they end where the word does, or a few letters behind it."""
    made = []
    for word in sorted(words - {"", "*"}, key=lambda word: (-len(word), word)):
        stem = word.rstrip("*")
        ends = rf"[^\W\d_]{{0,{_ENDING}}}" if word != stem else ""
        boundary = r"(?![^\W\d_])" if stem[-1] != stem[-1].upper() else ""
        made.append(re.escape(stem) + ends + boundary)
    return "|".join(made) or "(?!)"
