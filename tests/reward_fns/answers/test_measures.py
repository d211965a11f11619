"""Units as CLDR writes them in every language: the truth's own is met, another of the same quantity is scaled."""

import doctest

from babel.units import format_unit

from pbrlsvr.answers import equal, measures
from pbrlsvr.languages.tags import locale
from pbrlsvr.responses.cues import CUES

UNITS = [
    ("length-kilometer", "7 km", "7 m"),
    ("length-meter", "7 m", "7 km"),
    ("length-centimeter", "7 cm", "7 m"),
    ("mass-kilogram", "7 kg", "7 g"),
    ("volume-liter", "7 liters", "7 ml"),
    ("length-foot", "7 feet", "7 inches"),
    ("length-mile", "7 miles", "7 km"),
    ("mass-pound", "7 pounds", "7 ounces"),
    ("volume-gallon", "7 gallons", "7 quarts"),
    ("duration-hour", "7 hours", "7 minutes"),
    ("duration-minute", "7 minutes", "7 hours"),
]


def test_a_unit_is_read_in_every_language() -> None:
    forms = [
        (language, format_unit(7, unit, length, locale=locale(language)), same, other)
        for language in CUES
        for unit, same, other in UNITS
        for length in ("long", "short")
    ]
    missed = [one for one in forms if not equal(one[1], one[2], one[0]) or equal(one[1], one[3], one[0])]
    # "7 t" is seven hours in Finnish, and seven tonnes elsewhere; in Greek centimetres are hundredths.
    assert len(missed) <= 0.015 * len(forms), missed


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(measures).failed == 0
