"""Numbers written with Han numerals or Hangul: 三十六, 七万五千, 3万5千, 1億2000万, 이만 오천, 7만5천원."""

import re
from fractions import Fraction
from typing import NamedTuple

_DIGITS = {
    digit: value
    for value, digits in enumerate(
        (
            "〇零영공",
            "一壹壱일",
            "二贰貳弐两兩이",
            "三叁參삼",
            "四肆사",
            "五伍오",
            "六陆陸육륙",
            "七柒칠",
            "八捌팔",
            "九玖구",
        )
    )
    for digit in digits
}
_SMALL = {"十": 10, "拾": 10, "십": 10, "百": 100, "佰": 100, "백": 100, "千": 1000, "仟": 1000, "천": 1000}
_LARGE = {"万": 4, "萬": 4, "만": 4, "亿": 8, "億": 8, "억": 8, "兆": 12, "조": 12}
_UNITS = "".join((*_SMALL, *_LARGE))
_HAN = "".join(c for c in (*_DIGITS, *_SMALL, *_LARGE) if c < "가")
_HANGUL = "".join(c for c in (*_DIGITS, *_SMALL, *_LARGE) if c >= "가")
_ARABIC = r"(?<![0-9])[0-9]{1,400}(?:,[0-9]{3}){0,99}(?:\.[0-9]{1,400})?(?![0-9])"
# 30 千克 is 30 kg, 5 兆瓦 is 5 MW.
_UNIT = r"(?![千百](?:[米克瓦卡焦伏赫帕安牛升字位比]|メートル|グラム)|兆[瓦赫帕字比焦歐欧])"
_HAN_UNITS = "".join(c for c in _UNITS if c < "가")
# After a space, Hangul that may begin another word: "3 조각", "30분 만에".
_HANGUL_END = r"(?:원|달러|엔|유로|위안|개|명|번|살|톤|점)?(?:입니다|이다|이에요|예요|이며|이고)?(?![가-힣])"
_HANGUL_UNITS = "".join(c for c in _UNITS if c >= "가")
_RUN = re.compile(
    rf"(?:(?<![0-9.,]){_ARABIC}(?=[{_UNITS}]){_UNIT}|(?<![0-9.,]){_ARABIC} ?(?=[{_HAN_UNITS}]){_UNIT}"
    rf"|(?<![0-9.,]){_ARABIC} (?=[{_HANGUL}]*[{_HANGUL_UNITS}]{_HANGUL_END})"
    rf"|(?:(?<=[{_UNITS}])|(?<=[{_UNITS}] )){_ARABIC}|{_UNIT}[{_HAN}]|[{_HANGUL}]"
    rf"|(?<=[{_HANGUL_UNITS}]) (?=(?:[0-9]+|[{_HANGUL}])?[{_HANGUL_UNITS}])"
    rf"|(?<=[{_UNITS}]) (?=[0-9]{{1,4}}(?![0-9.,%{_UNITS}])))+"
)
_PART = re.compile(rf"{_ARABIC}|[{_HAN}{_HANGUL}]")
_MAX_PARTS = 400
_NUMERAL = rf"[{_HAN}{_HANGUL}]{{1,30}}|[0-9]{{1,40}}"
_FRACTION = re.compile(rf"(?:({_NUMERAL})又)?({_NUMERAL}) ?(?:分之|分の|분의) ?({_NUMERAL})(?![0-9.])")
# 三点五 is 3.5, 三点五十分 a time.
_HAN_DIGITS = "".join(c for c in _DIGITS if c < "가")
_HANGUL_DIGITS = "".join(c for c in _DIGITS if c >= "가")
_WHOLE = r"(?<![0-9.,])[0-9]{1,9}"
_POINT = re.compile(
    rf"(?P<han>[{_HAN}]{{1,30}}|{_WHOLE} ?)[点點](?P<han_digits>[{_HAN_DIGITS}]{{1,30}})(?![十拾百佰千仟分半])"
    rf"|(?P<hangul>(?<![가-힣])[{_HANGUL}]{{1,30}}|{_WHOLE}) ?점 ?"
    rf"(?P<hangul_digits>[{_HANGUL_DIGITS}]{{1,30}})(?![가-힣])"
)
_HALF = re.compile(r"[^\w]*(?:一半|二分の一|半分?|절반|반)(?:です|だ|である|입니다|이다|예요|이에요)?\W*")
# 割, tenths, and 分, hundredths: 七割, 3割5分.
_TENTHS = re.compile(
    rf"([{_HAN_DIGITS}]|(?<![0-9.,])[0-9]{{1,3}}(?:\.[0-9])?)割(?:([{_HAN_DIGITS}]|[0-9])分)?(?![引増合り])"
)
# What may follow a numeral that is all Hangul. Its syllables are also those of words, so anything else means a word.
_AFTER_HANGUL = re.compile(
    r"(?:원|달러|센트|유로|개|명|번|점|살|세|시간|분|초|일|주|개월|년|미터|킬로미터|킬로그램|킬로|그램|리터|도|퍼센트|마리|권|장|대|"
    r"잔|컵|병|통|상자|봉지|판|송이|그루|켤레|자루|층|쪽|페이지)?(?:입니다|이다|이에요|예요)?(?![가-힣])"
)


