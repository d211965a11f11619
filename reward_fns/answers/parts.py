"""Numbers of two parts as one: "2 and a half", 2時間半, "5 dollars and 30 cents", "3 € 50", 0.\\overline{3}, 10^9."""

import re
from fractions import Fraction

from pbrlsvr.answers.cjk import han_value
from pbrlsvr.answers.locales import CURRENCY_SIGN
from pbrlsvr.words import word_table

#: "thirds" and the like of all languages, with their number.
PARTS = {word: int(key[2:]) for key, words in word_table("spelled").items() if key[:2] == "1/" for word in words}
_AND = r",? ?(?:(?:and|und|et|y|con|com|e|и|і|з|i|a|en|ve|و|और|এবং|మరియు|và|dan|at|na)(?![^\W\d_]))?"
#: What may stand between the parts of one number: nothing, or "and".
AND = re.compile(rf"(?!,){_AND} ?")
_WHOLE = r"(?<![\d.,/^_{٫])(?<!\d )([0-9]{1,9})"
_HALF = (
    r"(?:and (?:a |one[ -])?half(?! of)|y medi[oa]|et demie?|und (?:einen? )?halbe?[nrs]?|e mezz[oa]|e mei[oa]|"
    r"en een halve?|с половиной|[зі]з? половиною|i pół|a (?:půl|pol)|buçuk|و ?نصف|و ?نیم|ו ?חצי|rưỡi|"
    r"at kalahati(?:ng)?|na nusu|ครึ่ง|o(?:ch|g) (?:e(?:n|tt?) )?halvt?|és (?:egy )?fél|ja (?:puoli|pool)|și jumătate|"
    r"και μισ[όή]|и половина|i pola?|in pol|i mi(?:g|tja)|su puse|ar pusi|और आधा|এবং আধা)"
)
_UNIT = r"[^\W\d_][^\s\d.,;:()=]{0,13}\.?"
# "2 hours and a half", "2 triệu rưỡi"; Indonesian and Telugu say it right behind the number.
AND_A_HALF = re.compile(rf" ?{_HALF}(?![^\W\d_])", re.IGNORECASE)
_SO_MANY_PARTS = re.compile(r"(?<![\d.,/])([0-9]{1,4}) ([^\W\d_][^\s\d.,;:()=]*)(?=\s*\.?\Z)")
_AND_HALF = re.compile(
    rf"{_WHOLE}(?:(?P<unit> ?{_UNIT})??[ -]?{_HALF}|(?: setengah|einhalb| ?న్నర))(?![^\W\d_])", re.IGNORECASE
)
_HAN = "[一二两兩三四五六七八九十百]{1,5}"
_HAN_HALF = re.compile(
    rf"([0-9]{{1,9}}|{_HAN})(个|個|小时|小時|時間|年|天|日|块|塊|斤|倍|か月|ヶ月|杯|箱)半(?![分数數年月路])"
    r"|([0-9]{1,9})( ?[가-힣]{1,3}) 반(?![가-힣])"
)
#: Hundredths of a currency, in all languages: cents, kuruş, копейки.
HUNDREDTHS = (
    r"(?:cents?|ct|centavos?|c[eé]ntimos?|centimes?|centesimi|cêntimos?|pence|копе[йе]?[кй]\w?|коп\.?|копій\w{1,2}|grosz[ye]?|"
    r"haléř[ůe]?|hal\.|kuruş|paise|paisa|पैस[ेा]|পয়সা|పైసలు|பைசா|สตางค์|sentimo|sen|kobo|senti|سنت\w{0,3}|قرش\w?|セント|센트)"
)
_MONEY = re.compile(
    rf"(?:(?<={CURRENCY_SIGN})(?P<price>[0-9]{{1,9}})|(?P<whole>[0-9](?:[0-9.,' ]{{0,19}}[0-9])?) ?"
    rf"(?P<unit>{CURRENCY_SIGN}|{_UNIT}))"
    rf"{_AND} ?(?<![\d.,])(?P<cents>[0-9]{{1,2}}) ?(?:{HUNDREDTHS}|(?<=zł [0-9]{{2}} )gr)(?![^\W\d_])",
    re.IGNORECASE,
)
_PRICE = re.compile(r"(?<![\d.,])([0-9]{1,9}) ?(€|euros?|£|zł|kr\.?|CHF|Fr\.) ?([0-9]{2})\s*\.?\Z", re.IGNORECASE)
_YUAN = re.compile(
    rf"([0-9]{{1,9}}|{_HAN})[元块塊圆圓](?:([0-9]|{_HAN})(?:角|毛|\Z))(?:([0-9]|{_HAN})分?(?=\Z|[^0-9]))?"
    rf"|([0-9]{{1,9}}|{_HAN})[元块塊圆圓]([0-9]{{1,2}}|{_HAN})分"
)
_REPEATING = re.compile(
    r"(?<![\d.,])([0-9]{0,9})(?:\.([0-9]{0,9})(?:\\overline ?\{ ?([0-9]{1,9}) ?\}|\\dot ?\{? ?([0-9])(?![0-9]) ?\}?)"
    r"|,([0-9]{0,9})\(([0-9]{1,9})\)|\.\(([0-9]{1,9})\)"
    r"|\.([0-9]{0,9}?)([0-9]{1,3}?)\9{2,}(?:\.\.\.| ?\\[lc]?dots))(?![0-9])"
)
_POWER_OF_TEN = re.compile(
    r"(?<![.,^_{\w)\]×*·⋅/+])(?<![×x*·⋅/+] )(?<!cdot )(?<!times )10 ?\^ ?\{? ?(-?[0-9]{1,3}) ?\}?(?![\w.^!({])"
)


