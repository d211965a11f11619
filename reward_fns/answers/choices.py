"""Multiple choice, A to J, in the answer forms of MMLU-ProX and in native letters: "(C)", "C.", "(ग) है", "ج", "②번"."""

import re
from collections.abc import Iterable
from functools import lru_cache

from pbrlsvr.answers.changes import is_changed
from pbrlsvr.responses.cues import CUES, OPTION_LISTS
from pbrlsvr.responses.values import SIGNS

_MAX_LENGTH = 1000
_CIRCLED = str.maketrans({circled: f" ({letter}) " for circled, letter in zip("①②③④⑤⑥⑦⑧⑨⑩", "ABCDEFGHIJ", strict=True)})
# Options mostly carry Latin letters, so a letter that looks Latin is read as that; else its place in its list counts.
_LOOK_ALIKES = dict(zip("АВСЕНІЈΑΒΕΗΙ", "ABCEHIJABEHI", strict=True))
_NATIVE = {sign: "ABCDEFGHIJ"[place] for letters in OPTION_LISTS for place, sign in enumerate(letters)} | _LOOK_ALIKES
_FREE = "".join(c for c in _NATIVE if "\u0590" <= c < "\u1200")
_BOUND = "".join(c for c in _NATIVE if c.isalpha() and not c.isascii())
# In brackets, or before a full stop; of scripts with spaces but without look-alikes also between spaces.
_NATIVE_LETTER = re.compile(
    rf"(?<=[(\[{{])\s?([{_BOUND}])[ـ']?\s?(?=[)\]}}])|(?<![\w{SIGNS}])([{_BOUND}])[ـ']?(?=\W{{0,3}}\Z|[.:)、]|\s*(?:です|である|だ)|\s+(?:입니다|이다))"
    rf"|(?<![\w{SIGNS}])([{_FREE}])[ـ']?(?![\w{SIGNS}])"
)
_KOREAN_PLACE = re.compile(r"(?<![\d.,])([1-9]|10)\s?번(?!째)")
# "故选C" has no space.
_LETTER = re.compile(
    r"(?:(?<![^\W\d_])|(?<=[选選择擇项項肢案为為是は案ข้อก]))(?<![\d\\'°-])([A-J])(?![0-9#A-Za-zÀ-ɏ+]|-[A-J]|'(?:m|s|d|t|ll|ve|re)\b|'\s|'\Z)"
)
_DELIMITED = re.compile(
    r"[(\[{]\s?([A-J])\s?[)\]}]|(?:\A|(?<=[\s]))([A-J])(?:[)\].:](?=\s|\Z))|\A([A-J])\Z"
    r"|(?:\A|(?<=\s))\(?([a-j])\)(?=[\s.,]|\Z)"
)
# "A good idea", "I am": words, where another letter is marked as the choice.
_WORD = re.compile(r"[AEIO] [a-zà-ɏ]")
# Where none of these is a word, so that "A seçeneği" names an option.
_NO_WORDS = ("tr", "az", "uz", "fi", "et", "id", "ms")


def read_choice(text: str, language: str = "en", marked_only: bool = False) -> str | None:
    """The letter A-J that a cleaned answer chooses; None if it names none, or several.

    A letter in brackets, or before ".", ")" or ":", is marked as a choice, and so is a small one and its bracket, "c)";
    others may be words, variables or units. A letter of another script counts by its place in the order in which its
    language counts options, but one that looks Latin is that Latin letter. A letter that is denied ("not C", "C değil")
    is not chosen; what follows a marked one after a space is the option's own text ("(C) not possible").

    Args:
        text: the cleaned answer.
        language: its language, without script and territory.
        marked_only: whether only a marked letter is a choice, as where "5 A" may be a current.

    >>> read_choice("(B) A dog"), read_choice("B"), read_choice("A or B"), read_choice("c) 36")
    ('B', 'B', None, 'C')
    >>> read_choice("not (B)"), read_choice("B ist falsch", "de"), read_choice("(B) None of them")
    (None, None, 'B')
    >>> read_choice("(ج)"), read_choice("(В)"), read_choice("सही विकल्प (ख) है"), read_choice("2번입니다")
    ('C', 'B', 'B', 'B')
    """
    if len(text) > _MAX_LENGTH:
        return None
    if not text.isascii():
        text = _KOREAN_PLACE.sub(lambda place: f"({'ABCDEFGHIJ'[int(place[1]) - 1]})", text)
        text = _NATIVE_LETTER.sub(lambda letter: _NATIVE[next(filter(None, letter.groups()))], text)
    marked = {next(filter(None, match.groups())).upper() for match in _DELIMITED.finditer(text)}
    if marked_only and not marked:
        return None
    named_by = _named_by(language)
    words = {
        match[1]
        for match in _LETTER.finditer(text)
        if _WORD.match(text, match.start()) and not named_by.match(text, match.end())
    }
    named = {match[1] for match in _LETTER.finditer(text)} - words
    letters = marked | named if marked else named | words if named else set()
    if len(letters) != 1:
        return None
    letter = letters.pop()
    return None if _is_denied(text, letter, language) else letter


@lru_cache(maxsize=64)
def _named_by(language: str) -> re.Pattern[str]:
    """What makes a letter no word: "A is correct", "A seçeneği"."""
    cues = [CUES[code] for code in (language, "en") if code in CUES]

    def one_of(words: Iterable[str]) -> str:
        return "|".join(re.escape(word.strip("*")) for word in words if word != "…") or "(?!)"

    right = one_of(word for cue in cues for word in cue.right)
    copulas = one_of(word for cue in cues for word in cue.copulas if word)
    options = one_of((*cues[0].options, *cues[0].right) if language in _NO_WORDS else ())
    return re.compile(rf" (?:(?:{copulas}) (?:[^\W\d_]{{1,5}} )?(?:{right})|(?:{options}))", re.IGNORECASE)


def _is_denied(text: str, letter: str, language: str) -> bool:
    found = [*_DELIMITED.finditer(text), *_LETTER.finditer(text)]
    stands = next(match for match in found if (match[match.lastindex or 0]).upper() == letter)
    is_marked = len(stands[0].strip()) > 1 or text[stands.end() : stands.end() + 1] in tuple(".):")
    behind = text[stands.end() :]
    if is_marked and not behind[:1].isalpha():
        # "(B) is false" denies it, "(B) False" is the option's text.
        said = behind.casefold().split()
        wrong = {word.rstrip("*") for code in {language, "en"} & CUES.keys() for word in CUES[code].wrong}
        if 2 <= len(said) <= 4 and wrong.intersection(word.strip(".!,") for word in said):
            return True
        behind = ""
    return is_changed(text[: stands.end()] + behind, [(stands.start(), stands.end())], language)


def spell_circled(text: str) -> str:
    """Circled numbers as the options that they count, before `clean` makes digits of them.

    >>> spell_circled("②번").strip()
    '(B) 번'
    """
    return text.translate(_CIRCLED)
