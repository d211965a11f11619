"""What a final answer can be, before anything reads it: a number, a formula, the letter of an option."""

import re
from decimal import Decimal
from unicodedata import category, decimal

from pbrlsvr.responses.cues import OPTION_LISTS

_NUMERALS = "〇零一二三四五六七八九十百千万萬億亿兆两兩壹贰叁肆伍陆柒捌玖拾½⅓⅔¼¾십백천만억①②③④⑤⑥⑦⑧⑨⑩"
# 만 is 10,000, and stands in two words for "if" and in one for "less than".
_NUMERAL = rf"(?!만[약일])(?<!미(?=만))[{_NUMERALS}]"
_NATIVE = "".join(sorted({letter for letters in OPTION_LISTS for letter in letters if not letter.isascii()}))
_LATIN = "A-JＡ-Ｊ"
#: Vowel signs and accents, which `\w` leaves out, as ranges for a character class.
SIGNS = "".join(
    f"{chr(run.start())}-{chr(run.end() - 1)}"
    for run in re.finditer("m+", "".join("m" if category(chr(code))[0] == "M" else " " for code in range(0x1100)))
)
# A letter that stands alone: "C", "(C)", "C입니다", "C'dir"; of other scripts in brackets, or between spaces.
LETTER = (
    rf"(?<![A-Za-zÀ-ͯͰ-ӿ\d\\])(?![CDJ]['’][aeiouhéèêà])(?:[{_LATIN}](?![a-zA-ZÀ-ɏ\d_^=(]|'[a-z]\b)"
    rf"|(?<![^\W_])(?<![{SIGNS}])[{_NATIVE}СНІЈ](?:ـ|'|(?![^\W_]|[{SIGNS}^=(]|-\S)))"
)
VALUE = re.compile(rf"\d|{_NUMERAL}|\\[a-z]|{LETTER}")
NUMBER = re.compile(rf"\d|{_NUMERAL}|\\(?:boxed|frac|sqrt)")
TOKEN = re.compile(
    rf"\d(?:[\d.,'٫٬\u00a0\u202f ]*\d)?|(?:{_NUMERAL})+|\\[a-z]+(?:\s?\{{[^{{}}\n]{{0,60}}\}})*|{LETTER}"
)
#: A number as one piece, also a time of day and a fraction in words.
NUMBER_RUN = re.compile(
    rf"\d{{1,2}}\s?(?:[:h时時点點시]|Uhr|giờ|heures)\s?\d{{2}}(?!\d)"
    rf"|(?:\d{{1,6}}|{_NUMERAL}+)\s?(?:分之|分の|분의)\s?(?:\d{{1,6}}|{_NUMERAL}+)"
    r"|\d[\d.,]*(?:[万萬億亿만억]\s?(?:\d[\d.,]*)?)+"
    rf"|\d(?:[\d.,'٫٬/\u00a0\u202f ]*\d)?|{_NUMERAL}+|\\(?:boxed|frac|sqrt)"
)
# What an answer can begin with: a number behind signs, brackets, currency ("Rs", not "Step") and markup; or LaTeX.
_NUMBER_AT_FIRST = re.compile(
    rf"[^\w\n]{{0,12}}(?:(?:[A-Z]{{1,4}}|[a-z]{{1,4}}|[A-Z][sp]h?)?[^\w\n]{{0,3}}\d|{_NUMERAL}|\\[a-z])"
)
LETTER_FIRST = re.compile(
    rf"[^\w\n]{{0,8}}(?:[^\W\d_]{{1,12}}[ :]{{1,2}})?[^\w\n]{{0,6}}{LETTER}"
    rf"(?=[^\w\n]{{0,3}}[)\]）】.:：*_,;，。।॥؟'|]|\s*(?:\n|\Z)|[가-힣ぁ-んァ-ヶー一-鿿ก-๛])"
)
_PLAIN = re.compile(r"\d{1,3}(?:[.,'٬\u00a0\u202f ]\d{3})+(?!\d)|\d+[.,]\d+|\d+")
_GROUPING = re.compile(r"[.,'٬\u00a0\u202f ](?=\d{3}(?!\d))")
LONE_LETTER = re.compile(rf"[^\w\n]{{0,6}}{LETTER}")
VALUE_FIRST = re.compile(rf"{_NUMBER_AT_FIRST.pattern}|{LETTER_FIRST.pattern}")


def numbers_in(text: str) -> list[Decimal]:
    """The numbers of a text in the digits of any script, as most languages group them.

    >>> numbers_in("1.350 € and ১২")
    [Decimal('1350'), Decimal('12')]
    """
    plain = "".join(str(decimal(c, c)) if c.isdecimal() else c for c in text)
    return [Decimal(_GROUPING.sub("", run).replace(",", ".")) for run in _PLAIN.findall(plain)]


def has_value(text: str) -> bool:
    """Whether the text holds something that an answer could be: a digit, a numeral, LaTeX, or a letter of an option."""
    return VALUE.search(text) is not None


def value_first(text: str) -> bool:
    """Whether the text is an answer from its beginning: a value behind at most signs, a currency and markup.

    A letter is one only if it stands alone or is marked, as in "C", "(C)", "C. Paris", "option C".
    """
    return VALUE_FIRST.match(text) is not None
