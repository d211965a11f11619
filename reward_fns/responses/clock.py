"""Times of day in a text: "3:45 PM", 下午3点45分, "15 Uhr 45", and in words: "half past three", "cinco y media"."""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

_HOURS = {
    "en": "one two three four five six seven eight nine ten eleven twelve",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "nl": "één/een twee drie vier vijf zes zeven acht negen tien elf twaalf",
    "es": "una dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "fr": "une deux trois quatre cinq six sept huit neuf dix onze douze",
    "it": "una due tre quattro cinque sei sette otto nove dieci undici dodici",
    "pt": "uma duas três quatro cinco seis sete oito nove dez onze doze",
    "sv": "ett två tre fyra fem sex sju åtta nio tio elva tolv",
    "da": "et to tre fire fem seks syv otte ni ti elleve tolv",
    "fi": "yksi/yhdeltä kaksi/kahdelta kolme/kolmelta neljä/neljältä viisi/viideltä kuusi/kuudelta "
    "seitsemän/seitsemältä kahdeksan/kahdeksalta yhdeksän/yhdeksältä kymmenen/kymmeneltä yksitoista/yhdeltätoista "
    "kaksitoista/kahdeltatoista",
    "hu": "egy/egykor kettő/kettőkor három/háromkor négy/négykor öt/ötkor hat/hatkor hét/hétkor nyolc/nyolckor"
    " kilenc/kilenckor tíz/tízkor tizenegy/tizenegykor tizenkettő/tizenkettőkor",
    "ar": "الواحدة الثانية الثالثة الرابعة الخامسة السادسة السابعة الثامنة التاسعة العاشرة الحادية-عشرة الثانية-عشرة",
    "he": "אחת שתיים שלוש ארבע חמש שש שבע שמונה תשע עשר אחת-עשרה שתים-עשרה",
    "hi": "एक दो तीन चार पाँच/पांच छह/छः सात आठ नौ दस ग्यारह बारह",
    "bn": "একটা/একটায় দুটো/দুইটা/দুটোয় তিনটা/তিনটে/তিনটায় চারটা/চারটে/চারটায় পাঁচটা/পাঁচটায় ছয়টা/ছটা/ছয়টায়"
    " সাতটা/সাতটায় আটটা/আটটায় নয়টা/নটা/নয়টায় দশটা/দশটায় এগারোটা/এগারোটায় বারোটা/বারোটায়",
}
# Language -> what stands before the hour, behind it, and the minutes from it.
_SAID = {
    "en": (
        ("half past ", "", 30),
        ("(?:a )?quarter past ", "", 15),
        ("(?:a )?quarter (?:to|of) ", "", -15),
        ("", "(?= in the (?:morning|afternoon|evening)| at night)", 0),
    ),
    "de": (("halb ", "", -30), ("viertel nach ", "", 15), ("viertel vor ", "", -15)),
    "nl": (("half ", "", -30), ("kwart over ", "", 15), ("kwart voor ", "", -15)),
    "es": (
        ("las? ", " y media", 30),
        ("las? ", " y cuarto", 15),
        ("las? ", " menos cuarto", -15),
        ("las? ", "(?= en punto| de la (?:tarde|mañana|noche))", 0),
    ),
    "fr": (("", " heures? et demie", 30), ("", " heures? et quart", 15), ("", " heures? moins le quart", -15)),
    "it": (
        ("(?:alle |le |all')", " e mezz[ao]", 30),
        ("(?:alle |le |all')", " e un quarto", 15),
        ("(?:alle |le |all')", " meno un quarto", -15),
    ),
    "pt": (("[aà]s? ", " e meia", 30), ("quinze para [aà]s? ", "", -15), ("um quarto para [aà]s? ", "", -15)),
    "sv": (("halv ", "", -30), ("kvart över ", "", 15), ("kvart i ", "", -15)),
    "da": (("halv ", "", -30), ("kvart over ", "", 15), ("kvart i ", "", -15)),
    "fi": (("puoli ", "", -30), ("vartin yli ", "", 15), ("varttia vaille ", "", -15)),
    "hu": (("fél ", "", -30), ("negyed ", "", -45), ("háromnegyed ", "", -15)),
    "ar": (
        ("", " والنصف", 30),
        ("", " والربع", 15),
        ("", " إلا (?:الربع|ربع[\u064bا]{0,2})", -15),
        ("الساعة ", "", 0),
        ("", "(?= (?:صباح|مساء|عصر|ظهر|ليل|فجر|بعد الظهر))", 0),
    ),
    "he": (("", " וחצי", 30), ("", " ורבע", 15), ("ב?רבע ל-?", "", -15)),
    "hi": (("साढ़े ", " बजे", 30), ("सवा ", " बजे", 15), ("पौने ", " बजे", -15)),
    "bn": (("সাড়ে ", "", 30), ("সোয়া ", "", 15), ("পৌনে ", "", -15)),
}
#: A time of day in digits: what has a colon or the like between its numbers, or a word of the clock beside them.
IN_DIGITS = re.compile(
    r"(?<![\d:.,])(?:[01]?\d|2[0-4])(?:\s?:\s?[0-5]\d(?::00)?(?:\s?[ap]\.?\s?m\b\.?)?(?![\d:])"
    r"|\s?[ap](?:m\b|\.\s?m\.)"
    r"|\s?(?:h|uhr|heures?|uur|giờ)\s?[0-5]\d(?!\d)(?!\s?[-+*/=])|\suhr\b"
    r"|\s?[時时点點시]\s?[0-5]?\d\s?[分분]|\.[0-5]\d(?=\s?(?:uhr|uur|น(?:\.|\Z))|['’][td][ea]\b))"
    r"|(?:(?<=saat )|(?<=pukul )|(?<=jam )|(?<=kello )|(?<=klo )|(?<=alle )|(?<=godz\. ))"
    r"(?:[01]?\d|2[0-3])[.:][0-5]\d(?![\d.]\d)",
    re.IGNORECASE,
)

