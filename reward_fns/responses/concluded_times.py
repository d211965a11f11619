"""The time of day that a sentence concludes: "The ride takes 85 minutes, so the train is in at 3:45 PM."

Other times and durations may stand before the word that concludes: they are what it was made of. Behind it stands one
time of day, and no other number.
"""

import re
from functools import cache

from pbrlsvr.responses.clock import times_of_day
from pbrlsvr.responses.cue_patterns import any_of
from pbrlsvr.responses.cues import CUES
from pbrlsvr.responses.therefore import therefores
from pbrlsvr.responses.values import NUMBER_RUN
from pbrlsvr.responses.word_sections import word_sections

# Words inside a sentence that say "so" or "since" beside a time of day, where `[therefore]` has none, or only words
# that are too common elsewhere.
_INSIDE = {
    "ar": ("فإنه*", "فإن", "لذا", "ولذلك"),
    "bn": ("ফলে", "তাই"),
    "cs": ("tudíž", "takže", "proto"),
    "de": ("also", "d. h.", "sodass", "so dass"),
    "en": ("so", "meaning"),
    "es": ("luego", "así que", "por lo que", "entonces"),
    "fa": ("پس", "بنابراین"),
    "fi": ("joten",),
    "fr": ("donc", "alors"),
    "he": ("ולכן", "לכן"),
    "hi": ("तो", "इसलिए"),
    "hu": ("ezért", "így"),
    "id": ("sehingga", "maka", "jadi"),
    "it": ("per cui", "quindi"),
    "ja": ("ので", "ですから", "だから", "ため、", "から、"),
    "ko": ("므로", "니까", "때문에", "어서 "),
    "nl": ("dus",),
    "pl": ("to", "więc", "zatem"),
    "pt": ("então", "logo", "portanto", "por isso"),
    "ro": ("așa că", "deci"),
    "ru": ("поэтому", "значит", "следовательно"),
    "sv": ("så",),
    "sw": ("hivyo", "kwa hiyo", "basi"),
    "ta": ("*ததால்", "எனவே"),
    "te": ("కాబట్టి", "కనుక"),
    "th": ("จึง", "ดังนั้น"),
    "tr": ("göre", "için", "bu yüzden", "dolayısıyla"),
    "uk": ("тому", "отже"),
    "vi": ("nên", "vì vậy", "do đó"),
    "zh": ("所以", "因此", "也就是", "故"),
}
# Words so common that they conclude only behind a comma.
_BEHIND_A_COMMA = ("en", "pl", "sv", "hi", "hu", "de", "fr", "ar", "bn", "fa")


def concluded_time(
    sentence: str, lower: str, lead: int
) -> tuple[tuple[str, ...], int, tuple[int, int], int] | None:
    """The languages in which a sentence concludes with a time of day, where it goes on behind the word that concludes,
    the place of the time, and where the answer begins; None where it has none, or more numbers.

    >>> said = "it leaves at 2:20 pm, so it is in at 3:45 pm"
    >>> concluded_time(said, said, 0)[2:]
    ((37, 44), 24)
    """
    times = times_of_day(sentence, lower)
    if not times:
        return None
    begin, end = times[-1]
    ends: dict[str, int] = {}
    for code, words in therefores().items():
        first, inside = words.at_first.match(lower, lead), _inside(code)
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
    return tuple(ends), after, (begin, end), after


@cache
def _inside(code: str) -> re.Pattern[str]:
    words = _INSIDE.get(code, ()) if code in CUES else ()
    comma = r"(?<=[,;،，] )" if code in _BEHIND_A_COMMA else ""
    more = [word.rstrip("~") for word in word_sections("scopes")["therefore"].get(code, ()) if len(word) > 2]
    return re.compile(rf"{comma}(?:{any_of(words).pattern})|(?<=[,;،，] )(?:{any_of(more).pattern})")
