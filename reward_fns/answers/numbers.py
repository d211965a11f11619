"""The one number that an answer states, in the writing of its language.

Reading rules, beyond the digits themselves (`digits`):

- Of an equation, what follows the last "=" or "≈" counts ("9 * 2 = 18"), or what stands before arithmetic that comes to
  it: "18 = 9 * 2", "18 (9 * 2)". Other arithmetic ("9 * 2") and powers, but those of ten, are no final answer.
- Words and letters that multiply are read in whatever language (`scales`), and so are a sign in words ("minus 7"),
  四分之三, 4분의 3, and what is said in parts (`parts`: "2 and a half"). Where one may mean several things, there is no
  number. Number words are read in the answer's language and in English (`spelled`).
- Words that negate, bound or change a number (`changes`: "not 18", "at least 18", 18以上) leave none. "About" and "≈"
  leave it as it is. Currencies, units and all other words are passed over.
- A percent sign is a unit, since data sets write a percentage as a number: 50% is 50, not also 0.5.
- A number glued to a Latin, Greek or Cyrillic letter before it ("m2", "CO2", "x1") is no number, unless the letters are
  a currency ("Rs500").
- If different numbers remain, the answer is ambiguous, and there is none.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from babel import Locale

from pbrlsvr.answers.changes import is_changed
from pbrlsvr.answers.cjk import find_numbers, with_fractions
from pbrlsvr.answers.digits import MAX_DIGITS, read_digits
from pbrlsvr.answers.expressions import evaluates_to
from pbrlsvr.answers.locales import CURRENCY_SIGN, Conventions
from pbrlsvr.answers.parts import AND, with_parts
from pbrlsvr.answers.scales import scale
from pbrlsvr.answers.spelled import goes_on, in_digits
from pbrlsvr.answers.texts import PI

#: Longer answers, in characters, state no single value; this bounds the time.
MAX_LENGTH = 1000
_TOLERANCE = Fraction(1, 10**6)

_RELATION = re.compile(r"(?<![<>!=\\])(?:=|≈|≃|≅|≡|\\approx|\\equiv)(?!=)")
# Between two "=" signs: "x = 18 or x = 20".
_ANOTHER_EQUATION = re.compile(r"[,;،、，；](?![0-9])|[\s)](?<![-+*/×·^(]\s)[a-zA-Z]\s*\Z")
# Not solved yet: "2x = 18", "x^2 = 18".
_UNSOLVED = re.compile(r"[\s$]*(?:(?:-|[0-9]{1,9} ?)[xyzn]|[xyzn] ?(?:\^ ?\{?[0-9]{1,9}\}?|[-+*/] ?[0-9]{1,9}))\s*")
# Inequalities, roots, other LaTeX than that of products and currencies; sets, intervals and tuples.
_NO_VALUE = re.compile(
    rf"[<>±√\u0334-\u0338]|(?![∗∙⋅∴∵∶∼≃≅≈≡])[\u2200-\u22ff\u2a00-\u2aff]|{PI}|[0-9]!|\\(?!(?:times|cdot|div|euro|pounds|degree)(?![a-z]))[a-zA-Z]|\A\\?[(\[{{].*,.*[)\]}}]\Z",
    re.DOTALL,
)
_WORKED = re.compile(
    r"([^()]+)\(\s*(?:[=≈]\s*)?([^()=≈]*[0-9)]\s*(?:[-+*/×x÷·⋅:]|\\times|\\cdot|\\div)\s*[0-9(][^()=≈]*)(?:[=≈][^()=]*)?\)\s*\.?"
)
_FRAC = re.compile(r"\\[dtc]?frac\s*\{\s*([0-9]{1,40})\s*\}\s*\{\s*([0-9]{1,40})\s*\}")
_RUN = re.compile(
    r"(?<!\^)[0-9]{1,3}(?: [0-9]{3})+(?![0-9])(?:[.,٫][0-9]+)?|[0-9]+(?:[.,'٫٬][0-9]+)*|(?<![^\s$€£¥₹-])[.,٫][0-9]+"
)
_OVER = re.compile(r" ?/ ?([0-9]{1,40})(?![0-9/.,])")
_POWER_OF_TEN = re.compile(
    r" ?(?:[×x*·⋅]|\\times|\\cdot) ?10 ?(?:\^|\*\*) ?(?:\{ ?([-+]?[0-9]{1,3}) ?\}|([-+]?[0-9]{1,3}))(?![\w.])"
    r"|[eE]([-+]?[0-9]{1,3})(?![\w.])"
)
_OPERATORS = re.compile(r"[\s()\[\]{}$€£¥₹]*(?:[-+*/×÷·⋅^:x%]|\\times|\\cdot|\\div)[\s()\[\]{}$€£¥₹]*\Z")
# "5 ×", "80 -", "72 :", "18 = ?": cut off before the other half. "18/-", "18/=" and "18,-" are prices.
_UNFINISHED = re.compile(r"(?:[+*×÷·⋅/^≈→⇒(]|(?<![/.,-])-|(?<!/)=|(?<=\s):|\\(?:times|cdot|div))[\s?_.…]*\Z|\A\s*[×÷/]")
# A variable, a power, a root, a date.
_NO_NUMBER_AFTER = re.compile(
    r" ?(?:[xyz](?![^\W\d_]|\.[a-z])|i\Z|[CP]_?[0-9{]|pi(?![^\W\d_])|[eE][0-9]|[\^_]|\*\*|\\(?:sqrt|pi))"
    r"|[abdfnqruvw](?![^\W\d_])|[/:h][0-9]|[A-Z][0-9]|-\Z| ?\+\Z|\+(?![0-9])"
    r"| ?[-+*/] ?(?:[a-zA-Z](?![^\W\d_])|\(|\\[a-z])"
)
# Before one: "x + 5", "5 choose", "2^{5}", "x^2+1"; "--5", "-(-5)", "|-5|".
_NO_NUMBER_BEFORE = re.compile(
    r"(?:[\^_]\{|(?<![^\W\d_])[a-zA-Z](?: ?[-+*/]|\()|[)\]] ?[-+*/]|[\^_]\{?[0-9]+\}? ?[-+*/]|-[-(]{1,2}-?|\|-)\s*\Z"
)
_LETTERS = re.compile(r"[A-Za-z\u00C0-\u024F\u0370-\u03FF\u0400-\u052F]+\.?\Z")
_BEFORE = re.compile(rf"(?:(?P<outer>[-+]) ?)?(?:[A-Za-z]{{0,3}}{CURRENCY_SIGN})? ?(?P<inner>[-+])?\Z")
_PERCENT_AFTER = re.compile(
    r" ?(?:%|\\%|per ?cento|percent|per cent|prozent|pour ?cent|por ciento|por cento|porsi?[ye]+nto|persen|procent|"
    r"процент|százalék|प्रतिशत|শতাংশ|శాతం|فیصد|بالمئة|بالمائة|パーセント|퍼센트|phần trăm|เปอร์เซ็นต์)",
    re.IGNORECASE,
)
_PER_MILLE = re.compile(r" ?(?:[‰‱]|permil|phần nghìn|(?:من|في) الألف)")
_PERCENT_BEFORE = re.compile(r"(?:%|百分之|asilimia|ร้อยละ|yüzde) ?\Z", re.IGNORECASE)
# A sign in words, before a number.
_SIGN = re.compile(
    r"(?:(?<![^\W\d_])(?:minus|negative|negativ|négatif|negativo|negatif|moins|menos|meno|miinus|mínus[zs]?|mínusz|minusz|"
    r"минус|мінус|eksi|mənfi|âm|trừ|negatibong?|hasi|πλην|μείον|μειον|سالب|ناقص|منفی|منفي|מינוס|माइनस|ऋण|ऋणात्मक|মাইনাস|ঋণাত্মক|మైనస్|ఋణ|రుణ|ఋణాత్మక|రుణాత్మక|"
    r"மைனஸ்|கழித்தல்|ಮೈನಸ್|ഋണ|માઈનસ|ਮਨਫ਼ੀ)|ลบ|负的?|負[的の]?|マイナス|零下|氷点下|마이너스|음수|음의|영하)\s*\Z",
    re.IGNORECASE,
)
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

        A percent sign is a unit: 50% is 50. A gold 50% is met by 50% and 50, and by 0.5, which says the same.
        """
        if _close(self.value, gold.value):
            return True
        return gold.percent and not self.percent and _close(self.value * 100, gold.value)

    def __str__(self) -> str:
        numerator, denominator = self.value.numerator, self.value.denominator
        places = 0
        while places < MAX_DIGITS and 10**places % denominator:
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