# 三点四十分, 3点半, 午後2時半, 两点一刻; and not 三点五, which is a number.
_HAN = "〇一二三四五六七八九"
_HAN_TIME = re.compile(
    r"(?P<hour>[一二两兩三四五六七八九十]{1,3}|(?<!\d)(?:1?\d|2[0-4]))\s?[点點時时시]\s?"
    r"(?:(?P<half>半|반)|(?P<quarter>[一三])刻|(?P<minute>[零〇][一二三四五六七八九]|[二三四五]?十[一二三四五六七八九]?)分?)"
)


class Time(NamedTuple):
    """A time of day at `[begin, end)` of a text."""

    begin: int
    end: int


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, int], int]]:
    made = []
    for code, ways in _SAID.items():
        names = {
            _fold(name).replace("-", " "): hour
            for hour, names in enumerate(_HOURS[code].split(" "), 1)
            for name in names.split("/")
        }
        any_name = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        for before, behind, minutes in ways:
            hour = rf"(?P<hour>{any_name}|(?:1[0-2]|[1-9])(?!\d))"
            pattern = rf"(?<!\w){_fold(before)}{hour}{_fold(behind)}(?![^\W\d_])"
            made.append((re.compile(pattern), names, minutes))
    return made


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def in_words(lower: str) -> list[Time]:
    """Where a text in lower case says a time of day in words.

    >>> in_words("she leaves at half past three")
    [Time(begin=14, end=29)]
    """
    found = {Time(*said.span()) for pattern, _, _ in _patterns() for said in pattern.finditer(lower)}
    found |= {Time(*said.span()) for said in _HAN_TIME.finditer(lower)}
    return sorted(one for one in found if not any(_holds(other, one) for other in found if other != one))


def _holds(outer: Time, inner: Time) -> bool:
    return outer.begin <= inner.begin and inner.end <= outer.end


def as_digits(text: str) -> str:
    """A text in which times in words stand in digits, up to twelve.

    >>> as_digits("las cinco y media de la tarde"), as_digits("um Viertel vor vier"), as_digits("half an hour")
    ('5:30 de la tarde', 'um 3:45', 'half an hour')
    """
    # Most texts that are asked for are numbers.
    if not any(map(str.isalpha, text)):
        return text
    if (changed := _HAN_TIME.sub(_from_han, text)) != text:
        return changed
    lower = _fold(text)
    for pattern, names, minutes in _patterns():

        def written(said: re.Match[str], names: dict[str, int] = names, minutes: int = minutes) -> str:
            hour = names.get(said["hour"]) or int(said["hour"])
            hour, minute = divmod(hour * 60 + minutes, 60)
            return f"{hour or 12}:{minute:02}"

        changed = pattern.sub(written, lower)
        if changed != lower:
            return changed
    return text


def _from_han(said: re.Match[str]) -> str:
    minute = 30 if said["half"] else 15 * _han(said["quarter"]) if said["quarter"] else _han(said["minute"])
    return f"{_han(said['hour'])}:{minute:02}"


def _han(numeral: str) -> int:
    """A numeral below a hundred: 四十五, 零五, 两, 12."""
    if numeral.isdecimal():
        return int(numeral)
    tens, ten, units = numeral.translate(str.maketrans("零两兩", "〇二二")).rpartition("十")
    return (_HAN.index(tens or "一") * 10 if ten else 0) + (_HAN.index(units[-1]) if units else 0)


def times_of_day(text: str, lower: str) -> list[Time]:
    """Where the times of day of a text stand, in digits and in words."""
    ascii_digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    digits = [Time(*found.span()) for found in IN_DIGITS.finditer(ascii_digits)]
    words = in_words(lower)
    return sorted([*words, *(one for one in digits if not any(_holds(word, one) for word in words))])
