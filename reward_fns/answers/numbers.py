"""The one number that an answer states, in the writing of its language.

Reading rules, beyond the digits themselves:

- The language says which of "." and "," is the decimal mark. The other one groups when exactly three digits follow
  (1.234 in German is 1234). Else a point can only be a decimal mark too (3.5 in German), and a comma makes no number.
  With both marks in one number the last is the decimal mark. Groups are of three, or in languages that count in lakh of
  two (1,23,456); else it is no number.
- Spaces, apostrophes and "٬" group in every language, and "٫" is always decimal.
- Of an equation, what follows the last "=" or "≈" counts. Arithmetic ("9 * 2") and powers are no final answer.
- Words for thousands and millions multiply (CLDR). Currencies, units and all other words are passed over.
- A number glued to a Latin, Greek or Cyrillic letter before it ("m2", "CO2", "x1") is no number, unless the letters are
  a currency ("Rs500").
- If different numbers remain, the answer is ambiguous, and there is none.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from babel import Locale

from pbrlsvr.answers.cjk import find_numbers
from pbrlsvr.answers.locales import Conventions

#: Longer answers, in characters, state no single value; this bounds the time.
MAX_LENGTH = 1000
_MAX_DIGITS = 400
_TOLERANCE = Fraction(1, 10**6)

_RELATION = re.compile(r"(?<![<>!=\\])(?:=|≈|≃|≅|≡|\\approx|\\equiv)(?!=)")
# Inequalities, roots, other LaTeX than that of products and currencies; sets, intervals and tuples.
_NO_VALUE = re.compile(
    r"[<>≤≥≠±√π∞∑∫]|[0-9]!|\\(?!(?:times|cdot|div|euro|pounds|degree)(?![a-z]))[a-zA-Z]|\A\\?[(\[{].*,.*[)\]}]\Z",
    re.DOTALL,
)
_FRAC = re.compile(r"\\[dtc]?frac\s*\{\s*([0-9]{1,40})\s*\}\s*\{\s*([0-9]{1,40})\s*\}")
_RUN = re.compile(
    r"[0-9]{1,3}(?: [0-9]{3})+(?![0-9])(?:[.,٫][0-9]+)?|[0-9]+(?:[.,'٫٬][0-9]+)*|(?<![^\s$€£¥₹-])[.,٫][0-9]+"
)
_OVER = re.compile(r" ?/ ?([0-9]{1,40})(?![0-9/.,])")
_POWER_OF_TEN = re.compile(
    r" ?(?:[×x*·⋅]|\\times|\\cdot) ?10 ?\^ ?\{? ?([-+]?[0-9]{1,3}) ?\}?|[eE]([-+]?[0-9]{1,3})(?![\w])"
)
_OPERATORS = re.compile(r"[\s()\[\]{}$€£¥₹]*(?:[-+*/×÷·⋅^:x%]|\\times|\\cdot|\\div)[\s()\[\]{}$€£¥₹]*\Z")
# A variable, a power, a root, a date: no number any more.
_NO_NUMBER_AFTER = re.compile(r" ?(?:[xyz](?![a-z])|\^|\\(?:sqrt|pi))|/[0-9]|:[0-9]")
_LETTERS = re.compile(r"[A-Za-z\u00C0-\u024F\u0370-\u03FF\u0400-\u052F]+\.?\Z")
_CURRENCY_SIGN = r"[$€£¥₹₽₩₫฿₪₺₴₦₨৳៛₱₡₵＄]"
_BEFORE = re.compile(rf"(?:(?P<outer>[-+]) ?)?(?:[A-Za-z]{{0,3}}{_CURRENCY_SIGN})? ?(?P<inner>[-+])?\Z")
_PERCENT_AFTER = re.compile(
    r" ?(?:%|\\%|percent|per cent|prozent|pour ?cent|por ciento|por cento|per ?cento|persen|procent|процент|százalék|"
    r"प्रतिशत|শতাংশ|శాతం|فیصد|بالمئة|بالمائة|パーセント|퍼센트|phần trăm|เปอร์เซ็นต์)",
    re.IGNORECASE,
)
_PERCENT_BEFORE = re.compile(r"(?:%|百分之|asilimia) ?\Z", re.IGNORECASE)
_CURRENCY_WORDS = frozenset(code.lower() for code in Locale("en").currencies) | frozenset(
    ("r", "rs", "rp", "rm", "tk", "us", "ksh", "tsh", "ush", "fr", "kr", "kč", "zł", "ft", "lei", "руб", "грн", "дин")
)


@dataclass(frozen=True)
class Number:
    """A number, and whether a percent sign stood with it."""

    value: Fraction
    percent: bool = False

    def equals(self, gold: "Number") -> bool:
        """Whether this is the gold number: exactly if that is an integer, else |a - g| <= 1e-6 min(1, |g|).

        A percent sign on one side only is a unit (50% is 50) or a factor (50% is 0.5).
        """
        if _close(self.value, gold.value):
            return True
        if self.percent == gold.percent:
            return False
        return _close(self.value / 100, gold.value) if self.percent else _close(self.value * 100, gold.value)

    def __str__(self) -> str:
        numerator, denominator = self.value.numerator, self.value.denominator
        places = 0
        while places < _MAX_DIGITS and 10**places % denominator:
            places += 1
        if 10**places % denominator:
            text = f"{numerator}/{denominator}"
        elif places == 0:
            text = str(numerator)
        else:
            digits = str(abs(numerator) * (10**places // denominator)).rjust(places + 1, "0")
            text = f"{'-' if numerator < 0 else ''}{digits[:-places]}.{digits[-places:]}"
        return text + "%" * self.percent


class _Token(NamedTuple):
    start: int
    end: int
    percent: bool
    value: Fraction
    factor: int = 1
    is_fraction: bool = False


def _close(value: Fraction, gold: Fraction) -> bool:
    scale = min(Fraction(1), abs(gold))
    return value == gold if gold.denominator == 1 else abs(value - gold) <= _TOLERANCE * scale


def read_number(text: str, speech: Conventions) -> Number | None:
    """The number that a cleaned answer states, or None when there is none, or several, or an expression.

    >>> from pbrlsvr.answers.locales import conventions
    >>> str(read_number("9 × 2 = $18.50 per day", conventions("en")))
    '18.5'
    """
    numbers = read_numbers(text, speech)
    return numbers.pop() if numbers is not None and len(numbers) == 1 else None


def read_numbers(text: str, speech: Conventions) -> set[Number] | None:
    """The different numbers in a cleaned answer; None when it is too long, or an expression rather than a number."""
    if len(text) > MAX_LENGTH:
        return None
    text = _FRAC.sub(r" \1/\2 ", text)
    tail = _RELATION.split(text)[-1]
    text = (tail if re.search(r"[0-9]", tail) or find_numbers(tail) else text).strip()
    if _NO_VALUE.search(text):
        return None
    tokens = _tokens(text, speech)
    if tokens is None:
        return None
    return {Number(token.value, token.percent) for token in tokens}


def _tokens(text: str, speech: Conventions) -> list[_Token] | None:
    """The numbers in the text, those that belong together added up; None if something makes it an expression."""
    han = find_numbers(text)
    tokens = [_Token(n.start, *_percent(text, n.start, n.end), n.value) for n in han if not n.weak]
    for token in tokens:
        text = text[: token.start] + " " * (token.end - token.start) + text[token.end :]
    consumed = 0
    for run in _RUN.finditer(text):
        if run.start() < consumed or _is_glued(text, run.start()):
            continue
        number = _read_run(text, run, speech)
        if number is None:
            return None
        consumed = number.end
        tokens.append(_signed(text, number))
    if not tokens:
        weak = {n.value for n in han}
        return [_Token(0, 0, False, value) for value in (weak if len(weak) == 1 else weak - {1})]
    return _joined(text, sorted(tokens))


def _is_glued(text: str, start: int) -> bool:
    before = text[max(0, start - 12) : start]
    if before[-1:] in ("_", "^"):
        return before[-2:-1].isalpha() or before[-1:] == "_"
    letters = _LETTERS.search(before.removesuffix("-"))
    if letters is None or (before.endswith("-") and letters[0].endswith(".")):
        return False
    return letters[0].rstrip(".").lower() not in _CURRENCY_WORDS and not letters[0].endswith(".")


def _read_run(text: str, run: re.Match[str], speech: Conventions) -> _Token | None:
    """The number that begins with a run of digits; None if it makes the text an expression, or is malformed."""
    value = _read_digits(run[0], speech)
    end, factor, is_fraction = run.end(), 1, False
    if value is None:
        return None
    if over := _OVER.match(text, end):
        if int(over[1]) == 0:
            return None
        value, end, is_fraction = value / int(over[1]), over.end(), True
    elif power := _POWER_OF_TEN.match(text, end):
        value, end = value * Fraction(10) ** int(power[1] or power[2]), power.end()
    elif _NO_NUMBER_AFTER.match(text, end):
        return None
    else:
        end, factor = _multiplied(text, run.start(), end, speech)
    end, percent = _percent(text, run.start(), end)
    return _Token(run.start(), end, percent, value * factor, factor, is_fraction)


def _percent(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the number at `[start, end)` ends with its percent sign, and whether it has one, on either side."""
    after = _PERCENT_AFTER.match(text, end)
    before = _PERCENT_BEFORE.search(text[max(0, start - 10) : start])
    return (after.end() if after else end), bool(after or before)