def read_number(text: str, speech: Conventions, whole: bool = True) -> Number | None:
    """The number that a cleaned answer states, or None when there is none, or several, or an expression.

    Unless it must be the `whole` answer, a number in words may have a few other words beside it ("eighteen eggs").

    >>> from pbrlsvr.answers.locales import conventions
    >>> str(read_number("9 × 2 = $18.50 per day", conventions("en")))
    '18.5'
    """
    numbers = read_numbers(text, speech)
    if numbers == set() and not whole and (digits := in_digits(text, speech.language, False)):
        numbers = read_numbers(digits, speech)
    return numbers.pop() if numbers is not None and len(numbers) == 1 else None


def read_numbers(text: str, speech: Conventions) -> set[Number] | None:
    """The different numbers in a cleaned answer; None when it is too long, or an expression rather than a number."""
    if len(text) > MAX_LENGTH or _UNFINISHED.search(text):
        return None
    text = with_parts(with_fractions(_FRAC.sub(r" \1/\2 ", text)))
    if worked := _WORKED.fullmatch(text):
        # "18 (9 * 2)", "18 (= 9 * 2)"
        found = _read_part(worked[1], speech)
        return found if found and _comes_to(worked[2], found) else None
    parts = _RELATION.split(text)
    if any(_ANOTHER_EQUATION.search(part) for part in parts[1:-1]):
        return None
    if len(parts) == 2 and _UNSOLVED.fullmatch(parts[0]):
        return None
    found = _read_part(parts[-1], speech)
    if len(parts) > 1 and not found:
        if not re.search(r"[0-9]", parts[-1]) and not find_numbers(parts[-1]):
            return _read_part(text, speech)
        # "18 = 9 * 2": the value stands before arithmetic that comes to it.
        found = _read_part(parts[-2], speech)
        return found if found and _comes_to(parts[-1], found) else None
    return found


