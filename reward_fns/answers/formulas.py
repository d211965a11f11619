"""LaTeX -> a tree: what final answers are written with, read from left to right, once.

    ("num", "1.5")  ("var", "x_1")  ("fn", "sin", tree)  ("+" | "-" | "*" | "/" | "^" | "root", tree, tree)
    ("set", trees)  ("list", "[", trees, ")")  ("union" | "intersection", trees)  ("rel", ("<", "<="), trees)

A "list" is a tuple or an interval. The parser never goes back, so its time is linear in the length, which is bounded,
and so is the depth. What it does not know (sums, integrals, matrices, words) is no formula.
"""

import re
from typing import Any

MAX_LENGTH = 200
MAX_DEPTH = 16
_MAX_DIGITS = 40

Tree = tuple[Any, ...]

FUNCTIONS = frozenset(
    f"{arc}{name}{h}" for arc in ("", "arc") for name in ("sin", "cos", "tan") for h in ("", "h")
) | frozenset(("sec", "csc", "cot", "ln", "log", "exp"))
_NAMES = "|".join(sorted({*FUNCTIONS, "sqrt", "pi"}, key=len, reverse=True))
_TOKEN = re.compile(
    rf"\s*(?:(?P<num>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)|\\(?P<cmd>[a-zA-Z]+|[{{}}|])"
    rf"|(?P<name>(?<![A-Za-z])(?:{_NAMES}|and|or)(?![A-Za-z]))|(?P<op>\*\*|<=|>=|!=|[^\W\d_]|[^\s\w\\]|_))"
)
# Three letters in a row are a word, and so are two where nothing else is a formula.
_WORD = re.compile(r"(?<![A-Za-z\\])(?!(?:and|or|(?:[a-z]{0,2}?(?:" + _NAMES + r")))(?![A-Za-z]))[A-Za-z]{3,}")
_ONLY_LETTERS = re.compile(r"(?=.*[A-Za-z]{2})[A-Za-z\s.]*\Z")
_GROUPED = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_SAME = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "×": "*", "⋅": "*", "·": "*", "times": "*", "cdot": "*",
    "∗": "*", "÷": "/", "div": "/", "**": "^", "√": "sqrt", "π": "pi", "∞": "infty", "infinity": "infty", "∪": "cup",
    "∩": "cap", "∈": "in", "leq": "<=", "le": "<=", "≤": "<=", "leqslant": "<=", "geq": ">=", "ge": ">=", "≥": ">=",
    "geqslant": ">=", "lt": "<", "gt": ">", "neq": "!=", "ne": "!=", "≠": "!=", "±": "pm", "lvert": "|", "rvert": "|",
    "vert": "|", "degree": "°", "circ": "°", "approx": "=", "≈": "=", "or": ",", "and": ",", ";": ",", "lbrace": "\\{",
    "rbrace": "\\}", "arsinh": "arcsinh", "arcosh": "arccosh", "artanh": "arctanh",
}  # fmt: skip
_GREEK = frozenset("alpha beta gamma delta epsilon theta lambda mu nu rho sigma tau phi psi omega".split())  # noqa: SIM905
_RELATIONS = frozenset(("=", "<", ">", "<=", ">=", "!="))
_OPENING = {"(": ")]", "[": "])", "{": "}", "\\{": ("\\}",)}
_TRIGONOMETRIC = frozenset(("sin", "cos", "tan", "sec", "csc", "cot"))


class NoFormulaError(Exception):
    """The text is no formula that this module reads."""