def with_parts(text: str) -> str:
    """A cleaned text in which a number that is said in two parts is one; "٫" is always a decimal mark.

    >>> [with_parts(text) for text in ("2 hours and a half", "5 dollars and 30 cents", "3 € 50", "5元3角", "2時間半")]
    ['2٫5 hours', '5٫30 dollars', '3٫50 €', '5٫3 元', '2٫5 時間']
    >>> with_parts("0.\\\\overline{3}"), with_parts("10^9"), with_parts("3 eighths")
    (' 1/3 ', '1e9', '3/8')
    """
    text = _POWER_OF_TEN.sub(r"1e\1", _REPEATING.sub(_as_fraction, text))
    text = _SO_MANY_PARTS.sub(_as_parts, text)
    text = _AND_HALF.sub(lambda found: f"{found[1]}٫5{found['unit'] or ''}", text)
    text = _MONEY.sub(_as_money, text)
    text = _PRICE.sub(r"\1٫\3 \2", text)
    if text.isascii():
        return text
    text = _HAN_HALF.sub(lambda found: f"{_digits(found[1] or found[3])}٫5 {found[2] or found[4]}", text)
    return _YUAN.sub(_as_yuan, text)


def _as_money(found: re.Match[str]) -> str:
    return f"{found['price'] or found['whole']}٫{found['cents']:0>2} {found['unit'] or ''}".rstrip()


def _as_parts(found: re.Match[str]) -> str:
    """ "3 eighths" as 3/8; "3 quarters" and "3 quarts" may be coins and litres."""
    number = PARTS.get(found[2].casefold(), 0)
    return f"{found[1]}/{number}" if number not in (2, 4) and int(found[1]) < number else found[0]


def _digits(numeral: str) -> int:
    return int(numeral) if numeral.isascii() else int(han_value(numeral) or 0)


def _as_yuan(found: re.Match[str]) -> str:
    if found[4]:
        return f"{_digits(found[4])}٫{_digits(found[5]):02} 元"
    return f"{_digits(found[1])}٫{_digits(found[2])}{_digits(found[3]) if found[3] else ''} 元"


def _as_fraction(found: re.Match[str]) -> str:
    """0.1(6) as 1/6."""
    fixed = next((part for part in (found[2], found[5], found[8]) if part is not None), "")
    repeated = next(part for part in (found[3], found[4], found[6], found[7], found[9]) if part is not None)
    start = int(f"{found[1] or '0'}{fixed}")
    value = Fraction(int(f"{start}{repeated}") - start, 10 ** len(fixed) * (10 ** len(repeated) - 1))
    return f" {value.numerator}/{value.denominator} "
