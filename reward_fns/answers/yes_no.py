"""An answer that says yes or no, in its own language or in English."""

import re
import unicodedata
from functools import lru_cache

from pbrlsvr.words import word_sections

# What may stand behind the word, or nothing.
_APART = ("", *" ,，、،.。:：;؛!！–—-।။።។։)")
_AND = re.compile(r" [^\W\d_]+ ([^\W\d_]+)")
_NOUN = re.compile(r" (?:answer|idea|solution|number|value|one|more|less|fewer|change|matter|way|clue|result)\b")


def reads_yes(text: str, language: str) -> bool | None:
    """Whether a cleaned answer begins with yes (True) or no (False); None where it begins with neither.

    >>> [reads_yes(text, "de") for text in ("Nein, das Geld reicht nicht", "Ja", "No", "Jahre")]
    [False, True, False, None]
    """
    begins = text.casefold().lstrip("([*\"'¡ ")
    for verdict, word in _words(language):
        if begins.startswith(word) and begins[len(word) : len(word) + 1] in _APART:
            said = begins[len(word) :]
            # "Yes and no", "No answer"
            second = _AND.match(said)
            is_both = second and any(other != verdict and second[1] == no for other, no in _words(language))
            return None if is_both or (word == "no" and _NOUN.match(said) and language == "en") else verdict
    return None


@lru_cache(maxsize=128)
def _words(language: str) -> list[tuple[bool, str]]:
    """The longest first: "不是" begins with "不"."""
    table = word_sections("yes_no")
    words = {
        (said == "yes", unicodedata.normalize("NFKC", word).casefold())
        for said in ("yes", "no")
        for code in (language, "en")
        for word in table[said].get(code, ())
    }
    return sorted(words, key=lambda pair: -len(pair[1]))