def _multiplied(text: str, start: int, end: int, speech: Conventions) -> tuple[int, int]:
    """Where the number ends with its word for thousands or millions, and what that word multiplies by."""
    after = text[end : end + 40].lower()
    rest = after.lstrip(" ")
    for word, factor in speech.after.items():
        # Where letters have cases, words have boundaries: "5 mil" is not "5 miles".
        if rest.startswith(word) and not (word[-1].islower() and rest[len(word) : len(word) + 1].isalpha()):
            return end + len(after) - len(rest) + len(word), factor
    before = text[max(0, start - 40) : start].lower().rstrip(" ")
    for word, factor in speech.before.items():
        if before.endswith(word) and not before[: -len(word)][-1:].isalpha():
            return end, factor
    return end, 1


def _read_digits(run: str, speech: Conventions) -> Fraction | None:
    """The value of digits with marks between them; None if they follow no rule of grouping."""
    if sum(map(str.isdecimal, run)) > _MAX_DIGITS:
        return None
    marks = [c for c in run if not c.isdecimal()]
    digits = re.split(r"[^0-9]", run)
    decimal_places = ""
    if marks and _last_is_decimal(marks, digits, speech):
        decimal_places, digits, marks = digits[-1], digits[:-1], marks[:-1]
    if marks:
        kinds = set(marks)
        lakh = speech.lakh and kinds <= {",", "٬"}
        sizes = [len(group) for group in digits]
        by_three = sizes[0] <= 3 and all(size == 3 for size in sizes[1:])
        by_lakh = lakh and sizes[0] <= 2 and all(size == 2 for size in sizes[1:-1]) and sizes[-1] == 3
        if len(kinds) > 1 or sizes[0] == 0 or digits[0][0] == "0" or not (by_three or by_lakh):
            return None
    whole = "".join(digits) or "0"
    return Fraction(int(whole + decimal_places), 10 ** len(decimal_places))


