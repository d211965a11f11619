"""Final answers as models write them, in 75 languages, and endings that give none: `tests/data/endings*.tsv`."""

import doctest
import importlib
from collections import defaultdict
from pathlib import Path

import pytest
from last_sentences import reads

from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.spans import split
from pbrlsvr.words import word_sections

DATA = Path(__file__).parents[2] / "data"


def _rows(name: str) -> list[list[str]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


ROWS = _rows("endings.tsv")
RIGHT = [row for row in ROWS if row[0] == "right"]
MARKED = [row for row in RIGHT if row[2] != "none"]
WRONG = [row for row in ROWS if row[0] == "wrong"]


def _reads(row: list[str]) -> bool:
    _, language, _, gold, ending = row
    return reads(language, gold, ending.replace("⏎", "\n"))


def test_the_material_is_wide() -> None:
    assert len(RIGHT) >= 500
    assert len(WRONG) >= 250
    assert len({row[1] for row in RIGHT}) >= 50
    assert len({row[1] for row in WRONG}) >= 40


def test_of_the_marked_answers_at_least_99_percent_are_read_and_9_in_10_of_every_language() -> None:
    missed = [row for row in MARKED if not _reads(row)]
    assert len(missed) <= 0.01 * len(MARKED), missed
    by_language = defaultdict(list)
    for row in MARKED:
        by_language[row[1]].append(row not in missed)
    assert {code: found for code, found in by_language.items() if sum(found) < 0.9 * len(found)} == {}


def test_of_the_endings_without_an_answer_at_most_1_percent_is_read_as_one() -> None:
    mistaken = [row for row in WRONG if _reads(row)]
    assert len(mistaken) <= 0.01 * len(WRONG), mistaken


def test_of_endings_that_no_two_write_alike_most_are_read_and_hardly_one_that_is_no_answer() -> None:
    rows = _rows("endings_varied.tsv")
    marked = [row for row in rows if row[0] == "right" and row[2] != "none"]
    missed = [row for row in marked if not _reads(row)]
    assert len(missed) <= 0.12 * len(marked), missed
    wrong = [row for row in rows if row[0] == "wrong"]
    mistaken = [row for row in wrong if _reads(row)]
    assert len(mistaken) <= 0.01 * len(wrong), mistaken


@pytest.mark.parametrize("language", CUES)
def test_every_noun_is_a_heading_with_the_answer_below(language: str) -> None:
    for noun in CUES[language].nouns + CUES[language].results:
        if noun[-1] not in ".:":
            for heading in ("**{}**\n\n", "### {}\n", "**{}:**\n\n", "## **{}**\n\n", "{}:\n"):
                assert split(f"3 + 4 = 7\n\n{heading.format(noun.capitalize())}**42**").answer == "42", (noun, heading)


@pytest.mark.parametrize("language", CUES)
def test_every_word_that_denies_makes_it_no_answer(language: str) -> None:
    cue = CUES[language]
    for word in cue.no + cue.wrong:
        text = f"3 + 4 = 7\n\n{cue.nouns[0]} {word.strip('*')}: 42"
        assert split(text).answer == "", text
    for word in cue.bounds:
        text = f"3 + 4 = 7\n\n{cue.nouns[0]}: {word.strip('*~')} 42"
        assert split(text).answer == "", text


@pytest.mark.parametrize("section", ["if", "says", "doubt", "part"])
def test_every_word_that_makes_it_no_statement_does(section: str) -> None:
    for language, words in word_sections("scopes")[section].items():
        noun = CUES[language].nouns[0]
        for word in words:
            # "ข้อ ก" holds a noun itself: a choice.
            text = f"3 + 4 = 7\n\n{word.strip('*~')} {noun}: 42" if "ข้อ" not in word else ""
            assert split(text).answer == "", text


@pytest.mark.parametrize("module", ["spans", "sentences", "format", "boxes", "plain", "shapes"])
def test_the_examples_in_the_docstrings_run(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"pbrlsvr.responses.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
