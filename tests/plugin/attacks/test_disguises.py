"""English in hiding earns nothing for its hiding place, with a real encoder; honest code and formulas lose nothing."""

import asyncio
import re

import pytest

import pbrlsvr
from pbrlsvr.languages import check
from pbrlsvr.languages.tables import MATH_COMMANDS
from pbrlsvr.languages.text import read
from pbrlsvr_plugin.attacks.disguises import DISGUISES
from pbrlsvr_plugin.attacks.problems import builtin_problems

PROBLEMS = [problem for problem in builtin_problems() if problem.problem == "rolls" and problem.language != "en"]
EQUATION = re.compile(r"\d+(?: [-+*/=] \d+)+")
PROGRAM = "morning = 45\ntotal_rolls = morning + 30  # total number of rolls\nbags = total_rolls / 5\nprint(bags * 4)"
GATE = {"reasoning": {"mode": "gate"}}
PENALTY = {"reasoning": {"mode": "penalty", "weight": 0.5}}


def scores(minilm, problem, texts, language=GATE):
    async def scored():
        rewards = (
            pbrlsvr.embed_cosine(
                "hidden",
                f"{text}\n#### {problem.pivot_answer}",
                problem.pivot_answer,
                problem.row(0),
                embedding={"model": minilm},
                language=language,
            )
            for text in texts
        )
        return [found["score"] for found in await asyncio.gather(*rewards)]

    return asyncio.run(scored())


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.language)
def test_under_the_gate_no_disguise_earns_what_an_honest_solution_earns(minilm, problem):
    hidden = {name: disguise(problem.pivot_reasoning) for name, disguise in DISGUISES.items()}
    honest, *found = scores(minilm, problem, [problem.correct, *hidden.values()])
    earning = {name: score for name, score in zip(hidden, found, strict=True) if score > 0.05}
    assert earning == {}
    assert honest >= 0.0


@pytest.mark.parametrize("problem", PROBLEMS[:3], ids=lambda problem: problem.language)
def test_under_the_penalty_no_disguise_earns_more_than_english_in_plain_sight(minilm, problem):
    hidden = {name: disguise(problem.pivot_reasoning) for name, disguise in DISGUISES.items()}
    plain, *found = scores(minilm, problem, [problem.pivot_reasoning, *hidden.values()], PENALTY)
    assert [name for name, score in zip(hidden, found, strict=True) if score > plain + 1e-3] == []


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.language)
def test_english_beside_an_honest_solution_adds_nothing_from_its_hiding_place(minilm, problem):
    chunks = " ".join(f"`{' '.join(problem.pivot_reasoning.split()[at : at + 4])}`" for at in range(0, 40, 4))
    for hidden in (f"```python\n{PROGRAM}\n# we first find the total\n```", chunks):
        symbols = re.sub(r"[^\W\d_]{2,}", "", hidden)
        with_words, without = scores(minilm, problem, [f"{problem.correct}\n{hidden}", f"{problem.correct}\n{symbols}"])
        assert with_words == pytest.approx(without, abs=0.03)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_word_is_seen_that_is_not_judged(disguise):
    for problem in PROBLEMS:
        found = read(DISGUISES[disguise](problem.pivot_reasoning))
        seen = re.sub(r"\\(?:begin|end)\{[a-z*]+\}|\\[A-Za-z]+", "", found.seen)
        judged = found.judged.replace(" ", "")
        assert [word for word in re.findall(r"[A-Za-z]{2,}", seen) if word not in judged] == []
        assert set(re.findall(r"\\([A-Za-z]+)", found.seen)) <= MATH_COMMANDS | set(
            re.findall(r"\\([A-Za-z]+)", found.judged)
        )


FORMULAS = {
    "dollars": lambda equation: f"${equation}$",
    "parentheses": lambda equation: rf"\({equation.replace('*', chr(92) + 'times')}\)",
    "display": lambda equation: f"\n\\[ {equation} \\]\n",
    "environment": lambda equation: f"\n\\begin{{align*}}\n{equation.replace('=', '&=')} \\\\\n\\end{{align*}}\n",
    "fractions": lambda equation: rf"$\frac{{1}}{{2}} \cdot {equation}$",
    "inline code": lambda equation: f"`{equation}`",
}


@pytest.mark.parametrize("written", FORMULAS)
def test_honest_formulas_are_seen_as_they_were_written(written):
    for problem in PROBLEMS:
        text = EQUATION.sub(lambda equation: FORMULAS[written](equation[0]), problem.correct)
        assert " ".join(read(text).seen.split()) == " ".join(text.split())
        assert check(text, problem.language, reference=problem.pivot_reasoning).factor == 1.0


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.language)
def test_an_honest_solution_loses_nothing_by_its_program(minilm, problem):
    program = f"\n```python\n{PROGRAM}\n```"
    alone, with_program = scores(minilm, problem, [problem.correct, problem.correct + program])
    assert with_program > alone - 0.05
