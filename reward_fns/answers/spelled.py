"""Numbers that are all words: "eighteen", "minus seven", "three quarters", "trois quarts".

Only an answer that is nothing but such a number is one: "no one", "seven years of war" and "one of them" are not.
"""

import re
from fractions import Fraction

from pbrlsvr.answers.word_tables import word_table

_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_TABLE = word_table("spelled")
_WORDS = {word: value for key, words in _TABLE.items() if key.isalpha() for value, word in enumerate(words)}
_PARTS = {word: int(key[2:]) for key, words in _TABLE.items() if key.startswith("1/") for word in words}
_UNITS = {word: value for value, word in enumerate(_TABLE["en"])} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_MOST_WORDS = 16
_SEPARATORS = re.compile(r"[\s.]+")


def read_spelled(text: str) -> Fraction | None:
    """The number that a whole cleaned text spells out; None where it is anything else.

    >>> [str(read_spelled(text)) for text in ("minus seven", "three quarters", "two hundred and five", "no one")]
    ['-7', '3/4', '205', 'None']
    """
    words = [word for word in _SEPARATORS.split(text.casefold()) if word]
    if not words or len(words) > _MOST_WORDS:
        return None
    sign = -1 if words[0] in _TABLE["-"] else 1
    words = words[1:] if sign < 0 else words
    if len(words) == 1 and words[0] in _WORDS:
        return Fraction(sign * _WORDS[words[0]])
    if len(words) == 2 and words[1] in _PARTS and (words[0] in _WORDS or words[0] in _TABLE["1"]):
        return Fraction(sign * _WORDS.get(words[0], 1), _PARTS[words[1]])
    value = _english("-".join(words).split("-"))
    return None if value is None else Fraction(sign * value)


def _english(words: list[str]) -> int | None:
    """An integer in English words, below a trillion."""
    total = section = 0
    last, largest = "", 10**12
    for word in words:
        value = _UNITS.get(word)
        if word == "and" and last in _SCALES:
            continue
        if (
            value is not None
            and (not last or last in _SCALES or (last in _TENS and 0 < value < 10))
            and not (section and section % 100 and last not in _TENS)
        ):
            section += value
        elif word == "hundred" and 0 < section < 10 and last in _UNITS:
            section *= 100
        elif word in _SCALES and word != "hundred" and 0 < section < 1000 and _SCALES[word] < largest:
            largest = _SCALES[word]
            total, section = total + section * largest, 0
        else:
            return None
        last = word
    return total + section if last and last != "and" else None