def read(text: str) -> Tree:
    """The tree of a cleaned LaTeX formula; of `a \\pm b` the set of both.

    Raises:
        NoFormulaError: it is none, or too long, too deep, or of commands that final answers have no need of.

    >>> read("2x^3")
    ('*', ('num', '2'), ('^', ('var', 'x'), ('num', '3')))
    """
    if len(text) > MAX_LENGTH or _WORD.search(text) or _ONLY_LETTERS.match(text):
        raise NoFormulaError(text[:80])
    tokens = _tokens(_GROUPED.sub(lambda run: run[0].replace(",", ""), text))
    if "pm" in tokens:
        signs = ({"pm": "+", "mp": "-"}, {"pm": "-", "mp": "+"})
        return ("set", tuple(_Parser([sign.get(token, token) for token in tokens]).whole() for sign in signs))
    return _Parser(tokens).whole()


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.rstrip(" .")
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise NoFormulaError(text[:80])
        position = found.end()
        if found["num"] and len(found["num"]) > _MAX_DIGITS:
            raise NoFormulaError(text[:80])
        if found["cmd"] and found["cmd"] in "{}":
            tokens.append("\\" + found["cmd"])
        elif found["cmd"] not in ("left", "right", "displaystyle"):
            token = found["num"] or found["cmd"] or found["name"] or found["op"]
            tokens.append(_SAME.get(token, token))
    return tokens


