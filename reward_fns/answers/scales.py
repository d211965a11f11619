"""Words and letters that multiply the number before them, in whatever language they come: million, lakh, 万, k.

CLDR's words of the answer's own language go first (`locales`). The words of all languages stand in `scales.txt`, with
their endings, since most languages inflect them. What means different things in different places (billion, "M",
"3 quarters") is read only where its own language or a currency decides, and else the number is not read at all.
"""

import re
from fractions import Fraction
from functools import lru_cache

from pbrlsvr.answers.locales import CURRENCY_SIGN, ENGLISH, Conventions
from pbrlsvr.answers.parts import PARTS
from pbrlsvr.words import fold, word_table

_UNCLEAR = "?"
# Scripts that leave no spaces between words.
_SPACELESS = "[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u9fff]"
_CURRENCY_LETTERS = {"k": 1000, "m": 10**6, "mm": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12, "tn": 10**12}
# "45 mil" are miles here, and thousands in Spanish.
_MILES = ("az", "bs", "cs", "da", "hr", "id", "jv", "ms", "nb", "nn", "no", "pl", "sk", "sr", "sv", "tr", "uz")
# What is a million, a hundred or a quarter elsewhere: miles, hours, months, quarts.
_UNITS = {
    "ca": "milla milles", "eu": "milia", "pt": "milha milhas", "sl": "milja milji milje milj", "sk": "míľ",
    "hr": "milja milje milji sata", "bs": "milja milje milji sata", "sr": "milja milje milji sata миља миље миљи",
    "is": "míla", "tl": "milya", "fil": "milya", "id": "bln", "ms": "bln",
    "da": "md", "no": "md", "nb": "md", "nn": "md", "af": "md",
}  # fmt: skip
_QUARTS, _QUARTERS = ("quart", "quarts"), ("ca", "fr")
# Other words without their accents or in another language. Dutch "dozen" are boxes, Spanish "miles" are thousands.
_EXACT: dict[tuple[str, str] | str, int | None] = {
    ("nl", "dozen"): 1, ("es", "miles"): None, ("pt", "mi"): 10**6, ("pt", "bi"): 10**9,
    ("fr", "md"): 10**9, ("de", "tsd"): 1000, ("en", "bn"): 10**9, ("id", "jt"): 10**6, ("id", "rb"): 1000,
    "tá": 12, "vạn": 10_000, "tỉ": 10**9, **{(language, "mil"): 1 for language in _MILES},
    **{(language, word): 1 for language, words in _UNITS.items() for word in words.split()},
}  # fmt: skip
# Where words that multiply stand before the number, and those that are something else elsewhere.
_SCALE_FIRST = {"sw": {"mia": 100}, "yo": {}}
_MONEY_LETTERS = re.compile(rf"[ ~]?([kKmMbBtT])(?:{CURRENCY_SIGN})")
_NEXT = re.compile(r"[\s~-]*(?:(?:de|na)\s)?([^\W\d_](?:[^\s\d_.,;:!?()\[\]{}'\"/\\|+*=<>^%$€£¥₹-]*)|[‰‱])")
_BEFORE = re.compile(r"([^\W\d_][^\s\d_.,;:!?()\[\]{}'\"/\\|+*=<>^%$-]*)\.?[\s~]*\Z")


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[int | None, re.Pattern[str]]]:
    # The unclear ones first: "thousandths" begins like "thousand".
    keys = sorted(word_table("scales"), key=lambda key: key != _UNCLEAR)
    return [
        (
            None if key == _UNCLEAR else int(key),
            re.compile(rf"(?:{fold('|'.join(word_table('scales')[key]))})(?:\Z|(?<={_SPACELESS}))"),
        )
        for key in keys
    ]


@lru_cache(maxsize=4096)
def factor_of(word: str) -> tuple[int | None, int]:
    """What a word of any language multiplies by, and how long that part is; 1 for most words, None for unclear ones.

    >>> factor_of("Millionen"), factor_of("వేల"), factor_of("eggs"), factor_of("billion"), factor_of("ล้านบาท")
    ((1000000, 9), (1000, 3), (1, 4), (None, 7), (1000000, 4))
    """
    folded = fold(word)
    for factor, pattern in _patterns():
        if found := pattern.match(folded):
            return factor, found.end() if len(folded) == len(word) else len(word)
    return 1, len(word)


def scale(
    text: str, start: int, end: int, speech: Conventions, is_money: bool, value: Fraction
) -> tuple[int, int | None]:
    """Where a number ends with the words that multiply it, and their product; None for one that is not clear."""
    product = 1
    while found := _next_scale(text, end, speech, is_money):
        end, factor = found
        if factor is None:
            return end, None
        product *= factor
    before = text[max(0, start - 40) : start]
    lower = before.lower().rstrip(" ")
    for first, factor in speech.before.items():
        if lower.endswith(first) and not lower[: -len(first)][-1:].isalpha():
            return end, product * factor
    previous = _BEFORE.search(before)
    if previous and product == 1 and speech.language in _SCALE_FIRST:
        factor_before = _SCALE_FIRST[speech.language].get(previous[1].lower(), factor_of(previous[1])[0])
        return end, factor_before
    if previous and product == 1 and len(previous[1]) > 2 and (factor_of(previous[1])[0] or 1) != 1:
        return end, None
    following = _NEXT.match(text[end : end + 40])
    word = following[1].lower() if following else ""
    part = 0 if word in _QUARTS and speech.language not in _QUARTERS else PARTS.get(word, 0)
    # "3 quarters" is less than one; "18 quarters" are coins, and there may be 60 third graders.
    if 2 < part > value or (part in (10, 100, 1000) and not word.endswith("th")):
        return end, None
    return end, product


def _next_scale(text: str, end: int, speech: Conventions, is_money: bool) -> tuple[int, int | None] | None:
    """The multiplier that stands at `end`; None where none does."""
    rest = text[end : end + 40]
    lower = rest.lower()
    gap = len(lower) - len(lower.lstrip(" -"))
    for words in (speech.after, ENGLISH.after):
        for word, factor in words.items():
            if not lower.startswith(word, gap):
                continue
            after = lower[gap + len(word) : gap + len(word) + 1]
            # Where letters have cases, words have boundaries: "5 mil" is not "5 miles".
            if not (word[-1].islower() and after.isalpha()):
                return end + gap + len(word), factor
    word_found = _NEXT.match(rest)
    if word_found is None:
        return None
    word, at = word_found[1], end + word_found.end()
    for key in ((speech.language, word.lower()), word.lower()):
        if key in _EXACT:
            return None if _EXACT[key] == 1 else (at, _EXACT[key])
    if money := _MONEY_LETTERS.match(rest):
        # "5 T€" are thousands in German, and trillions elsewhere.
        return end + money.end(1), _CURRENCY_LETTERS[money[1].lower()] if money[1] not in "tT" else None
    glued = word_found.start(1) == 0
    if is_money and word.lower() in _CURRENCY_LETTERS:
        return at, _CURRENCY_LETTERS[word.lower()]
    if word in ("k", "K") and glued:
        return at, 1000
    if word in ("K", "M", "MM", "B", "T"):
        return at, None
    factor_found, length = factor_of(word)
    return None if factor_found == 1 else (end + word_found.start(1) + length, factor_found)
