"""The quickstart's world: right sums and right digits in every language, and no problem on both sides of the split."""

import random
import re
import sys
import unicodedata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split as split_response
from quickstart import data, toys
from quickstart.phrases import LANGUAGES, NATIVE_DIGITS, OPERATIONS
from quickstart.settings import WorldSettings
from quickstart.world import (
    PIVOT,
    Event,
    Problem,
    bare_answer,
    question,
    reasoning,
    response,
    rows,
    sample_problems,
    wrong_reasoning,
)

EQUATION = re.compile(r"(\d+)([+×-])(\d+)=(\d+)")
PROBLEMS = sample_problems(300, seed=5)


def in_ascii(text: str) -> str:
    """Every digit, whatever its script, as ASCII; independent of the world's own table."""
    return "".join(str(unicodedata.digit(letter)) if letter.isdigit() else letter for letter in text)


def calculate(left: int, operation: str, right: int) -> int:
    return {"+": left + right, "-": left - right, "×": left * right}[operation]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sum_is_right_and_starts_from_the_one_before(language: str) -> None:
    for problem in PROBLEMS:
        found = [
            (int(a), op, int(b), int(c)) for a, op, b, c in EQUATION.findall(in_ascii(reasoning(problem, language)))
        ]
        assert len(found) == len(problem.events)
        left = problem.start
        for a, operation, b, result in found:
            assert (a, calculate(a, operation, b)) == (left, result)
            left = result
        assert left == problem.result


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_holds_the_problems_numbers_in_order(language: str) -> None:
    for problem in PROBLEMS:
        numbers = [int(number) for number in re.findall(r"\d+", in_ascii(question(problem, language)))]
        assert numbers == [problem.start, *(event.n for event in problem.events)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_response_parses_into_its_reasoning_and_the_right_answer(language: str) -> None:
    for problem in PROBLEMS[:50]:
        spans = split_response(response(problem, language))
        assert spans.reasoning == reasoning(problem, language)
        assert equal(spans.answer, problem.answer, language)
        assert not equal(spans.answer, str(problem.result + 1), language)
        assert split_response(bare_answer(problem, language)).reasoning == ""


@pytest.mark.parametrize("language", NATIVE_DIGITS)
def test_a_language_with_its_own_digits_has_no_others(language: str) -> None:
    for problem in PROBLEMS:
        text = question(problem, language) + response(problem, language)
        assert not re.search("[0-9]", text)
        assert re.search(f"[{NATIVE_DIGITS[language]}]", text)


def test_there_are_at_least_nine_languages_in_five_scripts_with_the_same_problems() -> None:
    assert len(LANGUAGES) >= 9
    assert len({words.script for words in LANGUAGES.values()}) >= 5
    english = LANGUAGES[PIVOT]
    for words in LANGUAGES.values():
        assert len(words.names) == len(english.names)
        assert len(words.objects) == len(english.objects)
        assert {key: len(value) for key, value in words.events.items()} == {
            key: len(value) for key, value in english.events.items()
        }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_says_its_number_and_no_two_are_alike(language: str) -> None:
    words = LANGUAGES[language]
    phrases = [phrase for operation in OPERATIONS for phrase in words.events[operation]]
    assert all(phrase.count("{n}") == 1 for phrase in phrases)
    assert len(set(phrases)) == len(phrases)


def test_what_agrees_with_the_object_agrees() -> None:
    def asked(language: str, thing: int) -> str:
        return question(Problem(7, (Event("×", 2, 1),), person=0, thing=thing), language)

    assert "¿Cuántas naranjas" in asked("es", 1)
    assert "¿Cuántos huevos" in asked("es", 2)
    assert "vitabu vingapi" in asked("sw", 0)
    assert "kila kitabu" in asked("sw", 0)
    assert "machungwa mangapi" in asked("sw", 1)
    assert "sarafu ngapi" in asked("sw", 3)
    assert "7本书" in asked("zh", 0)
    assert "每枚" in asked("zh", 3)
    assert "আমিনার কাছে ৭টি বই" in asked("bn", 0)
    assert "Combien d'oranges" in asked("fr", 1)
    assert "कितनी किताबें" in asked("hi", 0)
    assert "कितने अंडे" in asked("hi", 2)
    assert "มีหนังสือ ๗ เล่ม" in asked("th", 0)
    assert "แต่ละเล่ม" in asked("th", 0)


def test_numbers_are_always_plural() -> None:
    numbers = [step for problem in PROBLEMS for step in problem.steps]
    assert min(min(step.n, step.left, step.result) for step in numbers) >= 2


def test_no_problem_is_in_both_splits_in_any_language() -> None:
    train, reward, test = toys.split(WorldSettings(train=1000, reward=300, test=200))
    skeletons = {problem.skeleton for problem in train}
    assert not skeletons & {problem.skeleton for problem in test}
    # What the encoder learns from is neither asked in training nor in the test.
    assert not {problem.skeleton for problem in reward} & {problem.skeleton for problem in (*train, *test)}
    for language in LANGUAGES:
        asked = {re.sub(r"\D+", " ", in_ascii(question(problem, language))) + problem.answer for problem in train}
        # The numbers alone may agree where the operations differ, and then the answer differs.
        overlap = [
            problem
            for problem in test
            if re.sub(r"\D+", " ", in_ascii(question(problem, language))) + problem.answer in asked
        ]
        operations = {(p.start, *((e.operation, e.n) for e in p.events)) for p in train}
        assert not [p for p in overlap if (p.start, *((e.operation, e.n) for e in p.events)) in operations]


@pytest.mark.parametrize("language", LANGUAGES)
def test_wrong_reasoning_is_wrong_in_a_number_or_a_step(language: str) -> None:
    rng = random.Random(0)
    for problem in PROBLEMS:
        wrong, right = wrong_reasoning(problem, language, rng), reasoning(problem, language)
        assert EQUATION.findall(in_ascii(wrong)) != EQUATION.findall(in_ascii(right))


def test_rows_are_as_documented_and_survive_parquet(tmp_path: Path) -> None:
    problem = Problem(7, (Event("+", 5, 0), Event("×", 3, 0)), person=0, thing=5)
    file = tmp_path / "test.parquet"
    assert data.write_rows(rows([problem], "test", ["bn"]), file) == 1
    assert data.read_rows(file) == [
        {
            "data_source": "quickstart/bn",
            "prompt": [
                {
                    "role": "user",
                    "content": "আমিনার কাছে ৭টি কাপ আছে। আমিনা আরও ৫টি কেনে। সংখ্যাটি ৩ গুণ হয়ে যায়। "
                    "এখন আমিনার কাছে কয়টি কাপ আছে? উত্তরটি ####-এর পরে লেখো।",
                }
            ],
            "ability": "math",
            "reward_model": {"style": "pivot", "ground_truth": "36"},
            "extra_info": {
                "index": 0,
                "split": "test",
                "language": "bn",
                "question": "আমিনার কাছে ৭টি কাপ আছে। আমিনা আরও ৫টি কেনে। সংখ্যাটি ৩ গুণ হয়ে যায়। এখন আমিনার কাছে কয়টি কাপ আছে?",
                "pivot_reasoning": "Now we add 7+5=12. Now we multiply 12×3=36.",
                "pivot_answer": "36",
                "pivot_model": "hand-written templates",
            },
        }
    ]


@pytest.mark.parametrize("language", ["en", "bn", "zh"])
def test_one_option_is_the_answer(language: str) -> None:
    for problem in sample_problems(50, seed=2, lengths=(2, 3), options=(4, 10)):
        text = in_ascii(question(problem, language))
        options = re.search(r" \(([\d, ]+)\)$", text)[1].split(", ")
        assert len(options) in (4, 10)
        assert len(set(options)) == len(options)
        spans = split_response(response(problem, language))
        assert [equal(spans.answer, option, language) for option in options].count(True) == 1
