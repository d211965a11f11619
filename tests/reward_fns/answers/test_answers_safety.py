"""Answers are read without exceptions, in bounded time, in any thread, and without loading sympy."""

import asyncio
import subprocess
import sys
import threading
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbrlsvr.answers import MAX_LENGTH, equal, extract, normalise
from pbrlsvr.responses.cues import CUES


def _pieces(text: str) -> list[str]:
    return text.split()


PIECES = _pieces(
    "0 1 2 18 9999 . , : / - + − % $ € ' ٫ ٬ ٣ १ ৭ ๑ 三 十 万 億 만 천 이 ½ ² ^ _ ( ) [ ] { } = ≈ < ± ! A B or x e "
    "\\frac{ \\frac{1}{2} \\sqrt{ \\text{ \\boxed{ \\pi \\infty \\times \\cup \\pm \\( \\$ million elfu mil 百分之 Rs"
)
MATH = _pieces(
    "1 2 9 99 x y z + - * / ^ ^{ } ( ) , = < | ! \\frac{ }{ \\sqrt{ \\sin( \\cos( \\log( \\pi \\{ \\} \\cup \\infty"
)
FLOODS = [piece * 200 for piece in PIECES] + [
    "9" * 1_000_000,
    "1," * 500_000,
    "123 " * 250_000,
    "(" * 1_000_000,
    "\\text{" * 100_000,
    "\u200d" * 1_000_000,
    "\ufdfa" * MAX_LENGTH,
    "一二三" * 300,
    "İ" * MAX_LENGTH,
]
LANGUAGES = st.sampled_from([None, *CUES])


@settings(deadline=None)
@given(
    st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join),
    st.text(max_size=20),
    LANGUAGES,
)
def test_any_text_is_read_without_an_exception(answer: str, gold: str, language: str | None) -> None:
    assert equal(answer, gold, language) in (True, False)
    assert equal(gold, answer, language) in (True, False)
    canonical = normalise(answer, language)
    assert canonical is None or canonical
    extract(answer, language)


@settings(deadline=None)
@given(st.decimals(-(10**9), 10**9, places=3, allow_nan=False))
def test_a_number_in_canonical_form_equals_its_ground_truth_and_no_other(number: Decimal) -> None:
    canonical = normalise(str(number))
    assert canonical is not None
    assert equal(canonical, str(number))
    assert not equal(str(number + 1), str(number))


@settings(deadline=None)
@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(["{} or {}", "{}, {}", "{} / {} / 1", "{}; {}", "{} {}"]),
)
def test_two_different_values_equal_neither(first: int, second: int, form: str) -> None:
    answer = form.format(first, second)
    # "1 000" is one number, with a space between its groups.
    if first != second and answer.replace(" ", "") != f"{first}{second}":
        assert not equal(answer, str(first))
        assert not equal(answer, str(second))


@pytest.mark.parametrize("flood", FLOODS, ids=range(len(FLOODS)))
@pytest.mark.parametrize("gold", ["18", "C", "\\frac{x}{2}", "Paris"])
def test_a_flood_takes_bounded_time(flood: str, gold: str) -> None:
    start = time.process_time()
    assert not equal(flood, gold)
    normalise(flood)
    assert time.process_time() - start < 1.0


def test_latex_is_compared_off_the_main_thread() -> None:
    verdicts: list[tuple[bool, bool]] = []

    def work() -> None:
        verdicts.extend((equal("\\sqrt{8}", "2\\sqrt{2}"), equal("\\sqrt{8}", "3\\sqrt{2}")) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [(True, False)] * 20


async def test_latex_is_compared_in_an_event_loop_and_in_its_threads() -> None:
    assert equal("\\frac{\\sqrt{4}}{1}", "2")
    pairs = [("\\{1,2\\}", "\\{2,1\\}"), ("x^2-1", "(x-1)(x+1)"), ("x^2", "x^3")]
    assert await asyncio.gather(*(asyncio.to_thread(equal, *pair) for pair in pairs)) == [True, True, False]


def test_answers_load_neither_sympy_nor_torch() -> None:
    code = (
        "import sys; from pbrlsvr.answers import equal; from pbrlsvr.responses.spans import split\n"
        "assert equal('1.234,5 €', '1234.5', 'de') and equal('(C)', 'C') and not equal('3 or 4', '4')\n"
        "assert equal(r'\\sqrt{8}', r'2\\sqrt{2}')\n"
        "assert 'sympy' not in sys.modules and 'math_verify' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