class _Parser:
    """Recursive descent; every method takes what it reads off the tokens."""

    def __init__(self, tokens: list[str]):
        self._tokens = tokens[::-1]
        self._depth = 0
        self._bars = 0
        self._in_angle = False

    def whole(self) -> Tree:
        items = self._items()
        if self._tokens:
            raise NoFormulaError(self._tokens[-1])
        return items[0] if len(items) == 1 else ("set", items)

    def _next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _took(self, *tokens: str) -> str:
        return self._tokens.pop() if self._tokens and self._tokens[-1] in tokens else ""

    def _items(self) -> tuple[Tree, ...]:
        items = [self._relation()]
        while self._took(","):
            if self._next() != ",":  # ", and"
                items.append(self._relation())
        return tuple(items)

    def _relation(self) -> Tree:
        parts: list[Any] = [self._union()]
        while (sign := self._next()) in _RELATIONS or sign == "in":
            self._tokens.pop()
            if sign == "in":
                return self._union()
            parts += [sign, self._union()]
        return parts[0] if len(parts) == 1 else ("rel", tuple(parts[1::2]), tuple(parts[::2]))

    def _union(self) -> Tree:
        first, kind = self._sum(), self._next()
        parts = [first]
        while kind in ("cup", "cap") and self._took(kind):
            parts.append(self._sum())
        return first if len(parts) == 1 else ("union" if kind == "cup" else "intersection", tuple(parts))

    def _sum(self) -> Tree:
        found = self._product()
        while sign := self._took("+", "-"):
            found = (sign, _value(found), _value(self._product()))
        return found

    def _product(self) -> Tree:
        negative = False
        while sign := self._took("+", "-"):
            negative ^= sign == "-"
        found, whole = self._power(), self._was_integer
        while True:
            if sign := self._took("*", "/"):
                minus = bool(self._took("-"))
                other = _value(self._power())
                found = (sign, _value(found), ("*", ("num", "-1"), other) if minus else other)
            elif self._starts_factor():
                mixed = whole and self._next() == "frac"
                other = _value(self._power())
                mixed = mixed and other[0] == "/" and other[1][0] == other[2][0] == "num"
                found = ("+" if mixed else "*", _value(found), other)
            else:
                break
            whole = False
        return ("*", ("num", "-1"), _value(found)) if negative else found

    def _starts_factor(self) -> bool:
        token = self._next()
        if token == "|":
            return not self._bars
        return token in ("(", "[", "{", "frac", "sqrt", "pi", "infty") or token in FUNCTIONS or _is_name(token)

    def _power(self) -> Tree:
        self._was_integer = self._next().isdecimal()
        self._depth += 1
        found = self._atom()
        while sign := self._took("^", "!", "%", "°"):
            self._was_integer = False
            if sign == "^":
                if self._took("°"):
                    sign = "°"
                else:
                    found = ("^", _value(found), self._exponent())
            if sign == "!":
                found = ("fn", "!", _value(found))
            elif sign == "%":
                found = ("/", _value(found), ("num", "100"))
            elif sign == "°" and self._in_angle:
                found = ("/", ("*", _value(found), ("var", "pi")), ("num", "180"))
        self._depth -= 1
        return found

    def _exponent(self) -> Tree:
        minus = bool(self._took("-"))
        found = _value(self._power())
        return ("*", ("num", "-1"), found) if minus else found

    def _atom(self) -> Tree:
        if not self._tokens or self._depth > MAX_DEPTH:
            raise NoFormulaError("it ends too early, or is too deep")
        token = self._tokens.pop()
        if token[0].isdecimal() or token[0] == ".":
            return self._named(token) if self._next() == "_" else ("num", token)
        if token in _OPENING:
            return self._bracket(token)
        if token == "|":
            return self._absolute()
        if token == "frac":
            return ("/", self._argument(), self._argument())
        if token == "sqrt":
            return self._root()
        if token in FUNCTIONS:
            return self._function(token)
        if token in ("pi", "infty"):
            return ("var", token)
        if _is_name(token):
            return self._named(token)
        raise NoFormulaError(token)

    def _bracket(self, opening: str) -> Tree:
        bars, self._bars = self._bars, 0
        items = self._items()
        self._bars = bars
        closing = self._took(*_OPENING[opening])
        if not closing:
            raise NoFormulaError(f"no end of {opening}")
        if opening == "\\{" or (opening == "{" and len(items) > 1):
            return ("set", items)
        if len(items) == 1 and "([{".index(opening) == ")]}".index(closing):
            return items[0]
        if len(items) == 1:
            raise NoFormulaError("a list of one")
        return ("list", opening, items, closing)

    def _absolute(self) -> Tree:
        self._bars += 1
        found = _value(self._sum())
        self._bars -= 1
        if not self._took("|"):
            raise NoFormulaError("no end of |")
        return ("fn", "abs", found)

    def _argument(self) -> Tree:
        """A group, or of `\\frac12` one digit."""
        token = self._next()
        if token.isdecimal() and len(token) > 1:
            self._tokens[-1] = token[1:]
            return ("num", token[0])
        return self._alone()

    def _alone(self) -> Tree:
        """One value without a power: sin(x)^2 is the square of sin(x)."""
        self._depth += 1
        found = _value(self._atom())
        self._depth -= 1
        return found

    def _root(self) -> Tree:
        index: Tree = ("num", "2")
        if self._took("["):
            index = _value(self._sum())
            if not self._took("]"):
                raise NoFormulaError("no end of [")
        return ("root", self._argument(), index)

    def _function(self, name: str) -> Tree:
        power = basis = None
        for _ in range(2):
            if name == "log" and self._took("_"):
                basis = self._argument()
            elif self._took("^"):
                power = self._exponent()
        if power is not None and power == ("*", ("num", "-1"), ("num", "1")):
            name, power = f"arc{name}", None
        angle, self._in_angle = self._in_angle, name in _TRIGONOMETRIC
        if self._next() in ("(", "{", "["):
            argument = self._alone()
        else:
            argument = _value(self._power())
            while (_is_name(self._next()) or self._next() == "pi") and self._next() not in FUNCTIONS:
                argument = ("*", argument, _value(self._power()))
        self._in_angle = angle
        found: Tree = ("fn", name, argument)
        if basis is not None:
            found = ("/", ("fn", "ln", argument), ("fn", "ln", basis))
        return found if power is None else ("^", found, power)

    def _named(self, name: str) -> Tree:
        """A variable; `x_1` is one, and so is `101_2`, a number in another base."""
        if not self._took("_"):
            return ("var", name)
        braces = bool(self._took("{"))
        parts = [self._tokens.pop()] if self._tokens else []
        while braces and self._tokens and (part := self._tokens.pop()) != "}":
            parts.append(part)
        if not parts or not all(part.isalnum() for part in parts):
            raise NoFormulaError("a subscript")
        return ("var", f"{name}_{''.join(parts)}")


def _is_name(token: str) -> bool:
    return token in _GREEK or (len(token) == 1 and token.isalpha())


def _value(tree: Tree) -> Tree:
    if tree[0] in ("set", "list", "union", "intersection", "rel"):
        raise NoFormulaError("arithmetic with what is no value")
    return tree
