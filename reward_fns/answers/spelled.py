"""Numbers in words, as digits: "eighteen", "tres millones", "einundachtzig", "साढ़े तीन", "ยี่สิบห้า", "three quarters".

The words of the answer's language and of English stand in `spelled.txt`; a word may be several of them put together,
and words that multiply come from `scales` too. The words become digits in their place, so that what stands beside
them (a sign, a unit, "at least", "and a half") is read as beside digits.
"""

import re
import unicodedata
from collections.abc import Iterator
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from pbrlsvr.answers.parts import AND_A_HALF, PARTS, with_parts
from pbrlsvr.answers.scales import factor_of
from pbrlsvr.words import word_table

_MOST_WORDS, _LONGEST_WORD, _MOST_OTHERS = 16, 60, 3
_WORD = re.compile(r"[^\s\d.,٫;:!?()\[\]{}\"“”«»/\\|+*=<>^%$€£¥₹₽₩฿。，、।؟-]+(?:-[^\W\d_]+)*")
_ARABIC = str.maketrans("أإآىةʼ’ʻ‘şţ", "اااي" + "ه''''șț", "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652")
# Where the multiplier comes first, "elfu tano"; and words that are written together with what they count.
_SCALE_FIRST, _SPACELESS = ("sw", "yo"), ("km", "lo", "my", "th")
_SAME = {"fil": "tl", "nb": "no", "nn": "no"}
# "einundzwanzig"
_UNIT_FIRST = ("af", "ar", "cs", "da", "de", "nl", "sl")
# "Soixante-quinze", "hogeita hamar"
_TWENTIES = {"fr": (60, 80), "eu": (20, 40, 60, 80), "ka": (20, 40, 60, 80)}
# "Three over four"; Turkish says "in four three", Swahili "quarters three".
_OVER = {"vi": " phần ", "hi": " बटा ", "id": " per ", "ms": " per "}
_PARTS_FIRST = {
    "tr": re.compile(r"\W*(üç|dört|beş|altı|yedi|sekiz|dokuz|on|yüz|bin)[td][ea] (\w+)\W*", re.IGNORECASE),
    "sw": re.compile(r"\W*(robo|theluthi) (\w+)\W*", re.IGNORECASE),
}
_COUNTERS = {"bn": ("টি", "টা", "জন", "খানা")}
_PERCENT = re.compile(r"(?:per|por|pour) ?cento?\b|por s?c?i[ey]+nto\b|phần trăm", re.IGNORECASE)
# "one-third"
_BEFORE_PART = re.compile(rf"-(?=(?:{'|'.join(PARTS)})\Z)", re.IGNORECASE)
_NO_HUNDREDS = re.compile(r"không trăm(?: (?:lẻ|linh))?", re.IGNORECASE)
_AN_HOUR_AND = re.compile(r"\Aan? (?=[a-z]+ and a half\b)", re.IGNORECASE)
_BEHIND = re.compile(r"(?<=[0-9])[ -]([^\W\d_][^\s.,]*)")
_AND_ONE_HALF = re.compile(r"(?:(?<=\band )one[ -]|(?:(?<=\boch )|(?<=\bog ))e(?:n|tt?) )(?=hal[fv])", re.IGNORECASE)
_BESIDE, _ARTICLES, _ALONE, _APART = (frozenset(word_table("spelled")[key]) for key in "-1=!")
_HALVES = frozenset(word.replace("_", " ") for word in word_table("spelled")[".5"])
# "Half a million", "media docena", "полмиллиона": what multiplies must follow.
_HALF_OF = re.compile(
    rf"(?:(?:{'|'.join(sorted(_ARTICLES))}|het) )?(?:{'|'.join(sorted(_HALVES, key=len, reverse=True))})"
    r"(?: (?:an?|de|di) |[- ]?)(?P<scale>[^\W\d_][^\s\d.,;:()=]+)",
    re.IGNORECASE,
)
# Behind a number and its unit: "and a quarter", "и четверть", "وربع".
_AND = "and|und|et|y|e|и|і|та|с|з|i|a|en|ve|و|اور|और|एवं|आणि|এবং|మరియు|và|dan|at|na|och|og|ja|és|și|και"
_SOME_WORD = r"[^\W\d_][^\s\d.,;:()=]*"
_AND_MORE = re.compile(
    rf" ?(?:[^\W\d_][^\s\d.,;:()=]{{0,15}}\.? )?(?:(?:{_AND}) (?:(?:{'|'.join(sorted(_ARTICLES))}) )?|(?<= )[وו] ?)"
    rf"(?P<more>{_SOME_WORD}(?: {_SOME_WORD})?)",
    re.IGNORECASE,
)
_POINT = re.compile(rf" ?(?:{'|'.join(word_table('spelled')['.'])}) ?(?P<more>{_SOME_WORD})", re.IGNORECASE)