def _comes_to(arithmetic: str, found: set[Number]) -> bool:
    value = next(iter(found)).value
    text = re.sub(r"(?<=[0-9)]) ?x ?(?=[0-9(])", "*", arithmetic)
    return len(found) == 1 and evaluates_to(text, f"({value.numerator})/({value.denominator})")


def _read_part(text: str, speech: Conventions) -> set[Number] | None:
    text = text.strip()
    if _NO_VALUE.search(text):
        return None
    tokens = _tokens(text, speech)
    if tokens is None:
        return None
    if not tokens:
        digits = in_digits(text, speech.language)
        return _read_part(digits, speech) if digits else set()
    numbers = {Number(token.value, token.percent) for token in tokens}
    if len(numbers) > 1:
        return numbers
    if is_changed(text, [(token.start, token.end) for token in tokens], speech.language):
        return None
    if any(goes_on(text, token.end, speech.language) for token in tokens):
        return None
    return numbers


def _tokens(text: str, speech: Conventions) -> list[_Token] | None:
    """The numbers in the text, those that belong together added up; None if something makes it an expression."""
    han = find_numbers(text)
    tokens = [_signed(text, _Token(n.start, *_percent(text, n.start, n.end), n.value)) for n in han if not n.weak]
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
        kept = weak if len(weak) == 1 else weak - {1}
        return [_signed(text, _Token(n.start, n.end, False, n.value)) for n in han if n.value in kept]
    return _joined(text, sorted(tokens))


