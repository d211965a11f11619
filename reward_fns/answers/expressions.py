"""Equality of LaTeX expressions, in bounded time and in any thread.

math-verify reads the LaTeX. It bounds its time with `signal.alarm`, which raises outside the main thread, where reward
functions run, so here its timeouts are off and the work is bounded instead:

- Only one short expression is read, not deep, with small powers, of commands that need no search (no sums, integrals).
- Two values are equal when they agree to a relative 1e-6 at a few fixed points for their variables (1e-12 if they have
  any). This decides what `sympy.simplify` may search for without end, and for analytic expressions it decides rightly:
  different ones agree at next to no points.
- Sets, intervals, equations and inequalities are equal when their parts are. (`math_verify.verify` would solve them.)

What is beyond these bounds is not equal to anything.
"""

import logging
import math
import re
import threading
from functools import lru_cache
from typing import Any

_MAX_LENGTH = 160
_MAX_DEPTH = 6
_MAX_POWER = 1000
_MAX_PARTS = 8
_POINTS = 4
# fmt: off
_COMMANDS = frozenset((
    "frac", "dfrac", "tfrac", "sqrt", "pi", "times", "cdot", "div", "pm", "infty", "left", "right", "sin", "cos",
    "tan", "log", "ln", "exp", "circ", "degree", "le", "leq", "ge", "geq", "ne", "neq", "cup", "cap", "in", "alpha",
    "beta", "gamma", "theta", "lambda", "mu", "phi", "omega", "{", "}", "|",
))
# fmt: on
_COMMAND = re.compile(r"\\([a-zA-Z]+|.)")
_ALLOWED = re.compile(r"[0-9A-Za-z\s+\-*/^_=<>.,;:()\[\]{}|!%°]*\Z")
_BIG = re.compile(r"[0-9]{16,}|\^\s*\{?\s*[-+]?\s*[0-9]{3,}|\^[^+\-=,)]*\^|(?<![\s0-9A-Za-z])\s*!|[0-9]{3,}\s*!")
_POWER = re.compile(r"\^[\s{(+-]*([0-9]{1,2})")
_WORDS = re.compile(r"[A-Za-z]{3,}")
_ARITHMETIC = re.compile(r"[0-9)}\s][-+*/]\s*[\d(\\]|\\times|\\cdot|\\div")
_LISTING = re.compile(r"[,;]|\b(?:or|and)\b|\\pm")
# antlr's parser shares its prediction cache between threads.
_LOCK = threading.Lock()


def equal_expressions(answer: str, ground_truth: str, is_number: bool = False) -> bool:
    """Whether two cleaned LaTeX expressions are equal; False for what is no single short expression.

    Args:
        answer: the answer.
        ground_truth: the right answer.
        is_number: whether the ground truth is a number. Then arithmetic left undone and lists are not equal to it.

    >>> equal_expressions("\\\\sqrt{8}", "2\\\\sqrt{2}"), equal_expressions("9 \\\\times 2", "18", is_number=True)
    (True, False)
    """
    if is_number and (_ARITHMETIC.search(answer) or _LISTING.search(answer) or "\\" not in answer):
        return False
    if not (_is_simple(answer) and _is_simple(ground_truth)):
        return False
    with _LOCK:
        gold, value = _parse(ground_truth), _parse(answer)
        try:
            return gold is not None and value is not None and _same(gold, value)
        except Exception:  # sympy raises many kinds on nonsense, and nonsense is not equal to anything
            return False


def _is_simple(text: str) -> bool:
    if len(text) > _MAX_LENGTH or _BIG.search(text):
        return False
    if any(command not in _COMMANDS for command in _COMMAND.findall(text)):
        return False
    if math.prod(int(power) or 1 for power in _POWER.findall(text)) > _MAX_POWER:
        return False
    bare = _COMMAND.sub(" ", text)
    if not _ALLOWED.match(bare) or _WORDS.search(bare):
        return False
    depth = deepest = 0
    for character in text:
        depth += (character in "({[") - (character in ")}]")
        deepest = max(deepest, depth)
        if depth < 0:
            return False
    return depth == 0 and deepest <= _MAX_DEPTH


@lru_cache(maxsize=1024)
def _parse(text: str) -> Any:
    from math_verify import LatexExtractionConfig, parse

    _silence()
    found = parse(f"${text}$", [LatexExtractionConfig()], fallback_mode="no_fallback", parsing_timeout=None)
    return found[0] if found else None


def _agree(gold: Any, value: Any) -> bool:
    """Whether two sympy expressions have the same value wherever they are tried."""
    import mpmath
    from sympy import lambdify

    if gold == value:
        return True
    symbols = sorted(gold.free_symbols | value.free_symbols, key=str)
    # Not evalf: its time can double with every level of nesting.
    functions = [lambdify(symbols, expression, "mpmath", dummify=True) for expression in (gold, value)]
    tolerance = 1e-12 if symbols else 1e-6
    with mpmath.workdps(30):
        for shift in range(_POINTS if symbols else 1):
            # Irrational, of both signs, and different for each variable.
            point = [(-1) ** shift * mpmath.sqrt(2 + 3 * i + 7 * shift) / 2 for i in range(len(symbols))]
            expected, found = (mpmath.mpmathify(function(*point)) for function in functions)
            if not (mpmath.isfinite(expected) and abs(found - expected) <= tolerance * abs(expected)):
                return False
    return True


def _same(gold: Any, value: Any) -> bool:
    """Whether two parsed expressions are equal: by value, or part by part."""
    from sympy import Eq, Expr, Ge, Gt, Set

    gold, value = (side.reversed if isinstance(side, Gt | Ge) else side for side in (gold, value))
    # "x = 5" answers "5", and the other way round, but not "y = 5".
    if isinstance(gold, Eq) and isinstance(value, Expr) and gold.lhs.is_Symbol:
        gold = gold.rhs
    elif isinstance(value, Eq) and isinstance(gold, Expr) and value.lhs.is_Symbol:
        value = value.rhs
    if gold == value:
        return True
    if isinstance(gold, Expr) and isinstance(value, Expr):
        return _agree(gold, value)
    if type(gold) is not type(value) or not 0 < len(gold.args) == len(value.args) <= _MAX_PARTS:
        return False
    if isinstance(gold, Eq | Set) and not hasattr(gold, "left_open"):
        rest = list(value.args)
        for part in gold.args:
            match = next((index for index, other in enumerate(rest) if _same(part, other)), None)
            if match is None:
                return False
            rest.pop(match)
        return True
    return all(_same(part, other) for part, other in zip(gold.args, value.args, strict=True))


@lru_cache(maxsize=1)
def _silence() -> None:
    # Once per process math-verify warns that its timeouts are off; that they are is the point of this module.
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).addFilter(lambda record: "Timeout is disabled" not in str(record.msg))