_ORDINAL = re.compile(
    rf"(?:[1-9]0+[ -](?:(?:{_AND}) )?(?:{'|'.join(word_table('spelled')['#'])})"
    rf"|[0-9][ -](?:(?:{_AND}) )?(?:{'|'.join(word_table('spelled')['##'])})"
    r"|(?<![^\W\d_])(?:ke[a-z]+|ال\w+) 10)(?![^\W\d_])",
    re.IGNORECASE,
)


class _Part(NamedTuple):
    """What a word adds to a number.

    Attributes:
        kind: "n", a number; "x", it multiplies; "+", it adds to the unit before it; "h", a half of that; "~", it adds
            to what follows; "&", it joins; "a", an article before a multiplier.
        value: the number.
    """

    kind: str
    value: Fraction


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_ARABIC)


@lru_cache(maxsize=64)
def _lexicon(language: str) -> dict[str, _Part]:
    """The words of a language, without hyphens."""
    found: dict[str, _Part] = {}
    place = 0
    for entry in word_table("spelled").get(_SAME.get(language, language), ()):
        key, _, words = entry.rpartition("=")
        kind = key[:1] if key[:1] in tuple("x+h~&a") and key else "n"
        value = Fraction((key.lstrip("x+h~&a") or 0) if key else place)
        place += not key
        found.update({_fold(word).replace("-", ""): _Part(kind, value) for word in words.split("/")})
    return found


def in_digits(text: str, language: str, whole: bool = True) -> str | None:
    """A cleaned text without digits, with its number words as digits; None where it has none, or they make no number.

    Args:
        text: the text.
        language: its language; English words are read too.
        whole: whether nothing but a number, its sign and a percent sign may be there. Else a few other words may.

    >>> in_digits("three quarters", "en"), in_digits("minus tres millones", "es"), in_digits("no one", "en")
    ('3/4', 'minus 3000000', None)
    >>> in_digits("at least eighteen eggs", "en", whole=False), in_digits("seven years of war", "en")
    ('at least 18 eggs', None)
    """
    if any(character.isdecimal() for character in text):
        return None
    half = _HALF_OF.match(text := _NO_HUNDREDS.sub("lẻ", text))
    if half and factor_of(half["scale"])[0] not in (1, None):
        return f"0٫5 {text[half.start('scale') :]}"
    text = _BEFORE_PART.sub(" ", _PERCENT.sub("%", _AND_ONE_HALF.sub("", _AN_HOUR_AND.sub("one ", text))))
    return next((found for code in dict.fromkeys((language, "en")) if (found := _rewritten(text, code, whole))), None)


def goes_on(text: str, end: int, language: str) -> bool:
    """Whether a part or a number in words is added to the number that ends at `end`, or its decimals are in words.

    >>> [goes_on(text, 1, "en") for text in ("4 hours and a quarter", "5 dollars and thirty cents", "5 and a dog")]
    [True, True, False]
    >>> goes_on("5 point two", 1, "en"), goes_on("5 points", 1, "en")
    (True, False)
    """
    said = _POINT.match(text, end) or _AND_MORE.match(text, end)
    if said is None:
        return False
    more, _, behind = said["more"].casefold().partition(" ")
    if more in PARTS or behind in PARTS:
        return True
    values = (
        _evaluate(parts, code) for code in {language, "en"} if (parts := _parts_of(more, code, _lexicon(code))[0])
    )
    return any(value is not None and (value > 1 or said.re is _POINT) for value in values)


