"""The one number that a sentence states, of several in digits or numerals: "In total 28 + 32 = 60 dollars", "After 4
hours he is 45 miles off", "She has to pay $64 for the 16 glasses"."""

import re
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import Literal

from babel import UnknownLocaleError
from babel.lists import format_list

from pbrlsvr.responses.cue_patterns import any_of, is_unspaced
from pbrlsvr.responses.durations import is_span_of_time, is_time
from pbrlsvr.responses.number_words import counts_what_is_known
from pbrlsvr.responses.plain import last_result
from pbrlsvr.responses.scopes import scope_in
from pbrlsvr.responses.sentences import denies
from pbrlsvr.responses.therefore import therefores
from pbrlsvr.responses.values import NUMBER_RUN, numbers_in

_Place = tuple[int, int]
#: A formula without an equation, which is one number: "$\\frac{3}{5}$".
IN_MATH = re.compile(r"\$(?=\S)[^$\n=]{1,60}(?<=\S)\$(?!\d)|\\\([^\n=]{1,60}?\\\)")
# The left side of "28 + 32 + 36 = 96".
_SUM = re.compile(r"\d[^\n=;]{0,40}?(?:[-+*/×·÷−–]|(?<=[\d\s])[xX:](?=\s?\d))[^\n=;]{0,80}=")
# "1人あたり8本": eight for each.
_EACH = re.compile(r"[1１一]\s?[^\s\d]{1,3}(?:あたり|当たり|につき|당)|每[1１一]\w")
_ASIDE = re.compile(r"[(（][^()（）=]{0,80}?[^\W\d_]{2}[^()（）=]{0,80}[)）]|[(（][^\W\d_][^()（）=]{0,80}[)）]")
# "RT 05": a name with a number.
_NAMES = re.compile(r"0\d+(?![\d:.,h])")
_COMMA = re.compile(r"[,،，、;]")
_LETTERS = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"[^\W\d_]+")
# So many words, or letters of a script without spaces, stand between two quantities; "and" joins those that are near.
_APART, _LETTERS_APART, _LETTERS_OF_A_WORD, _NEAR = 2, 4, 60, 3


def one_number(sentence: str, lower: str, after: int, codes: tuple[str, ...], before: str) -> _Place | None:
    """Where the one number of a sentence stands, which is in the languages `codes` and goes on at `after`.

    It is the one in digits, or in a formula, if there are words for others; what an equation comes to; of several, the
    one that is no span of time and counts nothing known, or what the calculation in `before` comes to, or the last,
    right behind a word that concludes ("They have in total 108").

    >>> said = "She has to pay $64 for the 16 glasses."
    >>> one_number(said, said.lower(), 0, ("en",), ""), one_number("18 or 20", "18 or 20", 0, ("en",), "9 * 2 = 18")
    ((16, 18), None)
    """
    formulas = [found.span() for found in IN_MATH.finditer(sentence, after) if NUMBER_RUN.search(found[0])]
    sums = [found.span() for what in (_SUM, _EACH) for found in what.finditer(sentence, after)]
    runs = [
        found
        for found in NUMBER_RUN.finditer(sentence, after)
        if not any(begin <= found.start() < end for begin, end in formulas + sums)
    ]
    written = formulas + [found.span() for found in runs if found[0][0].isdigit()]
    # The 一 of 一共 counts nothing.
    spelled = [found.span() for found in runs if not found[0][0].isdigit() and found[0] != "一"]
    # "第三餐用了五个鸡蛋": an ordinal names the meal.
    spelled = [place for place in spelled if sentence[place[0] - 1] != "第"] or spelled
    numbers = sorted(written or spelled)
    numbers = [place for place in numbers if not _NAMES.match(sentence, place[0])] or numbers
    # "1,250 元（含 50 元运费）"; not "18 (or 20)"
    asides = [found.span() for found in _ASIDE.finditer(sentence) if not denies(found[0])]
    numbers = [place for place in numbers if not any(begin < place[0] < end for begin, end in asides)] or numbers
    if len(numbers) < 2:
        return numbers[0] if numbers else None
    # "She eats 84 eggs in 4 weeks, and that is 84 / 12 = 7 dozen."
    if equation := max((end for _, end in sums if sentence[end - 1] == "="), default=0):
        numbers = [place for place in numbers if place[0] >= equation]
        before = ""
    return _of_several(sentence, lower, numbers, codes, before) if len(numbers) > 1 else next(iter(numbers), None)


