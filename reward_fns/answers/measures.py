"""Units of measure, in every language by CLDR: "7500 m" is "7.5 km", and "7.5 m" is not."""

import re
from fractions import Fraction
from functools import lru_cache

from babel.units import UnknownUnitError, format_unit

from pbrlsvr.answers.locales import CURRENCY_SIGN
from pbrlsvr.answers.parts import HUNDREDTHS, with_parts
from pbrlsvr.answers.spelled import in_digits
from pbrlsvr.answers.texts import clean
from pbrlsvr.languages.tags import locale

# CLDR's units of a quantity, in the first of them.
_UNITS = {
    "length": {
        "meter": "1",
        "millimeter": "0.001",
        "centimeter": "0.01",
        "decimeter": "0.1",
        "kilometer": "1000",
        "inch": "0.0254",
        "foot": "0.3048",
        "yard": "0.9144",
        "mile": "1609.344",
    },
    "mass": {
        "gram": "1",
        "milligram": "0.001",
        "kilogram": "1000",
        "tonne": "1e6",
        "metric-ton": "1e6",
        "ounce": "28.349523125",
        "pound": "453.59237",
    },
    "duration": {"second": "1", "minute": "60", "hour": "3600", "day": "86400", "week": "604800"},
    "volume": {
        "liter": "1",
        "milliliter": "0.001",
        "centiliter": "0.01",
        "deciliter": "0.1",
        "cubic-centimeter": "0.001",
        "cubic-meter": "1000",
        "cup": "0.2365882365",
        "pint": "0.473176473",
        "quart": "0.946352946",
        "gallon": "3.785411784",
    },
    "area": {"square-meter": "1", "square-centimeter": "1e-4", "hectare": "1e4", "square-kilometer": "1e6"},
}
# Numbers of every plural form.
_PLURALS = (0.5, 1, 2, 3, 5, 21, 100)
# Symbols that are words: "18 in total".
_WORDS = {"in", "c", "p"}
_SYMBOLS = {"mm": "millimeter", "cm": "centimeter", "dm": "decimeter", "m": "meter", "km": "kilometer"}

# More than a number: letters, or a sign.
_HAS_UNIT = re.compile(r"[^\W\d_]|[^\s\w.,:/+-]")
_CENTS = re.compile(rf"\d ?(?:{HUNDREDTHS}|¢)(?![^\W\d_])", re.IGNORECASE)
_MONEY = re.compile(rf"{CURRENCY_SIGN}|\d ?(?:dollars?|euros?|usd|eur)(?![^\W\d_])", re.IGNORECASE)


def in_units_of(ground_truth: str, answer: str, language: str) -> Fraction:
    """How many units of a cleaned ground truth one of a cleaned answer is; 1 where not both have a known unit, of the
    same quantity. Money is a quantity too, of a currency and its cents, whatever the currency.

    >>> [str(in_units_of("7.5 km", answer, "de")) for answer in ("7500 m", "7,5 Kilometer", "7,5 Meter", "7,5", "7 kg")]
    ['1/1000', '1', '1/1000', '1', '1']
    >>> str(in_units_of("2 hours", "120 分钟", "zh"))
    '1/60'
    >>> str(in_units_of("$18", "18 cents", "en"))
    '1/100'
    """
    if not _HAS_UNIT.search(ground_truth):
        return Fraction(1)
    wanted = _unit(ground_truth, "en") or _unit(ground_truth, language)
    if wanted is None:
        return Fraction(1)
    if not any(character.isdecimal() for character in answer):
        answer = in_digits(answer, language, whole=False) or answer
    given = _unit(answer, language) or _unit(answer, "en")
    return given[1] / wanted[1] if given and given[0] == wanted[0] else Fraction(1)


def _unit(text: str, language: str) -> tuple[str, Fraction] | None:
    """The one unit beside a number: its quantity, and its size."""
    if _CENTS.search(with_parts(text)):
        return None if _MONEY.search(text) else ("money", Fraction(1, 100))
    if _MONEY.search(text):
        return "money", Fraction(1)
    names, pattern = _names(language)
    found = {names[match["behind"] or match["before"]] for match in pattern.finditer(text.casefold())}
    return found.pop() if len(found) == 1 else None


@lru_cache(maxsize=64)
def _names(language: str) -> tuple[dict[str, tuple[str, Fraction]], re.Pattern[str]]:
    found: dict[str, set[tuple[str, Fraction]]] = {}
    for quantity, units in _UNITS.items():
        for unit, size in units.items():
            for name in _forms(f"{quantity}-{unit}", language):
                found.setdefault(name, set()).add((quantity, Fraction(size)))
    names = {name: units.pop() for name, units in found.items() if len(units) == 1}
    for symbol, unit in _SYMBOLS.items():
        side = Fraction(_UNITS["length"][unit])
        names |= {symbol: ("length", side)}
        names |= {f"{symbol}{square}": ("area", side**2) for square in ("²", "^2", "2")}
        names |= {f"{symbol}{cube}": ("volume", 1000 * side**3) for cube in ("³", "^3", "3")}
    of_any = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    behind, before = rf"[\d½¼¾]\W?(?P<behind>{of_any})(?![\w/^²³])(?! ?/)", rf"(?<![\w/])(?P<before>{of_any}) ?\d"
    return names, re.compile(f"{behind}|{before}")


def _forms(unit: str, language: str) -> set[str]:
    found = set()
    for number in _PLURALS:
        for length in ("long", "short"):
            try:
                written = format_unit(number, unit, length=length, locale=locale(language))
            except UnknownUnitError:
                return set()
            found.add(clean(re.sub(r"[\d.,٫]*\d[\d.,٫]*", "", written)).strip(" .").casefold())
    return found - {""} - _WORDS
