"""The time of day that an answer states: "3:45 PM", "15:45 Uhr", 下午3点45分, "বিকাল ৩:৪৫"."""

import re
from functools import lru_cache

from pbrlsvr.answers.texts import clean
from pbrlsvr.languages.tags import locale
from pbrlsvr.responses.clock import as_digits

# 3:45 PM, 15:45 Uhr, 15h45, 15時45分, 오후 3시 45분, 3 p.m.; not 3:4, a ratio.
_TIME = re.compile(
    r"(?P<before>\b[ap]\.? ?m\.?|下午|午後|오후|晚上|上午|午前|오전|早上|凌晨|夜の?|夕方の?|朝の?|傍晚|저녁|아침)? ?"
    r"(?P<at>\bkl\.? ?)?"
    # Beside 18.30 these say that it is a time; beside 18 they may count hours, or something else.
    r"(?:(?P<near>\b(?:kello|klo(?:ckan|kken)?|at|um|om|alle|ore|ora|à|às|as|o|godz\.|godzinie|ve|v|о|в|у|ob|saat|pukul|jam|lúc|saa)"
    r"|เวลา|ساعت|الساعة|בשעה|klukkan) ?)?(?<![\d:.,])(?P<hour>[01]?\d|2[0-4]) ?"
    r"(?:(?:(?:uhr|heures?|uur)(?= ?[0-5]\d(?!\d))|[:時时点點시h]|giờ|টা|টায়|बजकर|बजे|(?P<dot>\.))"
    r"(?: ?(?P<minute>[0-5]\d|\d(?= ?[分분]))(?:[:.]00)? ?(?:[分分m]|phút|মিনিট[^\s\d]*|मिनट)?)?)?(?![\d:,])"
    r" ?(?P<after>[ap]\.? ?m(?:\b\.?|\Z))?(?P<clock> ?(?:uhr|heures?|h|o'clock|час\w*|godz\.?|hodin))?"
    r"(?P<beside>['’][td][ea]\b| ?(?:uur|น\.?|ura|ч\.?)(?!\w))?",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"\A\W*([01]?\d|2[0-4])\.([0-5]\d)\W*\Z")
_LATE = ("p", "下", "午後", "오후", "晚", "夜", "夕", "傍", "저")
_NOON = 12 * 3600
# "Saa 9 mchana" is three in the afternoon: its hours begin at six.
_OTHER_HOURS = ("sw",)
# What CLDR spells in another way, and whether it is behind noon.
_SPOKEN = {"bn": {"বিকেল": True}}


def read_time(text: str, language: str = "en", asked: bool = False) -> tuple[int, int] | None:
    """The time of day that a cleaned text states, as hour and minute; None for anything else.

    Args:
        text: as `pbrlsvr.answers.texts.clean` leaves it.
        language: whose words for the parts of the day are read, from CLDR ("3:45 de la tarde").
        asked: whether a time is asked for, so that "10.05", with nothing beside it, is none but five past ten.

    >>> read_time("3:45 PM"), read_time("15:45 Uhr"), read_time("下午3点45分"), read_time("3:4")
    ((15, 45), (15, 45), (15, 45), None)
    >>> read_time("3:45 de la tarde", "es"), read_time("3:45 ночи", "ru")
    ((15, 45), (3, 45))
    """
    text = as_digits(text)
    if asked:
        text = _DOTTED.sub(r"\1:\2", text)
    found = [
        match
        for match in _TIME.finditer(text)
        if any(match[part] for part in ("before", "at", "minute", "after", "clock"))
    ]
    if not found or len(re.findall(r"\d+", text)) > 3 * len(found):
        return None
    # "4:20 PM (16:20)" says it twice.
    times = {_read(time, text, language) for time in found}
    return times.pop() if len(times) == 1 else None


def _read(time: re.Match[str], text: str, language: str) -> tuple[int, int] | None:
    half = (time["before"] or time["after"] or "").lower()
    if time["dot"] and not (half or time["at"] or time["clock"] or time["near"] or time["beside"]):
        return None
    hour = int(time["hour"])
    if hour <= 12:
        is_late = half.startswith(_LATE) if half else _is_late(text, hour, language)
        if is_late is not None:
            hour = hour % 12 + 12 * is_late
    return hour % 24, int(time["minute"] or 0)


def _is_late(text: str, hour: int, language: str) -> bool | None:
    """Whether the part of the day that a text names makes an hour up to twelve one of the afternoon; None without."""
    named = {late for part, late in _parts_of_the_day(language) if part.search(text.casefold())}
    if len(named) != 1:
        return None
    late = named.pop()
    # A night goes over midnight.
    return 6 <= hour < 12 if late is None else late


@lru_cache(maxsize=512)
def _parts_of_the_day(language: str) -> list[tuple[re.Pattern[str], bool | None]]:
    """CLDR's words of a language, and whether they are behind noon; None for the night."""
    if language in _OTHER_HOURS:
        return []
    known = locale(language)
    begins = {part: spans[0] for part, spans in known.day_period_rules.get(None, known.day_period_rules).items()}
    found: dict[str, bool | None] = dict(_SPOKEN.get(language, {}))
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for part, name in known.day_periods.get(context, {}).get(width, {}).items():
                span = begins.get(part, {})
                if "from" in span:
                    found[clean(name).casefold()] = None if part.startswith("night") else span["from"] >= _NOON
    return [(re.compile(rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])"), late) for name, late in found.items() if name]
