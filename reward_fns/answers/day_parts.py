"""The parts of the day in every language, from CLDR: which hour "9 de la noche", 晚上9点 and "saa 3 usiku" name."""

import re
from functools import lru_cache

from pbrlsvr.answers.texts import clean
from pbrlsvr.languages.tags import locale
from pbrlsvr.responses.cue_patterns import any_of

# Hours from and to; what goes over midnight ends behind 24.
_Span = tuple[int, int]

# Of a language, or of all: the halves of the day, and what CLDR spells in another way.
_SPOKEN: dict[str, dict[str, _Span]] = {
    "": {"am": (0, 12), "a.m": (0, 12), "a. m": (0, 12), "pm": (12, 24), "p.m": (12, 24), "p. m": (12, 24)},
    "ar": {"عصرا": (15, 18), "مساء": (12, 24), "صباحا": (0, 12), "ليلا": (19, 30), "ظهرا": (12, 16), "فجرا": (3, 6)},
    "bn": {"বিকেল": (15, 18), "বিকালে": (15, 18), "সকালে": (6, 12), "সন্ধ্যায়": (18, 20), "রাত": (20, 30), "রাতে": (20, 30)},
    "th": {"เย็น": (16, 20), "เช้า": (5, 12)},
}
_TWELVE = {"noon": 12, "midnight": 0}
_AROUND = {"am": (0, 12), "pm": (12, 24), "noon": (11, 14), "midnight": (23, 26)}
_TWELVE_TOO = {
    "en": (("noon", "midday"),),
    "sw": (("noon", "saa sita mchana"), ("midnight", "saa sita usiku")),
    "tr": (("noon", "öğlen"),),
    "zh": (("noon", "正午"),),
}
# "Saa 3" is nine: the hours of the day and of the night are counted from six.
_FROM_SIX = {"sw": re.compile(r"\bsaa ")}
_HALF = re.compile(r"[ap]\.? ?m\.?")
_VOWELS = dict.fromkeys(range(0x64B, 0x653))


def hour_of_day(hour: int, text: str, language: str) -> int | None:
    """The hour of the day that an hour up to twelve is by the part of the day that a text names; None where it names
    none, or two that say different things.

    >>> hour_of_day(9, "9 de la noche", "es"), hour_of_day(12, "12 de la noche", "es"), hour_of_day(9, "9 h", "fr")
    (21, 0, None)
    >>> hour_of_day(3, "saa 3 usiku", "sw"), hour_of_day(3, "saa 3 mchana", "sw"), hour_of_day(3, "3 mchana", "sw")
    (21, 15, 15)
    """
    lower = text.casefold().translate(_VOWELS)
    spans: set[_Span] = set()
    for part, of_part in _parts(language):
        if part.search(lower):
            # "Po południu", the afternoon, has the noon in it.
            lower, spans = part.sub(" ", lower), spans | of_part
    if not spans or hour > 12:
        return None
    if language in _FROM_SIX and _FROM_SIX[language].search(text.casefold()):
        for way in ((hour + 6) % 24, (hour + 18) % 24):
            if _is_within(way, spans, 1):
                return way
    ways = (hour % 12, hour % 12 + 12)
    within = [way for way in ways if _is_within(way, spans)]
    if within:
        return within[0] if len(within) == 1 else None
    if hour == 12:
        return 12 * all(begin >= 12 for begin, _ in spans)
    return min(ways, key=lambda way: min(abs((2 * way - begin - end + 24) % 48 - 24) for begin, end in spans))


def _is_within(hour: int, spans: set[_Span], margin: int = 0) -> bool:
    return any(begin - margin <= one < end + margin for begin, end in spans for one in (hour, hour + 24))


def twelve(text: str, lead: str, language: str) -> int | None:
    """12 for noon and 0 for midnight, where a text is nothing but their name and what `lead` matches before it.

    >>> twelve("at noon", "at ", "en"), twelve("minuit", "", "fr"), twelve("at nine", "at ", "en")
    (12, 0, None)
    """
    lower = text.casefold().translate(_VOWELS)
    return next((hour for names, hour in _names_of_twelve(lead, language) if names.fullmatch(lower)), None)


def without_parts(text: str, language: str) -> str:
    """A text in lower case without the words for the parts of the day."""
    return any_of(_names(language)).sub(" ", text.translate(_VOWELS))


@lru_cache(maxsize=64)
def _names_of_twelve(lead: str, language: str) -> list[tuple[re.Pattern[str], int]]:
    known = {pair for code in (language, "en") for pair in (*_periods(code), *_TWELVE_TOO.get(code, ()))}
    found = []
    for part, hour in _TWELVE.items():
        names = "|".join(re.escape(name) for one, name in sorted(known) if one == part)
        found.append((re.compile(rf"\W*(?:[^\W\d_]{{1,3}} |{lead})?(?:12 ?)?(?:{names})(?: ?12)?\W*"), hour))
    return found


@lru_cache(maxsize=512)
def _parts(language: str) -> list[tuple[re.Pattern[str], set[_Span]]]:
    """What a part of the day is called, longer names first, and when it is."""
    return [(any_of([name]), spans) for name, spans in sorted(_names(language).items(), key=lambda one: -len(one[0]))]


@lru_cache(maxsize=512)
def _names(language: str) -> dict[str, set[_Span]]:
    """The hours of what has a name: "du matin" is of the morning and of the night."""
    rules = locale(language).day_period_rules
    hours = {part: spans[0] for part, spans in rules.get(None, rules).items()}
    found = {name: {span} for code in ("", language) for name, span in _SPOKEN.get(code, {}).items()}
    for part, name in _periods(language):
        if part in _AROUND:
            found.setdefault(name, set()).add(_AROUND[part])
        elif "from" in hours.get(part, {}):
            begin, end = hours[part]["from"] // 3600, hours[part]["before"] // 3600
            end += 24 * (end <= begin)
            # A night that begins in the evening goes over midnight.
            found.setdefault(name, set()).add((begin, max(end, 30 * (part[:5] == "night" and begin >= 18))))
    return found


def _periods(language: str) -> set[tuple[str, str]]:
    """CLDR's parts of the day with what a language calls them; "am" is German for "at the", and read elsewhere."""
    periods = locale(language).day_periods
    return {
        (part, name)
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for part, written in periods.get(context, {}).get(width, {}).items()
        if (name := clean(written).casefold().translate(_VOWELS)) and not _HALF.fullmatch(name)
    }
