"""Equality of LaTeX expressions, with bounded work, in any thread.

- `formulas` reads one short expression, in time linear in its length. math-verify's parser takes seconds for a hundred
  characters of nonsense, computes what it reads (9^{9^{99}}) and shares a cache between threads that it must not, so
  it would need a process of its own that can be killed.
- Values are floats of 30 digits, and the size of a result is bounded before it is computed.
- Two values are equal when they agree at a few fixed points for their variables, to a relative 1e-12 (1e-6 without
  variables, where the ground truth is no integer). For analytic expressions this decides rightly what
  `sympy.simplify` may search for without end: different ones agree at next to no points.
- Sets, intervals, equations and inequalities are equal when their parts are. Nothing is solved.

What is beyond these bounds is not equal to anything.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pbrlsvr.answers.formulas import NoFormulaError, Tree, read

_MAX_PARTS = 8
_POINTS = 4
# Powers of two: of results, and of what a periodic function is asked for.
_MAX_SIZE, _MAX_ANGLE = 4000, 60
_MAX_EXPONENT = 1000
_MAX_FACTORIAL = 100
_ODD = frozenset((3, 5, 7, 9, 11))
_EXACT, _ROUNDED, _NOTHING = 1e-12, 1e-6, 1e-20
_ARITHMETIC = re.compile(r"[0-9)}\s][-+*/]\s*[\d(\\]|\\times|\\cdot|\\div")
_LISTING = re.compile(r"[,;]|\b(?:or|and)\b|\\pm")
_REVERSED = {">": "<", ">=": "<="}


class _NoValueError(Exception):
    """The expression has no value here: it is infinite, undefined or too large."""


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
    gold, value = _read(ground_truth), _read(answer)
    return gold is not None and value is not None and _same(gold, value)


def evaluates_to(text: str, value: str) -> bool:
    """Whether arithmetic such as "9 * 2" has the value of another, to twelve digits."""
    trees = _read(value), _read(text)
    return None not in trees and _agree(*trees, tolerance=_EXACT)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _read(text: str) -> Tree | None:
    try:
        return read(text)
    except NoFormulaError:
        return None


def _same(gold: Tree, value: Tree) -> bool:
    """Whether two trees are equal: by value, or part by part."""
    gold, value = _forward(gold), _forward(value)
    # "x = 5" answers "5", and the other way round, but not "y = 5".
    if _is_assignment(gold) and value[0] != "rel":
        gold = gold[2][1]
    elif _is_assignment(value) and gold[0] != "rel":
        value = value[2][1]
    if gold == value:
        return True
    kinds = [tree[0] if tree[0] in ("set", "list", "union", "intersection", "rel") else "" for tree in (gold, value)]
    if kinds[0] != kinds[1]:
        return False
    if not kinds[0]:
        return _agree(gold, value)
    if gold[0] == "list":
        return gold[1::2] == value[1::2] and _all_same(gold[2], value[2])
    if gold[0] == "rel":
        return gold[1] == value[1] and (_any_order if gold[1] in (("=",), ("!=",)) else _all_same)(gold[2], value[2])
    return _any_order(gold[1], value[1])


def _forward(tree: Tree) -> Tree:
    """3 > x as x < 3."""
    if tree[0] == "rel" and set(tree[1]) <= {">", ">="}:
        return ("rel", tuple(_REVERSED[sign] for sign in tree[1][::-1]), tree[2][::-1])
    return tree


def _is_assignment(tree: Tree) -> bool:
    return bool(tree[0] == "rel" and tree[1] == ("=",) and tree[2][0][0] == "var")


def _all_same(gold: tuple[Tree, ...], value: tuple[Tree, ...]) -> bool:
    return len(gold) == len(value) <= _MAX_PARTS and all(map(_same, gold, value))


def _any_order(gold: tuple[Tree, ...], value: tuple[Tree, ...]) -> bool:
    if len(gold) != len(value) or len(gold) > _MAX_PARTS:
        return False
    rest = list(value)
    for part in gold:
        match = next((index for index, other in enumerate(rest) if _same(part, other)), None)
        if match is None:
            return False
        rest.pop(match)
    return True


def _agree(gold: Tree, value: Tree, tolerance: float | None = None) -> bool:
    """Whether two expressions have the same value wherever they are tried."""
    context = _context()
    names = sorted(_variables(gold) | _variables(value))
    for shift in range(_POINTS if names else 1):
        # Irrational, of both signs, and different for each variable.
        point = {name: (-1) ** shift * context.sqrt(2 + 3 * place + 7 * shift) / 2 for place, name in enumerate(names)}
        try:
            expected, found = _evaluate(gold, point), _evaluate(value, point)
        except Exception:  # mpmath raises many kinds where there is no value, and no value is equal to anything
            return False
        is_exact = names or expected == int(expected.real)
        close = (tolerance or (_EXACT if is_exact else _ROUNDED)) * abs(expected)
        if not abs(found - expected) <= (close or _NOTHING):
            return False
    return True


def _variables(tree: Any) -> frozenset[str]:
    if tree[0] == "var":
        return frozenset() if tree[1] in ("pi", "e", "i", "infty") else frozenset({tree[1]})
    return frozenset().union(*(_variables(part) for part in tree[1:] if isinstance(part, tuple)))


@lru_cache(maxsize=1)
def _context() -> Any:
    # Our own, and never changed: what `mpmath.workdps` sets, it sets for every thread.
    from mpmath import MPContext

    context = MPContext()
    context.dps = 30
    return context


def _evaluate(tree: Tree, point: Mapping[str, Any]) -> Any:
    """The value of a tree.

    Raises:
        _NoValueError: it has none, or one that is too large.
    """
    context, kind = _context(), tree[0]
    if kind == "num":
        return context.mpf(tree[1])
    if kind == "var":
        return _constant(tree[1]) if tree[1] not in point else point[tree[1]]
    if kind == "fn":
        return _bounded(_function(tree[1], _evaluate(tree[2], point)))
    left, right = _evaluate(tree[1], point), _evaluate(tree[2], point)
    if kind in ("/", "root") and right == 0:
        raise _NoValueError
    if kind == "^" or kind == "root":
        return _bounded(_power(left, right if kind == "^" else 1 / right, odd=kind == "root" and right in _ODD))
    results = {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right}
    return _bounded(results[kind]() if kind in results else left / right)


def _bounded(value: Any) -> Any:
    context = _context()
    if not context.isfinite(value) or (value != 0 and abs(context.mag(value)) > _MAX_SIZE):
        raise _NoValueError
    return value


def _constant(name: str) -> Any:
    context = _context()
    if name == "infty":
        raise _NoValueError
    return {"pi": +context.pi, "e": +context.e, "i": context.mpc(0, 1)}[name]


def _power(base: Any, exponent: Any, odd: bool) -> Any:
    context = _context()
    if base == 0:
        if context.im(exponent) == 0 and exponent.real > 0:
            return base
        raise _NoValueError
    if abs(exponent) > _MAX_EXPONENT or abs(exponent) * (abs(context.mag(base)) + 1) > _MAX_SIZE:
        raise _NoValueError
    # The cube root of -8 is -2.
    if odd and context.im(base) == 0 and base.real < 0:
        return -((-base) ** exponent)
    return base**exponent


def _function(name: str, value: Any) -> Any:
    context = _context()
    if name == "abs":
        return abs(value)
    if name == "!":
        if context.im(value) != 0 or not 0 <= value.real <= _MAX_FACTORIAL or value != int(value.real):
            raise _NoValueError
        return context.mpf(math.factorial(int(value.real)))
    if value != 0 and context.mag(value) > (_MAX_ANGLE if context.im(value) == 0 and name != "exp" else 11):
        raise _NoValueError
    if name in ("ln", "log") and value == 0:
        raise _NoValueError
    if name in ("sec", "csc", "cot"):
        return 1 / _function({"sec": "cos", "csc": "sin", "cot": "tan"}[name], value)
    if name.startswith("arc"):
        name = "a" + name.removeprefix("arc")
    return getattr(context, {"log": "ln"}.get(name, name))(value)