def with_fractions(text: str) -> str:
    """The text with fractions and decimals in digits; 百分之 stays, it is a percent sign.

    >>> with_fractions("四分之三 3分の2 4분의 3 三又四分之一 十八点五 십팔 점 오")
    ' 3/4   2/3   3/4   3 1/4  18.5 18.5'
    >>> with_fractions("一半"), with_fractions("3割5分")
    ('1/2', '35%')
    """
    if _HALF.fullmatch(text):
        return "1/2"
    text = _TENTHS.sub(_as_percent, text)
    text = text.replace("廿", "二十").replace("卅", "三十")
    if re.search("[点點점]", text):
        text = _POINT.sub(_with_point, text)
    if not re.search("分之|分の|분의", text):
        return text
    return _FRACTION.sub(_in_digits, text)


def _as_percent(tenths: re.Match[str]) -> str:
    tens, ones = (Fraction(part) if part.isascii() else _evaluate(list(part)) for part in (tenths[1], tenths[2] or "0"))
    return tenths[0] if tens is None or ones is None else f"{float(tens * 10 + ones):g}%"


def _with_point(decimal: re.Match[str]) -> str:
    said = decimal["han"] or decimal["hangul"]
    whole = Fraction(said) if said.strip().isascii() else _evaluate(list(said))
    digits = "".join(str(_DIGITS[digit]) for digit in decimal["han_digits"] or decimal["hangul_digits"])
    return decimal[0] if whole is None else f"{whole}.{digits}"


def _in_digits(fraction: re.Match[str]) -> str:
    values = [part and (Fraction(part) if part.isascii() else _evaluate(list(part))) for part in fraction.groups()]
    if fraction[2] == "百" or not values[1] or values[2] is None or (fraction[1] and values[0] is None):
        return fraction[0]
    return f" {values[0] or ''} {values[2]}/{values[1]} ".replace("  ", " ")


class CJKNumber(NamedTuple):
    """A number at `[start, end)`. A weak one, such as 一, is read only where there is no other: it is part of words."""

    start: int
    end: int
    value: Fraction
    weak: bool


def find_numbers(text: str) -> list[CJKNumber]:
    """The numbers with Han numerals or Hangul in a short cleaned text.

    >>> [str(number.value) for number in find_numbers("七万五千 3万5千 1億2000万 칠만 원")]
    ['75000', '35000', '120000000', '70000']
    """
    found = []
    for run in _RUN.finditer(text):
        parts = _PART.findall(run[0])
        value = _evaluate(parts) if len(parts) <= _MAX_PARTS else None
        if value is None:
            continue
        # 数十, 几百: tens, hundreds
        if parts[0] in _SMALL and text[max(0, run.start() - 1) : run.start()] in tuple("数數几幾수몇"):
            continue
        arabic = any(part[0].isascii() for part in parts)
        if not arabic and parts[0] >= "가":
            at_start = run.start() == 0 or not "가" <= text[run.start() - 1] <= "힣"
            if not at_start or not _AFTER_HANGUL.match(text, run.end()):
                continue
        digits = any(part[0].isascii() or part in _DIGITS for part in parts)
        found.append(CJKNumber(run.start(), run.end(), value, weak=not arabic and (len(parts) == 1 or not digits)))
    return found


def han_value(numeral: str) -> Fraction | None:
    """The value of a numeral in Han digits and units alone; None where it is none.

    >>> int(han_value("十二"))
    12
    """
    return _evaluate(list(numeral))


def _evaluate(parts: list[str]) -> Fraction | None:
    """Sections of four digits, each times a power of 10^4; None where the order of the units makes no number."""
    total = section = Fraction(0)
    digit: Fraction | None = None
    small, large = 10_000, 10**16
    for index, part in enumerate(parts):
        if part in _SMALL:
            if _SMALL[part] >= small:
                return None
            small = _SMALL[part]
            section, digit = section + (1 if digit is None else digit) * small, None
        elif part in _LARGE:
            factor = 10 ** _LARGE[part]
            if factor >= large:
                return None
            section += digit or 0
            total, section, digit = total + (section or 1) * factor, Fraction(0), None
            large, small = factor, 10_000
        else:
            next_digit = Fraction(part.replace(",", "")) if part[0].isascii() else Fraction(_DIGITS[part])
            positional = digit is not None and not part[0].isascii() and not parts[index - 1][0].isascii()
            if digit is not None and not positional:
                return None
            digit = next_digit if digit is None else digit * 10 + next_digit
    unit = parts[-2] if len(parts) > 1 else ""
    if digit is not None and parts[-1] in _DIGITS and 0 < digit < 10 and (unit in _LARGE or _SMALL.get(unit, 0) >= 100):
        # 七万五 is 七万五千, 一百五 is 一百五十; a zero in between would say otherwise (七万零五).
        digit *= Fraction(10 ** _LARGE[unit] if unit in _LARGE else _SMALL[unit], 10)
    return total + section + (digit or 0)
