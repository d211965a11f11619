"""Last sentences that state a value without a word that concludes: they repeat the last result, or say what something
is."""

import re
from decimal import Decimal
from functools import cache

from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.nouns import outermost
from pbrlsvr.responses.values import NUMBER_RUN, SIGNS, numbers_in
from pbrlsvr.words import scope_words

_BEFORE = 240
# "63 / 7 = 9 marbles" at the end of what stands before a sentence.
_LAST_EQUATION = re.compile(r"\d[^\n=]{0,40}=\s{0,2}[$€£₹¥]?\s?(-?\d[\d.,]{0,20})[^\d\n=]{0,24}\s*\Z")
#: Signs of currencies.
CURRENCY = "$€£¥₹₽₩₫฿₪₺₴₦₱৳"
_SIGNS = rf"[\s*\\({CURRENCY}−–-]{{0,4}}(?:(?:rp|rs|r\$|usd|eur|inr|tl|k?e?sh|tsh|php|rm)\.?\s?)?"
# "Umri wake ni miaka 16": the unit stands before the number.
_UNIT_FIRST = ("sw", "yo", "ha", "rw", "zu", "xh", "sn", "mg")
_UNIT = rf"(?:[\s*\\)°%²³/'’.{CURRENCY}]{{0,4}}(?:[^\W\d_]|[{SIGNS}]){{0,12}}){{0,2}}[\s*\\)°%²³.{CURRENCY}]{{0,4}}"
# "Is" in one language, and another short word in its neighbours': German "es" and "er", French "on" and "la".
_RATIO = re.compile(r"\d\s[^\W\d]{1,4}(?:\s[^\W\d]{1,3})?\s\Z")
_THE = re.compile(r"\bthe\b")
_AMBIGUOUS = frozenset(("es", "er", "on", "la", "ne", "da", "ce", "to", "az"))


def repeats_the_result(sentence: str, before: str) -> bool:
    """Whether a sentence has one number, and it is what the last calculation before it comes to.

    >>> repeats_the_result("Each cousin gets 9 marbles.", "63 / 7 = 9\\n"), repeats_the_result("All 7.", "3 * 7 = 21")
    (True, False)
    """
    result = last_result(before)
    return result is not None and numbers_in(sentence) == [result]


def last_result(before: str) -> Decimal | None:
    """What the calculation comes to that ends a text.

    >>> last_result("63 / 7 = 9 marbles\\n")
    Decimal('9')
    """
    equation = _LAST_EQUATION.search(before[-_BEFORE:])
    return numbers_in(equation[1].rstrip(".,"))[0] if equation else None


def says_what_it_is(lower: str) -> tuple[tuple[str, ...], tuple[int, int]] | None:
    """Whether a sentence in lower case says "is", a number and a unit at its end, and none of the nouns that `find_cue`
    has read.

    Returns:
        The languages in which it does, all of them where the word is another one's, too; and the number's place.

    >>> says_what_it_is("der winkel beträgt 36 grad"), says_what_it_is("she has 18 eggs")
    ((('de',), (19, 21)), None)
    """
    found = _is(tuple(CUES)).search(lower) or _is(_UNIT_FIRST, _AMBIGUOUS).search(lower)
    # "3 out of 20"
    if not found or (found["before"] and _RATIO.search(lower, 0, found.start("before"))) or outermost(lower):
        return None
    place = found.span("before" if found["before"] else "behind")
    codes = tuple(code for code in CUES if _is((code,), _AMBIGUOUS).search(lower))
    if "en" in codes and _THE.search(lower):
        # Not Dutch, where "of" is a doubt.
        return ("en",), place
    return codes or tuple(CUES), place


@cache
def _is(codes: tuple[str, ...], without: frozenset[str] = frozenset()) -> re.Pattern[str]:
    # A single letter is "is" in few languages: é, è, е, 是; "a", "o" and は are other words.
    codes = tuple(code for code in codes if code in CUES)
    copulas = {word for code in codes for word in CUES[code].copulas if len(word) > 1 or word in "éèе是为為"} - without
    unit = r"(?:[^\W\d_]{2,12}\s){0,3}" if codes and set(codes) <= set(_UNIT_FIRST) else ""
    last, number = any_of(scope_words("is", codes)), NUMBER_RUN.pattern
    return re.compile(
        rf"(?<=[^\s\d])\s?(?:{any_of(copulas - {'', '…'}).pattern}){_SIGNS}{unit}(?P<behind>{number}){_UNIT}\Z"
        rf"|(?<=[^\s\d])\s?(?P<before>{number}){_UNIT}(?:{last.pattern})[\s.]*\Z"
    )