@lru_cache(maxsize=1024)
def _rewritten(text: str, language: str, whole: bool) -> str | None:
    words = list(_WORD.finditer(text))
    if not words or len(words) > _MOST_WORDS:
        return None
    if (said := text.casefold().strip(" .")) in _HALVES | _ALONE:
        return f"1/{PARTS[said] if said in _ALONE else 2}"
    if language in _PARTS_FIRST and (fraction := _parts_first(text, language)):
        return fraction
    pieces: list[str] = []
    position, most = 0, 0 if whole else _MOST_OTHERS
    for start, end, parts, rest in _runs(text, words, language):
        if pieces and parts[0].kind == "x" and len(parts) == 1:
            continue  # the thousand of "iki buçuk bin"
        between, after = text[position:start], text[end:]
        value = _evaluate(parts, language)
        if value is None or (value < 1 and not whole):
            return None
        most = min(most, 1) if value == 1 else most
        multiplier = (parts[-2:] if language in _SCALE_FIRST else parts[-1:])[0]
        if multiplier.kind == "x" and (half := AND_A_HALF.match(after)):
            # "two million and a half": the half is that of the million.
            value, end = value + multiplier.value / 2, end + half.end()
        pieces += [between, _written(value)]
        is_count = value.denominator == 1 and (value < 20 or value % 10 > 0 or after[-1:] == "s")
        if is_count and (part := after.strip(" .").casefold()) in PARTS:
            return f"{''.join(pieces)}/{PARTS[part]}"
        pieces += " " * bool(rest)
        position = end - len(rest)
    if not pieces:
        return _article_and_part(text)
    found = with_parts("".join([*pieces, text[position:]]).replace(_OVER.get(language, "/"), "/"))
    others = [word for word in _WORD.findall(_BEHIND.sub(_without_scale, found)) if word.casefold() not in _BESIDE]
    # "forty odd thousand": who knows how many.
    is_unclear = any(factor_of(word)[0] != 1 for word in others) or _ORDINAL.search(found) is not None
    tens = _WORD.findall(re.split("[0-9]", found, maxsplit=1)[0])[-2:]
    is_unclear = is_unclear or any(_is_misspelled(word, language) for word in tens)
    return None if is_unclear or len(others) > most or not _APART.isdisjoint(others) else found


@lru_cache(maxsize=64)
def _tens(language: str) -> list[str]:
    """The longer words of a language for 10 and more."""
    return [word for word, part in _lexicon(language).items() if part.value >= 10 and len(word) > 4]


def _is_misspelled(word: str, language: str) -> bool:
    """Whether a word before a number is nearly one for ten or more, or ends with one: "ninty two" is not 2."""
    folded = _fold(word).replace("-", "")
    tens = _tens(language)
    return len(folded) > 4 and (folded.endswith(tuple(tens)) or bool(get_close_matches(folded, tens, 1, 0.8)))


def _parts_first(text: str, language: str) -> str | None:
    """ "dörtte üç", "robo tatu": three quarters."""
    said = _PARTS_FIRST[language].fullmatch(text)
    if said is None:
        return None
    parts = PARTS.get(said[1].casefold()) or _rewritten(said[1], language, True)
    number = _rewritten(said[2], language, True)
    return number and parts and f"{number}/{parts}"


def _written(value: Fraction) -> str:
    """In digits: 18, 1٫50, 2/3."""
    if value.denominator == 1 or 100 % value.denominator:
        return str(value)
    return f"{int(value)}٫{int(value % 1 * 100):02}"


def _without_scale(behind: re.Match[str]) -> str:
    return behind[0] if factor_of(behind[1])[0] == 1 else ""


def _article_and_part(text: str) -> str | None:
    """ "a third", "un tercio" """
    words = text.casefold().strip(" .").split()
    if len(words) == 2 and words[0] in _ARTICLES and words[1] in PARTS:
        return f"1/{PARTS[words[1]]}"
    return None


