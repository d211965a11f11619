"""Numbers that are scaled, signed, negated, bounded or spelled out: read in full, or not at all."""

import time
from pathlib import Path

import pytest
from babel import Locale
from babel.localedata import locale_identifiers

from pbrlsvr.answers import equal, normalise
from pbrlsvr.answers.cjk import find_numbers
from pbrlsvr.answers.locales import conventions
from pbrlsvr.languages import parse
from pbrlsvr.words import word_table


def _cases() -> list[list[tuple[str, str, str | None]]]:
    sections: list[list[tuple[str, str, str | None]]] = []
    for line in Path(__file__).with_name("numbers.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            sections.append([])
        else:
            answer, gold, language = line.split(" ; ")
            sections[-1].append((answer, gold, None if language == "-" else language))
    return sections


EQUAL, UNEQUAL, HONEST = _cases()
# CLDR's words for large numbers that are other words in most languages ("18 min").
OTHER_WORDS = frozenset("min kun mano mile míle mìle kilu afe vote tri bin miu".split())  # noqa: SIM905


@pytest.mark.parametrize(("answer", "gold", "language"), EQUAL + HONEST)
def test_a_number_is_read_with_the_words_that_belong_to_it(answer: str, gold: str, language: str | None) -> None:
    assert equal(answer, gold, language)


@pytest.mark.parametrize(("answer", "gold", "language"), UNEQUAL)
def test_a_number_that_its_words_change_is_not_read_without_them(answer: str, gold: str, language: str | None) -> None:
    assert not equal(answer, gold, language)


def test_numbers_are_read_as_every_language_spells_them() -> None:
    lines = Path(__file__).with_name("numbers_in_words.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [(words, int(number), language) for language, number, words in (line.split("\t") for line in lines)]
    assert [row for row in rows if not equal(row[0], str(row[1]), row[2])] == []
    assert [
        row for row in rows for part in {row[1] % 10, row[1] % 100} - {row[1]} if equal(row[0], str(part), row[2])
    ] == []


LANGUAGES = sorted({code for code in locale_identifiers() if "_" not in code} & {*Locale("en").languages})


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_that_cldr_has_for_large_numbers_is_passed_over_in_any_language(language: str) -> None:
    own = conventions(language)
    for word, factor in own.after.items():
        if word in OTHER_WORDS or not word.isalpha():
            continue
        assert not equal(f"30 {word}", "30", "en"), word
        assert not equal(f"30 {word}", "30", language), word
        assert equal(f"30 {word}", str(30 * factor), language), word


def test_every_phrase_that_changes_a_number_does_so_in_its_language() -> None:
    for code, phrases in word_table("changes").items():
        if code == "*":
            continue
        assert parse(code) == code
        for phrase in phrases:
            text = phrase.rstrip("~")
            answer = text.replace("#", "18") if "#" in text else f"{text} 18"
            assert not equal(answer, "18", code), answer


@pytest.mark.parametrize(
    ("answer", "canonical"),
    [("50%", "50%"), ("minus seven", "-7"), ("three quarters", "0.75"), ("30 lakh", "3000000"), ("18 = 9 * 2", "18")],
)
def test_the_canonical_form_is_that_of_the_number_in_digits(answer: str, canonical: str) -> None:
    assert normalise(answer) == canonical


def test_a_percentage_has_one_value() -> None:
    # 50% is 50, as data sets write it; where the ground truth has the sign, 0.5 says the same.
    assert [equal("50%", gold) for gold in ("50", "50%", "0.5", "5000")] == [True, True, False, False]
    assert [equal("1800%", gold) for gold in ("1800", "18")] == [True, False]
    assert [equal(answer, "50%") for answer in ("50", "0.5", "1/2", "5000", "0.005")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "九" * 20_000, "9" * 20_000, "9" * 5_000 + "万", "一百" * 10_000, "1,234" * 5_000, "9만 " * 5_000,
        "만" * 20_000,
        "9分之" * 5_000, "1." + "3" * 20_000, "one hundred " * 4_000, "９" * 5_000, "3 万 " * 5_000, "90억" * 5_000,
    ],
)  # fmt: skip
def test_very_long_numbers_are_read_in_linear_time_or_not_at_all(text: str) -> None:
    start = time.process_time()
    for number in find_numbers(text):
        str(number.value)
    assert not equal(text, "18", "zh")
    assert not equal(text[:1000], "18", "zh")
    normalise(text[:1000], "ko")
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("language", "three_quarters"),
    [
        ("de", "drei Viertel"), ("fr", "trois quarts"), ("ro", "trei sferturi"), ("hu", "háromnegyed"),
        ("sv", "tre fjärdedelar"), ("fi", "kolme neljäsosaa"), ("el", "τρία τέταρτα"), ("bg", "три четвърти"),
        ("tr", "dörtte üç"), ("ar", "ثلاثة أرباع"), ("he", "שלושה רבעים"), ("ur", "تین چوتھائی"), ("mr", "तीन चतुर्थांश"),
        ("ta", "முக்கால்"), ("sw", "robo tatu"), ("vi", "ba phần tư"), ("id", "tiga perempat"), ("hi", "तीन बटा चार"),
    ],
)  # fmt: skip
def test_a_fraction_in_words_is_one(language: str, three_quarters: str) -> None:
    assert equal(three_quarters, "3/4", language)
    assert not equal(three_quarters, "3", language)
    assert not equal(three_quarters, "4", language)


@pytest.mark.parametrize(("language", "two_thirds"), [("ar", "ثلثان"), ("hu", "kétharmad"), ("sw", "theluthi mbili")])
def test_two_thirds_may_be_one_word(language: str, two_thirds: str) -> None:
    assert equal(two_thirds, "2/3", language)
    assert not equal(two_thirds, "1/3", language)
