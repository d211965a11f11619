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
# "After 3:45 PM", "3:45 PM at the earliest", 15時45分まで: a bound, and no time of day; "~" before those that stand behind.
_BOUNDS = {
    "ar": "قبل بعد حتى",
    "bn": "~আগে ~পরে ~পর ~মধ্যে",
    "bg": "преди след до",
    "cs": "před po do nejpozději nejdříve",
    "da": "før efter inden",
    "de": "vor nach bis seit spätestens frühestens gegen",
    "en": "after before until till past since between ~or ~at_the_earliest ~at_the_latest ~or_later ~or_earlier",
    "es": "antes_de después_de hasta desde ~como_muy_tarde ~como_máximo ~como_mínimo ~o_antes ~o_después",
    "fa": "قبل_از بعد_از تا پیش_از",
    "fi": "ennen jälkeen ~jälkeen ~mennessä ~asti",
    "fr": "avant après jusqu'à dès vers ~au_plus_tard ~au_plus_tôt",
    "he": "לפני אחרי עד",
    "hi": "~से_पहले ~के_बाद ~तक",
    "hu": "~előtt ~után ~ig",
    "id": "sebelum setelah sesudah sampai hingga",
    "it": "prima_delle dopo_le entro fino_alle ~al_più_tardi ~al_più_presto prima_di",
    "ja": "~まで ~以降 ~以前 ~前 ~より ~過ぎ ~頃 ~ごろ",
    "ko": "~까지 ~이후 ~이전 ~전 ~후 ~쯤 ~넘",
    "nl": "voor na tot vóór uiterlijk vanaf",
    "pl": "przed po do najpóźniej najwcześniej",
    "pt": "antes_das depois_das após até antes_da depois_da ~no_máximo",
    "ro": "înainte_de după până",
    "ru": "до после перед ~не_позднее",
    "sv": "före efter innan till",
    "sw": "kabla_ya baada_ya hadi",
    "ta": "~முன் ~பிறகு ~வரை ~க்கு_முன் ~க்குப்_பிறகு",
    "te": "~లోపు ~తర్వాత ~ముందు ~వరకు",
    "th": "ก่อน หลัง",
    "tr": "~önce ~sonra ~kadar ~geç ~den_sonra",
    "uk": "до після перед",
    "vi": "trước sau",
    "zh": "~之前 ~以前 ~之后 ~以后 ~前 ~后 ~左右 ~之後 ~以後",
}
# What may stand between a bound and its time, and between a time and its bound.
_BETWEEN = r"\s?(?:[^\W\d_]{1,6}\.?\s)?"
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
    if any(_is_bounded(lower, after, begin, end, code) for code in ends):
        return None
    return tuple(ends), after, (begin, end), after


def bounds_a_time(sentence: str, lower: str, number: tuple[int, int], codes: tuple[str, ...]) -> bool:
    """Whether a number is a time of day that a word of some languages bounds: "after 3:45 PM"."""
    times = [time for time in times_of_day(sentence, lower) if time.begin <= number[0] < time.end]
    return any(_is_bounded(lower, 0, *time, code) for time in times for code in codes)


def _is_bounded(lower: str, after: int, begin: int, end: int, code: str) -> bool:
    before, behind = _bounds(code)
    return bool(before.search(lower[after:begin]) or behind.match(lower, end))


@cache
def _bounds(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What bounds a time of day, before it and behind it."""
    words = [word.replace("_", " ") for word in _BOUNDS.get(code, "").split()]
    ahead = any_of(word for word in words if word[0] != "~").pattern
    # Endings are written to the time: "3:45లోపు", "11:30'dan önce".
    later = "|".join(re.escape(word[1:]) for word in words if word[0] == "~") or "(?!)"
    return re.compile(rf"(?:{ahead}){_BETWEEN}\Z"), re.compile(rf"['’]?[^\W\d_]{{0,5}}\s?(?:{later})")


@cache
def _inside(code: str) -> re.Pattern[str]:
    words = _INSIDE.get(code, ()) if code in CUES else ()
    comma = r"(?<=[,;،，] )" if code in _BEHIND_A_COMMA else ""
    more = [word.rstrip("~") for word in word_sections("scopes")["therefore"].get(code, ()) if len(word) > 2]
    return re.compile(rf"{comma}(?:{any_of(words).pattern})|(?<=[,;،，] )(?:{any_of(more).pattern})")