def value_end(sentence: str, end: int) -> int:
    """Where the words end that belong to the number before `end`: before another number with words, and its bracket.

    >>> value_end("She saves $12.50 by buying 4", 16), value_end("1,250 eggs (50 of them white)", 5)
    (26, 10)
    """
    others = (found.start() for found in NUMBER_RUN.finditer(sentence, end))
    stop = next((other for other in others if _LETTERS.search(sentence, end, other)), len(sentence))
    opened = max(sentence.rfind(bracket, end, stop) for bracket in "(（")
    closed = max(sentence.rfind(bracket, end, stop) for bracket in ")）")
    return len(sentence[: opened if opened > closed else stop].rstrip(" *"))


def _of_several(sentence: str, lower: str, numbers: list[_Place], codes: tuple[str, ...], before: str) -> _Place | None:
    others = [place for place in numbers if not is_span_of_time(lower, *place, codes)]
    # "She has to pay $64 for the 16 glasses"
    others = [place for place in others if not counts_what_is_known(lower, 0, place[0])] or others
    if len(others) != 1:
        others = _the_result(sentence, numbers, before)
    if len(others) == 1 and _stands_apart(lower, numbers, others[0], codes):
        return others[0]
    last = numbers[-1]
    ends = (word.end() for code in codes for word in therefores()[code].at_first.finditer(lower, 0, last[0]))
    return last if any(not sentence[end : last[0]].strip(" *:：$€£₹¥で") for end in ends) else None


def _the_result(sentence: str, numbers: list[_Place], before: str) -> list[_Place]:
    """The numbers that are what the calculation in `before` comes to, where all others stand in it."""
    result, known = last_result(before), numbers_in(before)
    others = [value for place in numbers for value in numbers_in(sentence[slice(*place)]) if value != result]
    if result is None or not set(others) <= set(known):
        return []
    return [place for place in numbers if numbers_in(sentence[slice(*place)]) == [result]]


def _stands_apart(lower: str, numbers: list[_Place], one: _Place, codes: tuple[str, ...]) -> bool:
    """Whether a number is neither a part of one quantity, "2 hours and 30 minutes", nor one of two that are offered."""
    for left, right in pairwise(numbers):
        between = lower[left[1] : right[0]]
        words = _WORDS.findall(between)
        if one not in (left, right):
            continue
        joined = joins("or", codes).search(between) or (
            len(words) <= _NEAR and joins("standard", codes).search(between)
        )
        # "Anna has 9 eggs, Ben has 18 eggs": two answers.
        is_list = _COMMA.search(between) and words and lower[right[1] :].lstrip(" *").startswith(words[0])
        if (
            joined
            or is_list
            or scope_in(codes).calculates.search(between)
            or _is_range(between, lower[right[1] :], codes)
        ):
            return False
        if _has_only_a_unit(words) and is_time(lower, left[1], codes) == is_time(lower, right[1], codes):
            return False
    return True


def _is_range(between: str, behind: str, codes: tuple[str, ...]) -> bool:
    """Whether what stands between two numbers joins them: "5 to 7 days", "5日から7日", "5–7"."""
    between = between.rstrip(" *$€£₹¥")
    if between.strip() in ("-", "–", "—"):
        return True
    to = next((word for word in scope_in(codes).range.finditer(between) if word.end() == len(between)), None)
    unit = between[: to.start()].strip(" *") if to else ""
    return to is not None and (not unit or behind.lstrip(" *").startswith(unit))


def _has_only_a_unit(words: list[str]) -> bool:
    letters = _LETTERS_APART if words and is_unspaced(words[0][0]) else _LETTERS_OF_A_WORD
    return len(words) < _APART and max(map(len, words), default=0) < letters


@cache
def joins(style: Literal["standard", "or"], codes: tuple[str, ...]) -> re.Pattern[str]:
    """CLDR's words for "and", or for "or"."""
    joined = set()
    for code in codes:
        with suppress(UnknownLocaleError):
            joined.add(format_list(["1", "2"], style=style, locale=code).strip("12 \u200b,、").lower())
    return any_of(joined)
