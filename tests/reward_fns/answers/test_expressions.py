"""LaTeX expressions: what is equal, what is not, and that no expression keeps an event loop from its other work."""

import json
import random
import subprocess
import sys

import pytest

from pbrlsvr.answers import equal
from pbrlsvr.answers.expressions import equal_expressions


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("\\frac12", "0.5"),
        ("\\frac{3\\pi}2", "1.5\\pi"),
        ("3\\frac{1}{2}\\pi", "3.5\\pi"),
        ("1,000\\sqrt2", "1000\\sqrt{2}"),
        ("\\sqrt[3]{-8}", "-2"),
        ("2√3", "2*sqrt(3)"),
        ("\\log_2 8", "3"),
        ("\\sin(2x)", "2\\sin x\\cos x"),
        ("\\sin^2 x+\\cos^2 x", "1"),
        ("\\sin 30°", "\\frac12"),
        ("\\sin^{-1}(1)", "\\frac{\\pi}{2}"),
        ("2|x||y|", "|2xy|"),
        ("\\ln(x^2)", "2\\ln|x|"),
        ("e^{i\\pi}", "-1"),
        ("5!x", "120x"),
        ("(x-1)^{10}", "(1-x)^{10}"),
        ("x^{30}", "x^{15}x^{15}"),
        ("101_2", "101_{2}"),
        ("x=5", "5"),
        ("5", "x=5"),
        ("3>x", "x<3"),
        ("1<x\\le 3", "3\\ge x>1"),
        ("x = 1 \\text{ or } x = 2", "2, 1"),
        ("2\\pm\\sqrt3", "2-\\sqrt3, 2+\\sqrt3"),
        ("(-\\infty,2]\\cup[3,\\infty)", "[3,\\infty)\\cup(-\\infty,2]"),
        ("x\\in[1,2]", "[1,2]"),
        ("{1, 2}", "\\{2, 1\\}"),
        ("2\\sqrt{3}\\text{ cm}^2", "2\\sqrt{3}"),
        ("1\\over 2", "0.5"),
        ("1 + x^2", "x^2+1"),
    ],
)
def test_the_same_expression_is_equal_however_it_is_written(answer: str, gold: str) -> None:
    assert equal(answer, gold)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("Pairs", "Paris"),
        ("on", "no"),
        ("x^2-1", "x^2+1"),
        ("5\\pi\\text{ is wrong}", "5\\pi"),
        ("x\\le3", "x<3"),
        ("\\sqrt2", "-\\sqrt{2}"),
        ("\\sqrt{323.99999}", "18"),
        ("101_2", "101"),
        ("2\\pm1", "3"),
        ("\\infty+1", "\\infty"),
        ("\\frac{1}{0}", "\\frac{2}{0}"),
        ("0^0", "1"),
        ("(1,2)+(3,4)", "(4,6)"),
    ],
)
def test_another_expression_is_not_equal(answer: str, gold: str) -> None:
    assert not equal(answer, gold)


def _expression(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.15:
        return chance.choice(["2", "9", "99", "x", "\\pi", "0", "10", "-1", "0.5", "99999999", "y", "e"])
    one, other = (_expression(chance, depth - 1) for _ in range(2))
    forms = (
        "{0}^{{{1}}}", "({0})^{{{1}*{{99}}*{{99}}}}", "\\sqrt{{{0}}}", "\\sqrt[{1}]{{{0}}}", "\\frac{{{0}}}{{{1}}}",
        "\\exp({0})", "\\sin(\\exp{{{0}}})", "({0})!", "\\log_{{{1}}}({0})", "\\ln({0})", "{0}({1})", "{{{0}}}{{{1}}}",
        "|{0}|", "{0}{{{1}}}\\|", "\\{{{0},{1}\\}}", "({0},{1}]", "{0}<{1}", "{0}\\pm{1}", "\\cosh({0})", "{0}+{1}",
    )  # fmt: skip
    return chance.choice(forms).format(one, other)


HOSTILE = [
    "\\sqrt{9^{9*{99}*{99}*{99}*{99}}}",
    "\\sin(\\exp{99999999})",
    "\\sqrt{2}" + "{2}\\|" * 28 + "x",
    "(a+b+c+d)^{99}",
    "(((9^{99})^{99})^{99})",
    "9^{9^{9^{9}}}",
    "9^{-9^{9^{9}}}",
    "(((99)^{2})!)!",
    "99!!!!",
    "((((((x+1)^9+1)^9+1)^9+1)^9+1)^9)",
    "\\tan(9^{99})",
    "\\exp(\\exp(\\exp(9)))",
    "i^{i^{i^{i}}}",
    "\\int_0^1 x^x dx",
    "\\sum_{n=1}^{\\infty} \\frac{1}{n^n}",
    *(piece * (1000 // len(piece)) for piece in ("(", "{", "|", "-", "2^", "\\sin", "\\sqrt", "\\frac", "x_{", "9")),
    *(piece * (190 // len(piece)) for piece in ("(", "{", "|", "-", "2^", "\\sin", "\\sqrt", "\\frac", "x_{", "9")),
]

# A child process, whose event loop beats while it compares; the longest silence in seconds of its own CPU time.
BEATING = """
import asyncio, json, sys, time
from pbrlsvr.answers import equal
async def beat(gaps):
    while True:
        start = time.thread_time()
        await asyncio.sleep(0)
        gaps.append(time.thread_time() - start)
async def main():
    expressions, gaps = json.load(sys.stdin), []
    equal("\\\\sqrt{8}", "2\\\\sqrt{2}")
    beating = asyncio.create_task(beat(gaps))
    for expression in expressions:
        for answer in (expression, "\\\\boxed{" + expression + "}"):
            for gold in ("18", "\\\\frac{x}{2}", "(1,2)", expression + "+0"):
                equal(answer, gold)
                await asyncio.sleep(0)
    beating.cancel()
    print(max(gaps))
asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(3))
def test_no_expression_keeps_an_event_loop_from_its_other_work(seed: int) -> None:
    chance = random.Random(seed)
    expressions = [*HOSTILE, *(_expression(chance, 1 + place % 5) for place in range(150))]
    child = subprocess.run(
        [sys.executable, "-c", BEATING], input=json.dumps(expressions), capture_output=True, text=True, timeout=300
    )
    assert child.returncode == 0, child.stderr
    assert float(child.stdout) < 0.5


def test_math_verify_reads_the_same_in_generated_expressions() -> None:
    math_verify = pytest.importorskip("math_verify")
    chance = random.Random(0)
    forms = ("{0}+{1}", "\\frac{{{0}}}{{{1}}}", "({0})({1})", "\\sqrt{{{0}}}", "({0})^{{2}}", "{0}-({1})", "\\ln({0})")
    verdicts = []
    for _ in range(60):
        parts = [chance.choice(["2", "3", "x", "y", "\\pi", "7"]) for _ in range(3)]
        text = chance.choice(forms).format(chance.choice(forms).format(*parts[:2]), parts[2])
        other = chance.choice([f"({text})+1-1", text.replace("2", "3"), text.replace("x", "y"), f"{text}+0"])
        read = [math_verify.parse(f"${each}$", parsing_timeout=None) for each in (text, other)]
        verdicts.append((equal_expressions(other, text), math_verify.verify(*read, timeout_seconds=None)))
    assert [ours for ours, _ in verdicts] == [theirs for _, theirs in verdicts]
    assert {True, False} == {ours for ours, _ in verdicts}
