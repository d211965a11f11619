"""What a language's numbers look like, from CLDR through babel. (Han and Hangul units count in any language: `cjk`.)"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from babel import Locale

from pbrlsvr.languages.tags import base
from pbrlsvr.languages.tags import locale as babel_locale

# The halves of the Spanish-speaking world disagree on the decimal mark, and "es" alone does not say which one is meant.
_BOTH_MARKS = frozenset({"es"})
#: A pattern for one sign of a currency.
CURRENCY_SIGN = r"[$€£¥₹₽₩₫฿₪₺₴₦₨৳៛₱₡₵＄]"


class Conventions(NamedTuple):
    """How one language writes numbers.

    Attributes:
        decimal: the decimal mark, "." or ",".
        both_marks: whether a mark before exactly three digits groups them, whichever mark it is.
        after: words after a number that multiply it ("million"), with their factors, the longest first.
        before: the same for words before a number (Swahili "elfu").
        language: the language, without script and territory.
    """

    decimal: str
    both_marks: bool
    after: dict[str, int]
    before: dict[str, int]
    language: str


@lru_cache(maxsize=512)
def conventions(language: str | None) -> Conventions:
    """The conventions of a language; None stands for English, and so does one whose formats CLDR lacks.

    Raises:
        DataError: the language is unknown.

    >>> conventions("de").decimal, conventions("de").after["Millionen".lower()]
    (',', 1000000)
    """
    locale = babel_locale("en" if language is None else language)
    symbols = locale.number_symbols
    latin = symbols.get("latn") or symbols.get(locale.default_numbering_system) or symbols
    decimal = "," if latin.get("decimal") == "," else "."
    after, before = _multipliers(locale)
    return Conventions(
        decimal=decimal,
        both_marks=locale.language in _BOTH_MARKS and locale.territory is None,
        after=after,
        before=before,
        language="en" if language is None else base(language),
    )


def _multipliers(locale: Locale) -> tuple[dict[str, int], dict[str, int]]:
    """The words of CLDR's compact formats: "00 thousand" for 10^4 says that "thousand" is 10^3."""
    after: dict[str, int] = {}
    before: dict[str, int] = {}
    for length in ("short", "long"):
        for patterns in locale.compact_decimal_formats.get(length, {}).values():
            for power, pattern in patterns.items():
                parts = re.match(r"([^0]*)(0+)([^0]*)\Z", pattern.pattern.split(";")[0].replace("'", ""))
                if parts is None or not power.isdecimal():
                    continue
                factor = int(power) // 10 ** (len(parts[2]) - 1)
                for words, word in ((before, parts[1]), (after, parts[3])):
                    word = " ".join(word.lower().split()).rstrip(".")
                    # "K", "M" and "mi" are units too.
                    if word and min(map(len, word.split())) >= (3 if length == "short" else 2):
                        words.setdefault(unicodedata.normalize("NFKC", word), factor)
    return _longest_first(after), _longest_first(before)


def _longest_first(words: dict[str, int]) -> dict[str, int]:
    return dict(sorted(words.items(), key=lambda item: -len(item[0])))


ENGLISH = conventions("en")