def _last_is_decimal(marks: list[str], digits: list[str], speech: Conventions) -> bool:
    last = marks[-1]
    if last == "٫":
        return True
    if last not in (".", ","):
        return False
    if len(marks) > 1:
        return last not in marks[:-1]
    groups = len(digits[-1]) == 3 and 1 <= len(digits[0]) <= 3 and digits[0][0] != "0"
    if speech.both_marks:
        return not groups
    # A point that cannot group is decimal in any language; a comma may just separate two answers ("3,5").
    return last == speech.decimal or (last == "." and not groups)


def _signed(text: str, token: _Token) -> _Token:
    before = text[max(0, token.start - 10) : token.start]
    prefix = _BEFORE.search(before)
    sign = (prefix["outer"] or prefix["inner"]) if prefix else None
    if prefix is None or sign is None:
        return token
    earlier = before[: prefix.start()].rstrip(" ")
    spaced = prefix["outer"] is not None and prefix[0][1:2] == " "
    if earlier[-1:].isdecimal() or (earlier and spaced):
        return token
    return token._replace(value=-token.value if sign == "-" else token.value)


def _joined(text: str, tokens: list[_Token]) -> list[_Token] | None:
    """Adds up mixed numbers (3 1/2) and parts (2 million 500 thousand); None where operators stand between numbers."""
    joined = [tokens[0]]
    for token in tokens[1:]:
        last = joined[-1]
        gap = text[last.end : token.start]
        mixed = token.is_fraction and not last.is_fraction and last.value.denominator == 1 and 0 < token.value < 1
        part = last.factor > token.factor and 0 < token.value < last.factor
        if gap in ("", " ") and (mixed or part):
            value = last.value + (token.value if last.value >= 0 else -token.value)
            joined[-1] = token._replace(start=last.start, value=value, factor=token.factor)
        elif _OPERATORS.match(gap):
            return None
        else:
            joined.append(token)
    return joined
