"""The time of day that a sentence concludes: "The ride takes 85 minutes, so the train is in at 3:45 PM."

Other times and durations may stand before the word that concludes: they are what it was made of. Behind it stands one
time of day, and no other number. `concluded_times.txt` has what bounds a time.
"""

import re
from functools import cache

from pbrlsvr.responses.clock import times_of_day
from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.sentences import lower_case
from pbrlsvr.responses.therefore import inside_a_sentence, therefores
from pbrlsvr.responses.values import NUMBER_RUN
from pbrlsvr.words import word_sections

# Between a time and the same in brackets.
_OPENS = re.compile(r"[^()（\d]{0,20}[(（]\s?")
# What may stand between a bound and its time, and between a time and its bound.
_BETWEEN = r"\s?(?:[^\W\d_]{1,6}\.?\s)?"


def concluded_time(sentence: str, lower: str, lead: int) -> tuple[tuple[str, ...], int, tuple[int, int], int] | None:
    """The languages in which a sentence concludes with a time of day, where it goes on behind the word that concludes,
    the place of the time, and where the answer begins; None where it has none, or more numbers.

    >>> said = "it leaves at 2:20 pm, so it is in at 3:45 pm"
    >>> concluded_time(said, said, 0)[2:]
    ((37, 44), 25)
    """
    times = times_of_day(sentence, lower)
    if not times:
        return None
    begin, end = times[-1]
    # "4:10 PM (16:10)"
    if len(times) > 1 and _OPENS.fullmatch(sentence, times[-2].end, begin) and sentence[end : end + 1] in (")", "）"):
        begin, end = times[-2].begin, end + 1
    ends: dict[str, int] = {}
    for code, words in therefores().items():
        first, inside = words.at_first.match(lower, lead), inside_a_sentence(code)
        found = [said.end() for what in (words.anywhere, inside) for said in what.finditer(lower, lead, begin)]
        found += [first.end()] if first and first.end() <= begin else []
        if found:
            ends[code] = max(found)
    if not ends:
        return None
    after = max(ends.values())
    while lower[after : after + 1] in (",", "،", "，", "、", ":", " "):
        after += 1
    others = [run for run in NUMBER_RUN.finditer(sentence, after) if not begin <= run.start() < end]
    if others or any(after <= time.begin < begin for time in times):
        return None
    if any(_is_bounded(lower, after, begin, end, code) for code in ends):
        return None
    return tuple(ends), after, (begin, end), after


def bounds_a_time(sentence: str, lower: str, number: tuple[int, int], codes: tuple[str, ...]) -> bool:
    """Whether a number is a time of day that a word of some languages bounds: "after 3:45 PM"."""
    times = [time for time in times_of_day(sentence, lower) if time.begin <= number[0] < time.end]
    return any(_is_bounded(lower, 0, *time, code) for time in times for code in codes)


def bounds_the_time(answer: str, language: str) -> bool:
    """Whether a word of the language, or of English, bounds the one time of day that an answer states.

    >>> bounds_the_time("before 3:45 PM", "en"), bounds_the_time("3:45 PM", "en")
    (True, False)
    """
    lower = lower_case(answer)
    times = [(time.begin, time.end) for time in times_of_day(answer, lower)]
    times = times or [number.span() for number in NUMBER_RUN.finditer(lower)] or [(len(lower), len(lower))]
    return any(_is_bounded(lower, 0, *time, code) for time in times for code in {language, "en"})


def _is_bounded(lower: str, after: int, begin: int, end: int, code: str) -> bool:
    before, behind = _bounds(code)
    return bool(before.search(lower[after:begin]) or behind.match(lower, end))


@cache
def _bounds(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What bounds a time of day, before it and behind it."""
    words = word_sections("concluded_times")["bounds"].get(code, ())
    ahead = any_of(word for word in words if word[0] != "~").pattern
    # Endings are written to the time: "3:45లోపు", "11:30'dan önce".
    later = "|".join(re.escape(word[1:]) for word in words if word[0] == "~") or "(?!)"
    return re.compile(rf"(?:{ahead}){_BETWEEN}\Z"), re.compile(rf"['’]?[^\W\d_]{{0,5}}\s?(?:{later})")
