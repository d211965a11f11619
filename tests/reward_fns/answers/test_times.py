"""Times of day, as answers say them: in every language by CLDR, and by hand in `times.txt`."""

import doctest
from datetime import time
from pathlib import Path

import pytest
from babel.dates import format_skeleton, format_time

from pbrlsvr.answers import day_parts, equal, times
from pbrlsvr.languages.tags import locale
from pbrlsvr.responses.cues import CUES


def _cases() -> list[list[tuple[str, str, str]]]:
    sections: list[list[tuple[str, str, str]]] = []
    for line in Path(__file__).with_name("times.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            sections.append([])
        else:
            answer, truth, language = line.split(" ; ")
            sections[-1].append((answer, truth, language))
    return sections


EQUAL, UNEQUAL = _cases()
TIMES = (time(21, 0), time(21, 45), time(7, 0), time(15, 30), time(12, 0), time(0, 15))


def _written(moment: time, language: str) -> set[str]:
    """As CLDR writes it, with and without the part of the day; full hours also without minutes."""
    patterns = ("Bhm", "hm", "Hm") + ("Bh", "h", "H") * (not moment.minute)
    known = locale(language)
    offered = [pattern for pattern in patterns if pattern in known.datetime_skeletons]
    return {
        format_time(moment, "short", locale=known),
        *(format_skeleton(one, moment, locale=known) for one in offered),
    }


@pytest.mark.parametrize("language", CUES)
def test_a_time_is_read_as_cldr_writes_it_and_not_as_that_of_the_other_half_of_the_day(language: str) -> None:
    missed, total = [], 0
    for moment in TIMES:
        truth = moment.strftime("%I:%M %p")
        other = truth.translate(str.maketrans("AP", "PA"))
        for text in _written(moment, language):
            if text.isdecimal() or text[-2:-1] == ":":
                continue  # "21" alone may be anything, and "21:0", as Yoruba has it, is a ratio.
            total += 1
            missed += [] if equal(text, truth, language) else [text]
            assert not equal(text, other, language), text
    assert len(missed) <= 0.1 * total, missed


@pytest.mark.parametrize(("answer", "truth", "language"), EQUAL)
def test_a_time_is_read_as_it_is_said(answer: str, truth: str, language: str) -> None:
    assert equal(answer, truth, language)


@pytest.mark.parametrize(("answer", "truth", "language"), UNEQUAL)
def test_what_is_bounded_denied_or_no_time_is_none(answer: str, truth: str, language: str) -> None:
    assert not equal(answer, truth, language)


@pytest.mark.parametrize("module", [times, day_parts])
def test_the_examples_in_the_docstrings_run(module) -> None:  # type: ignore[no-untyped-def]
    assert doctest.testmod(module).failed == 0