def _runs(text: str, words: list[re.Match[str]], language: str) -> Iterator[tuple[int, int, list[_Part], str]]:
    """Where number words stand together, what they are, and what is written together with the last of them."""
    lexicon, behind = _lexicon(language), -2 if language in _SCALE_FIRST else -1
    start = end = last = 0
    run: list[_Part] = []
    pending: list[_Part] = []
    for word in words:
        parts, rest = _parts_of(word[0], language, lexicon)
        gap = text[end : word.start()]
        near = bool(run) and (
            not gap.strip(" ") or (gap.strip() == "," and any(part.kind == "x" for part in run[behind:]))
        )
        if near and all(part.kind in "&a" for part in parts) and parts:
            pending += parts
            end = word.end()
            continue
        if near and not parts:
            scale, length = factor_of(word[0].casefold())
            parts = [_Part("x", Fraction(scale))] if scale and scale >= 100 and length == len(word[0]) else []
        if near and parts:
            run += [*pending, *parts]
        else:
            if _is_number(run):
                yield start, last, run, ""
            run, start = list(parts) if any(part.kind != "&" for part in parts) else [], word.start()
        end = last = word.end()
        pending = []
        if rest:
            yield start, end, run, rest
            run = []
    if _is_number(run):
        yield start, last, run, ""


def _is_number(run: list[_Part]) -> bool:
    """Whether it is more than "a" or "and"; a multiplier alone is "hundred" in some languages, and "dozen" is none."""
    if len(run) == 1 and run[0].kind == "+":
        return True  # the Arabic عشرة, which is ten and the end of fifteen
    return any(kind == "n" or (kind == "x" and (value != 12 or run[0].kind == "a")) for kind, value in run)


def _parts_of(word: str, language: str, lexicon: dict[str, _Part]) -> tuple[list[_Part], str]:
    """What a word is put together of, and the rest of it where a language writes what is counted together with it."""
    folded = _fold(word).replace("-", "")
    if len(folded) > _LONGEST_WORD:
        return [], ""
    reach: dict[int, list[_Part]] = {0: []}
    for start in range(len(folded)):
        for end in range(len(folded), start, -1) if start in reach else ():
            if end not in reach and folded[start:end] in lexicon:
                reach[end] = [*reach[start], lexicon[folded[start:end]]]
    if len(folded) in reach:
        return reach[len(folded)], ""
    longest = max(reach)
    rest = folded[longest:]
    is_apart = rest in _COUNTERS.get(language, ()) or (language in _SPACELESS and not any(w in rest for w in lexicon))
    return (reach[longest], rest) if longest and is_apart and len(folded) == len(word) else ([], "")


def _evaluate(parts: list[_Part], language: str) -> Fraction | None:
    """The number that its parts make; None where their order makes none."""
    scale_first = language in _SCALE_FIRST
    items: list[tuple[Fraction, Fraction]] = []  # each with what it has room for
    extra, before = Fraction(0), ""
    for kind, value in parts:
        if kind == "&" and (not items or before == "&"):
            return None
        if kind == "~":
            extra += value
        elif kind == "h" and items:
            items[-1] = (items[-1][0] + value * (items[-1][1] if before == "x" else 1), Fraction(0))
        elif kind == "+" and items and 0 < items[-1][0] < 10:
            items[-1] = (items[-1][0] + value, Fraction(0))
        elif kind in "na+":
            value, extra = value + extra, Fraction(0)
            last, room = items[-1] if items else (Fraction(0), value + 1)
            if 0 < last < 10 and value in range(20, 100, 10) and before == "&" and language in _UNIT_FIRST:
                items[-1] = (last + value, Fraction(0))
            elif items and scale_first and before == "x":
                items[-1] = (last * value, room)
            elif items and not (0 < value < room and (not scale_first or last < 10 * room or value >= 10)):
                return None  # "elfu ishirini na tano" is 25,000 or 20,005
            else:
                items.append((value, _room(value, language)))
        elif kind == "x":
            section, extra = extra + bool(extra and before == "~"), Fraction(0)
            while items and items[-1][0] < value and not scale_first:
                section += items.pop()[0]
            if items and not value < items[-1][1]:
                return None
            items.append(((section or 1) * value, value))
        before = kind
    return sum((value for value, _ in items), Fraction(0)) if items and not extra and before not in ("&", "a") else None


def _room(value: Fraction, language: str) -> Fraction:
    """Numbers below this may follow: 7 after 20, 17 after the French soixante, 55 after 100."""
    if value in _TWENTIES.get(language, ()):
        return Fraction(20)
    return Fraction(next((size for size in (10**6, 1000, 100, 10) if value >= size and value % size == 0), 0))
