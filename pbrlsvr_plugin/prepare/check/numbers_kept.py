"""Are the numbers of an English question in its translation, and no others?

Both texts are read as `pbrlsvr.answers` reads answers: native digits, the language's decimal mark and grouping, words
for thousands and millions, Chinese and Korean numerals. Each number has its *readings*: "3 million" is 3 and 3,000,000,
which Hindi writes as 30 lakh; "1 pm" is 1 and 13. Two numbers match where they share a reading.

    missing   a number of the English text that matches none of the translation. One up to `spelled_up_to` may be
              spelled out ("tres"; "media" for 0.5), which is not read, so alone it proves nothing; but together with
              a number in digits to which nothing corresponds it does
    added     a number in digits that matches none of the English text, where spelled-out numbers count too

A translation that spells out a 3 has nothing added; one that makes an 8 of it has. What remains unseen: a small number
that is left out, and two numbers of the question that change places.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from pbrlsvr.answers import normalise
from pbrlsvr.answers.cjk import find_numbers
from pbrlsvr.answers.locales import conventions
from pbrlsvr.answers.texts import clean
from pbrlsvr.languages import base
from pbrlsvr_plugin.prepare.check.verbatim import Differences

Readings = frozenset[Fraction]

_RUN = re.compile(r"[0-9]{1,3}(?:[ '][0-9]{3})+(?![0-9])(?:[.,٫][0-9]+)?|[0-9]+(?:[.,٫٬][0-9]+)*|(?<![\w.,])[.][0-9]+")
_CLOCK = re.compile(
    r"(?::[0-9]{2})?(?: ?(?:to|and|until|till|-) ?[0-9]{1,2}(?::[0-9]{2})?)?"
    r" ?(?:[ap]\.? ?m\b|o'clock|in the (?:morning|afternoon|evening))",
    re.IGNORECASE,
)
# 7 am is the first hour of the day.
_DAY_BEGINS_AT_SIX = frozenset({"am", "om", "so", "sw", "ti"})
# 七五折: 75 percent of the price are left, so 25 percent off.
_ZHE = re.compile(r"(?<![0-9])([0-9]{1,9}(?:\.[0-9]{1,9})?|[一二三四五六七八九]{1,2}) ?折")
_FRACTION = re.compile(r"([0-9]{1,9}) ?/ ?([0-9]{1,9})(?![0-9/])")


def _numbered(words: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * place for place, word in enumerate(words.split())}


_DIGITS = _numbered("zero one two three four five six seven eight nine", 0)
_TEENS = _numbered("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10)
_TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)
_ORDINAL_DIGITS = _numbered("first second third fourth fifth sixth seventh eighth ninth", 1)
_ORDINALS = _numbered("tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth", 10)
_MONTHS = _numbered("january february march april may june july august september october november december", 1)
_COUNTING = {**_DIGITS, **_TEENS, **_TENS, **_ORDINAL_DIGITS}
# No problem counts further; "one hundred hundred hundred ..." would.
_LARGEST = 10**15
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
#: What an English word may become in digits: "half an hour" is 30 minutes, a quarter 25 cents, and so on.
_WORDS: dict[str, tuple[int, ...]] = {
    **{word: (value,) for word, value in (_COUNTING | _ORDINALS | _MONTHS | _SCALES).items()},
    "half": (2, 30, 50), "halves": (2,), "quarter": (4, 15, 25), "quarters": (4, 15, 25), "double": (2,), "twice": (2,),
    "triple": (3,), "thrice": (3,), "quadruple": (4,), "couple": (2,), "pair": (2,), "pairs": (2,), "both": (2,),
    "twin": (2,), "twins": (2,), "triplet": (3,), "triplets": (3,), "dozen": (12,), "dozens": (12,), "score": (20,),
    "decade": (10,), "century": (100,), "fortnight": (14, 2), "noon": (12,), "midnight": (12, 24), "penny": (1,),
    "pennies": (1,), "nickel": (5,), "nickels": (5,), "dime": (10,), "dimes": (10,), "year": (12, 365), "week": (7,),
    "day": (24,), "hour": (60,), "minute": (60,),
}  # fmt: skip
_MULTIPLES = {"dozen": 12, "hundred": 100, "pair": 2, "pairs": 2, "dozens": 12}
_WORD = re.compile(r"[a-z]+")
#: "a box" may become "1 box", and 8 am 8:00.
_ALWAYS = frozenset({Fraction(0), Fraction(1)})


class Written(NamedTuple):
    """A number in digits, as it is in the cleaned text, and what it may mean."""

    text: str
    readings: Readings


def compare(english: str, translation: str, language: str, spelled_up_to: int = 20) -> Differences | None:
    """What is wrong with the numbers of a translation; None where nothing is.

    Raises:
        DataError: the language is unknown.

    >>> str(compare("170 boxes of 3 weigh 1,234.5 kg", "170 cajas de tres pesan 1.234,5 kg", "es"))
    'None'
    >>> str(compare("170 boxes of 3 weigh 1,234.5 kg", "710 cajas de tres pesan 1.234,5 kg", "es"))
    '170 is missing; 710 is not in the English'
    """
    english, translation = _cleaned(english), clean(translation)
    asked = list(written(english, "en", clock=language))
    given = list(written(translation, language))
    as_in_english = {number.text: number.readings for number in asked}
    # A number that a translator took over as it was keeps the meaning that it had.
    found = [number.readings | as_in_english.get(number.text, frozenset()) for number in given]
    numerals = {number.value for number in find_numbers(translation)} | _discounts(translation)
    present = numerals.union(*found)
    parts = frozenset().union(*(_parts(number.readings) for number in asked))
    left_over = [readings for readings in _unmatched(asked, found) if not readings & parts]
    absent = [number for number in asked if not number.readings & present]
    # Up to a bound a number may be spelled out, as a whole or in quarters.
    missing = [
        number.text
        for number in absent
        if not any(value.denominator <= 4 and value <= spelled_up_to for value in number.readings)
    ]
    if not missing and left_over:
        missing = [number.text for number in absent]
    known = _ALWAYS.union(parts, spelled(english), *(number.readings for number in asked))
    added = [number.text for number, readings in zip(given, found, strict=True) if not readings & known]
    if not missing and not added:
        return None
    return Differences(tuple(dict.fromkeys(missing)), tuple(dict.fromkeys(added)))


def written(text: str, language: str, clock: str = "en") -> Iterator[Written]:
    """The numbers in digits of a cleaned text. `clock` is a language for which the hours of an English text are meant.

    >>> [sorted(map(int, number.readings)) for number in written("3 million in 2 years", "en")]
    [[3, 3000000], [2]]
    """
    speech = conventions(language)
    for mixed in find_numbers(text):
        # 3万5千 is one number, and not a 3 and a 5.
        shown = text[mixed.start : mixed.end]
        if any(map(str.isascii, shown)):
            yield Written(shown, frozenset({mixed.value}))
            text = text[: mixed.start] + "。" * len(shown) + text[mixed.end :]
    for run in _RUN.finditer(text):
        values = _values(run[0], language)
        for place, value in enumerate(values):
            readings = {value}
            if place == len(values) - 1:
                readings |= {value * factor for factor in _factors_after(text, run.end(), speech.after, language)}
            if place == 0:
                readings |= {value * factor for factor in _factors_before(text, run.start(), speech.before)}
            if language == "en" and value <= 12 and _CLOCK.match(text, run.end()):
                readings.add((value + 12) % 24)
                if base(clock) in _DAY_BEGINS_AT_SIX:
                    readings.add((value + 5) % 12 + 1)
            yield Written(run[0] if len(values) == 1 else str(value), frozenset(readings))


# The languages of a problem mostly follow each other, so its English text comes again at once.
_cleaned = lru_cache(maxsize=64)(clean)


@lru_cache(maxsize=64)
def spelled(english: str) -> Readings:
    """What the number words, fractions and months of an English text may become in digits.

    >>> sorted(map(str, spelled("twenty-five thousand, and 1/2 of a dozen")))
    ['1', '1/2', '1000', '12', '2', '20', '25', '25000', '5']
    """
    found = {Fraction(int(top), int(bottom)) for top, bottom in _FRACTION.findall(english) if int(bottom)}
    found |= {Fraction(bottom) for value in list(found) for bottom in (value.denominator, value.numerator)}
    total = section = 0
    counting = False
    for word in [*_WORD.findall(english.lower().replace("hundred and ", "hundred ")), ""]:
        found |= {Fraction(value) for value in _WORDS.get(word, ())}
        if word in _SCALES and counting and total + section < _LARGEST:
            section, total = (section * 100, total) if word == "hundred" else (0, total + section * _SCALES[word])
        elif word in _COUNTING:
            # "twenty five" adds up, "five six" does not.
            continues = counting and _COUNTING[word] < 10 ** _zeros(total + section)
            total, section = (total if continues else 0), (section if continues else 0) + _COUNTING[word]
            counting = True
        else:
            counting = False
        found.add(Fraction(total + section))
        if not counting:
            total = section = 0
    return frozenset(found - {Fraction(0)})


def _zeros(number: int) -> int:
    digits = str(number)
    return len(digits) - len(digits.rstrip("0")) if number else 0


@lru_cache(maxsize=65536)
def _values(run: str, language: str) -> tuple[Fraction, ...]:
    """The value of a run of digits and marks; several where it is a list such as "1,2,3"."""
    value = normalise(run, language)
    if value is not None and re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", value):
        return (Fraction(value),)
    return tuple(Fraction(int(digits)) for digits in re.findall(r"[0-9]{1,400}", run))


def _factors_after(text: str, end: int, words: dict[str, int], language: str) -> list[int]:
    rest = text[end : end + 40].lower().lstrip(" -")
    factors = [factor for word, factor in words.items() if rest.startswith(word)]
    if language == "en" and (word := _WORD.match(rest)) and word[0] in _MULTIPLES:
        factors.append(_MULTIPLES[word[0]])
    return factors


def _factors_before(text: str, start: int, words: dict[str, int]) -> list[int]:
    before = text[max(0, start - 40) : start].lower().rstrip(" ")
    return [factor for word, factor in words.items() if before.endswith(word)]


def _unmatched(asked: list[Written], found: list[Readings]) -> list[Readings]:
    """The numbers of the translation beyond one for each that the English has."""
    unused = list(found)
    for number in asked:
        match = next((place for place, other in enumerate(unused) if number.readings & other), None)
        if match is not None:
            del unused[match]
    return unused


def _discounts(translation: str) -> set[Fraction]:
    """Percent off, from the Chinese 折."""
    found = set()
    for match in _ZHE.finditer(translation):
        left = match[1] if match[1][0].isascii() else "".join(str("一二三四五六七八九".index(c) + 1) for c in match[1])
        found.add(100 - Fraction(left) * (10 if Fraction(left) < 10 else 1))
    return found


def _parts(readings: Readings) -> set[Fraction]:
    """0.75 may be written 3/4, and 1.5 as 1 1/2."""
    values = [value for value in readings if value.denominator != 1]
    parts = {Fraction(part) for value in values for part in (value.numerator, value.denominator, int(value))}
    return parts | {Fraction((value % 1).numerator) for value in values}