def _is_glued(text: str, start: int) -> bool:
    before = text[max(0, start - 12) : start]
    if before[-2:] in ("^{", "_{"):
        return True
    if before[-1:] in ("_", "^"):
        return before[-1:] == "_" or re.search(r"[^\W\d_][^\s\w()\[\]{}]{0,2}\^\Z", before) is not None
    letters = _LETTERS.search(before.removesuffix("-"))
    if letters is not None and _SIGN.search(text[max(0, start - 24) : start]):
        return False
    if letters is None or (before.endswith("-") and letters[0].endswith(".")):
        return False
    return letters[0].rstrip(".").lower() not in _CURRENCY_WORDS and not letters[0].endswith(".")


def _read_run(text: str, run: re.Match[str], speech: Conventions) -> _Token | None:
    """The number that begins with a run of digits; None if it makes the text an expression, or is malformed."""
    value = read_digits(run[0], speech)
    end, is_fraction = run.end(), False
    before = text[max(0, run.start() - 12) : run.start()]
    if value is None or _NO_NUMBER_BEFORE.search(before):
        return None
    if over := _OVER.match(text, end):
        if int(over[1]) == 0:
            return None
        value, end, is_fraction = value / int(over[1]), over.end(), True
    elif power := _POWER_OF_TEN.match(text, end):
        value, end = value * Fraction(10) ** int(power[1] or power[2] or power[3]), power.end()
    if _NO_NUMBER_AFTER.match(text, end) or _PER_MILLE.match(text, end):
        return None
    is_money = bool(re.search(CURRENCY_SIGN + r"\s?\Z", before))
    end, factor = scale(text, run.start(), end, speech, is_money, value)
    if factor is None:
        return None
    end, percent = _percent(text, run.start(), end)
    return _Token(run.start(), end, percent, value * factor, factor, is_fraction)


def _percent(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the number at `[start, end)` ends with its percent sign, and whether it has one, on either side."""
    after = _PERCENT_AFTER.match(text, end)
    before = _PERCENT_BEFORE.search(text[max(0, start - 10) : start])
    return (after.end() if after else end), bool(after or before)


def _signed(text: str, token: _Token) -> _Token:
    before = text[max(0, token.start - 12) : token.start]
    if _SIGN.search(re.sub(rf"[A-Za-z]{{0,3}}{CURRENCY_SIGN} ?\Z", "", text[max(0, token.start - 24) : token.start])):
        return token._replace(value=-token.value)
    prefix = _BEFORE.search(before)
    sign = (prefix["outer"] or prefix["inner"]) if prefix else None
    if prefix is None or sign is None:
        return token
    # Hebrew ties its prepositions to digits with a hyphen: "כ-18" is "about 18".
    if "א" <= before[: prefix.start()][-1:] <= "ת":
        return token
    earlier = before[: prefix.start()].rstrip(" ")
    spaced = prefix["outer"] is not None and prefix[0][1:2] == " "
    if earlier[-1:].isdecimal() or (earlier and spaced):
        return token
    return token._replace(value=-token.value if sign == "-" else token.value)


def _joined(text: str, tokens: list[_Token]) -> list[_Token] | None:
    """Adds up mixed numbers (3 and 1/2) and parts (2 million 500 thousand); None where operators are between them."""
    joined = [tokens[0]]
    for token in tokens[1:]:
        last = joined[-1]
        gap = text[last.end : token.start]
        mixed = token.is_fraction and not last.is_fraction and last.value.denominator == 1 and 0 < token.value < 1
        part = last.factor > token.factor and 0 < token.value < last.factor
        if (mixed or part) and AND.fullmatch(gap):
            value = last.value + (token.value if last.value >= 0 else -token.value)
            joined[-1] = token._replace(start=last.start, value=value, factor=token.factor)
        elif _OPERATORS.match(gap):
            return None
        else:
            joined.append(token)
    return joined
