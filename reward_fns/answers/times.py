"""The time of day that an answer states: "3:45 PM", "15:45 Uhr", 下午3点45分, "বিকাল ৩:৪৫"."""

import re
from functools import lru_cache

from pbrlsvr.answers.changes import is_changed
from pbrlsvr.answers.day_parts import hour_of_day, twelve, without_parts
from pbrlsvr.answers.spelled import in_digits
from pbrlsvr.responses.clock import as_digits
from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.words import word_sections

# 3:45 PM, 15:45 Uhr, 15h45, 15時45分, 오후 3시 45분, 3 p.m.; not 3:4, a ratio.
_TIME = re.compile(
    r"(?P<before>\b[ap]\.? ?m\.?|下午|午後|오후|晚上|上午|午前|오전|早上|凌晨|夜の?|夕方の?|朝の?|傍晚|저녁|아침)? ?"
    r"(?P<at>\bkl\.? ?)?"
    # Beside 18.30 these say that it is a time; beside 18 they may count hours, or something else.
    r"(?:(?P<near>\b(?:kello|klo(?:ckan|kken)?|at|um|om|alle|ore|ora|à|às|as|o|godz\.|godzinie|ve|v|о|в|у|ob|saat|pukul|jam|lúc|saa)"
    r"|เวลา|ساعت|الساعة|בשעה|klukkan) ?)?(?<![\d:.,])(?P<hour>[01]?\d|2[0-4]) ?"
    r"(?:(?:(?:uhr|heures?|uur)(?= ?[0-5]\d(?!\d))|[:時时点點시h]|giờ|টা|টায়|बजकर|बजे|(?P<dot>\.))"
    r"(?: ?(?P<minute>[0-5]\d|\d(?= ?[分분]))(?:[:.]00)? ?(?:[分分m]|phút|মিনিট[^\s\d]*|मिनट)?)?)?(?![\d:,])"
    r" ?(?P<after>[ap]\.? ?m(?:\b\.?|\Z))?(?P<clock> ?(?:(?P<o_clock>uhr|o'clock)|heures?|h|час\w*|godz\.?|hodin))?"
    r"(?P<beside>['’][td][ea]\b| ?(?:uur|น\.?|ura|ч\.?)(?!\w))?",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"\A\W*([01]?\d|2[0-4])\.([0-5]\d)\W*\Z")
_LATE = ("p", "下", "午後", "오후", "晚", "夜", "夕", "傍", "저")
# "3 ทุ่ม" is nine in the evening, ตี 3 three in the night.
_THAI_NIGHT = re.compile(r"\A\W*(?:(?P<evening>[1-5]) ?ทุ่ม|ตี ?(?P<night>[1-5]))\W*\Z")
_END = r"\Z"
# "21 o'clock sharp", 21点钟, 21時です
_NOTHING_MORE = re.compile(
    r"(?:\W|_)*(?:(?:o'clock|sharp|exactly|en punto|em ponto|pile|précises?|in punto|genau|exakt|ровно|punkt|تماما"
    r"|钟|鐘|整|정각|です|だ|である|に|입니다|이다|에|an? der|ng|am|at|in the|de la|de|da|di|du|des?|på|om|في|کے|को|में)"
    r"(?:\W|_)*){0,3}"
)


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
    >>> read_time("21 h", "fr", asked=True), read_time("saa 3 usiku", "sw", asked=True), read_time("noon")
    ((21, 0), (21, 0), (12, 0))
    """
    text = as_digits(text)
    before, _ = _clock(language)
    if (hour := twelve(text, before.pattern.removesuffix(_END), language)) is not None:
        return hour, 0
    if asked:
        text = _DOTTED.sub(r"\1:\2", text)
    found = [
        match
        for match in _TIME.finditer(text)
        if any(match[part] for part in ("before", "at", "minute", "after", "o_clock"))
    ]
    if not found and asked:
        return _full_hour(text, language)
    if not found or len(re.findall(r"\d+", text)) > 3 * len(found):
        return None
    if asked and is_changed(text, [(time.start("hour"), time.end()) for time in found], language):
        return None
    # "4:20 PM (16:20)" says it twice.
    times = {_read(time, text, language) for time in found}
    return times.pop() if len(times) == 1 else None


def _read(time: re.Match[str], text: str, language: str) -> tuple[int, int] | None:
    half = (time["before"] or time["after"] or "").lower()
    hour = int(time["hour"])
    named = hour % 12 + 12 * half.startswith(_LATE) if half and hour <= 12 else hour_of_day(hour, text, language)
    if time["dot"] and not (half or time["at"] or time["clock"] or time["near"] or time["beside"]) and named is None:
        return None
    return (hour if named is None else named) % 24, int(time["minute"] or 0)


def _full_hour(text: str, language: str) -> tuple[int, int] | None:
    """An hour alone, beside a word of the clock or a part of the day: "las 21", "9 Uhr abends", 晚上9点."""
    lower = (text if re.search(r"\d", text) else in_digits(text, language, whole=False) or "").casefold()
    numbers = list(re.finditer(r"\d+", lower))
    if len(numbers) != 1 or (hour := int(numbers[0][0])) > 24 or is_changed(lower, [numbers[0].span()], language):
        return None
    if language == "th" and (said := _THAI_NIGHT.match(lower)):
        return int(said["night"] or 18 + int(said["evening"])), 0
    before, behind = _clock(language)
    begin, end = numbers[0].span()
    if re.search(r"(?:\A|\s)[-−+]\Z", lower[:begin]):
        return None
    clock, named = behind.match(lower, end), hour_of_day(hour, lower, language)
    if not (clock or before.search(lower[:begin])) and named is None:
        return None
    rest = without_parts(lower[clock.end() if clock else end :], language)
    return ((hour if named is None else named) % 24, 0) if _NOTHING_MORE.fullmatch(rest) else None


@lru_cache(maxsize=64)
def _clock(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What may stand before a full hour, and behind it."""
    words = [word for code in {language, "en"} for word in word_sections("concluded_times")["clock"].get(code, ())]
    before = any_of(word for word in words if word[0] != "~").pattern
    behind = any_of(word[1:] for word in words if word[0] == "~").pattern
    return (
        re.compile(rf"(?:{before})[.:]? ?{_END}"),
        re.compile(rf" ?-?(?:{behind})(?![間间])(?:[^\s\d.,;:()]{{0,4}}(?![^\s\d.,;:()]))?"),
    )
