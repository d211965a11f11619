"""Few words, words out of sight, and words of two languages in turn."""

import random
import re
import sys
from pathlib import Path

import pytest

from pbrlsvr.languages import check
from pbrlsvr.languages.short_text import english_sentences, english_share, in_another_language
from pbrlsvr_plugin.attacks.disguises import mixed
from pbrlsvr_plugin.attacks.problems import builtin_problems

sys.path.append(str(Path(__file__).resolve().parents[3] / "examples"))
from quickstart import phrases, world

PIVOT = "In total the baker bakes 45 + 30 = 75 rolls. With 5 rolls in each bag she fills 75 / 5 = 15 bags."
NATIVE = [problem for problem in builtin_problems() if problem.language != "en"]
FORMULAS = "45 + 30 = 75\n75 / 5 = 15\n15 * 4 = 60"
PROGRAM = (
    "```python\nmorning = 45\ntotal_rolls = morning + 30  # all the rolls\nbags = total_rolls / 5\nprint(bags)\n```"
)


@pytest.mark.parametrize("language", phrases.LANGUAGES)
def test_short_solutions_are_told_from_those_of_other_languages(language: str) -> None:
    caught = total = 0
    for problem in world.sample_problems(40, seed=3):
        row = {"question": world.question(problem, language), "reference": world.reasoning(problem, "en")}
        assert check(world.reasoning(problem, language), language, **row).factor == 1.0
        for other in set(phrases.LANGUAGES) - {language}:
            total += 1
            caught += check(world.reasoning(problem, other), language, **row).factor == 0.0
    assert caught > total / 3


def test_two_languages_in_a_short_solution_are_wrong_in_a_third() -> None:
    row = {
        "question": "Amina tiene 16 libros. ¿Cuántos libros quedan?",
        "reference": "Add 3: 16+3=19. Subtract 8: 19-8=11.",
    }
    assert check("Jumlisha 3: 16+3=19. Subtrahiere 8: 19-8=11.", "es", **row).factor == 0.0
    assert check("Suma 3: 16+3=19. Resta 8: 19-8=11.", "es", **row).factor == 1.0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("42 manzanas", "es"),
        ("5 km + 3 kg", "sw"),
        ("Janet, Josh, Tina, Brittany, Lloyd", "sw"),
        ("GRPO, CPU y RAM", "es"),
        ("Total: 9", "es"),
        ("総額", "ja"),
    ],
)
def test_names_units_and_single_words_are_in_any_language(text: str, language: str) -> None:
    assert not in_another_language(text, language, reference=PIVOT)


@pytest.mark.parametrize("problem", NATIVE, ids=lambda problem: f"{problem.language}-{problem.problem}")
def test_honest_solutions_have_hardly_an_english_word(problem) -> None:
    for text in (problem.correct, problem.wrong):
        assert english_share(text, problem.question, problem.pivot_reasoning) < 0.05
        row = {"question": problem.question, "reference": problem.pivot_reasoning}
        assert check(text, problem.language, **row).share == check(text, problem.language).share == 1.0


@pytest.mark.parametrize("write", [str, str.title, str.upper], ids=["plain", "title", "upper"])
@pytest.mark.parametrize(("own_run", "english_run"), [(1, 1), (2, 1), (4, 2), (6, 3)])
def test_english_between_the_words_is_counted_word_by_word(own_run: int, english_run: int, write) -> None:
    for problem in NATIVE:
        own = problem.correct.split()
        if len(own) > 15:
            text = mixed(own, list(map(write, problem.pivot_reasoning.split())), own_run, english_run)
            found = check(text, problem.language, question=problem.question, reference=problem.pivot_reasoning)
            assert found.factor == 0.0, (problem.language, text, found.share)


def test_words_in_code_and_formulas_judge_a_text_that_has_no_others() -> None:
    row = {"question": NATIVE[0].question, "reference": PIVOT}
    hidden = " ".join(f"`{' '.join(PIVOT.split()[start : start + 4])}`" for start in range(0, 20, 4))
    assert check(hidden, "es", **row).factor == 0.0
    assert check(r"\We \first \find \what \the \baker \bakes", "es", **row).factor == 0.0
    own = "`panecillos_de_la_mañana = 45`, `todos_los_panecillos = 75`, `bolsas_que_llena_la_panadera = 15`"
    assert check(own, "es", **row).factor == 1.0


@pytest.mark.parametrize("text", [FORMULAS, PROGRAM, "", f"$${FORMULAS}$$"])
def test_reasoning_without_words_is_worth_even_odds_beside_a_reference_in_words(text: str) -> None:
    row = {"question": NATIVE[0].question, "reference": PIVOT}
    found = check(text, "es", **row)
    assert (found.undetermined, found.share, found.factor) == (True, 0.5, 0.5)
    # 0.5 * (1 - 0) + 0.5 * (1 - 0.5) = 0.75
    assert check(text, "es", {"mode": "penalty", "weight": 0.5}, **row).factor == 0.75
    # Alone, or beside formulas, as before.
    for reference in ("", FORMULAS):
        assert check(text, "es", reference=reference).factor == 1.0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("45 + 30 = 75, luego 75 / 5 = 15", "es"),
        ("45 + 30 = 75 panecillos, 75 / 5 = 15", "es"),
        ("$45 + 30 = 75$ থৈলা", "bn"),
        ("45 + 30 = 75 個", "ja"),
        ("45 + 30 = 75 पाव", "hi"),
        ("Kwanza 45 + 30 = 75", "sw"),
        ("45 + 30 = 75 ndox", "wo"),
    ],
)
def test_formulas_with_a_word_in_the_language_are_full_marks(text: str, language: str) -> None:
    assert check(text, language, reference=PIVOT).factor == 1.0


def test_formulas_with_a_word_in_another_language_are_worth_the_odds() -> None:
    # 4 letters of 20: (1 + 4 / 20) / 2
    assert check("45 + 30 = 75, then 75 / 5 = 15", "es", reference=PIVOT).factor == pytest.approx(0.6)


def test_names_of_a_program_are_no_sentences() -> None:
    assert not english_sentences(re.findall("[a-z]+", PROGRAM.replace("python", "").lower()))
    words = re.findall("[a-z]+", PIVOT.lower())
    assert english_sentences(words)
    random.Random(1).shuffle(words)
    assert english_sentences(words)
