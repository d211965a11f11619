"""An answer that says yes or no, true or false, in its own language or in English."""

import re
import unicodedata
from functools import lru_cache

from pbrlsvr.words import word_sections

# What may stand behind the word, or nothing.
_APART = ("", *" ,，、،.。:：;؛!！–—-।။።។։)")
_AND = re.compile(r" [^\W\d_]+ ([^\W\d_]+)")
# "True" and "false" are also words of a sentence: "Richtig ist, dass ..."
_IS_WHOLE = re.compile(r"\W*(?:\Z|[,،，.。;؛(:–—]|- )")
_NOUN = re.compile(r" (?:answer|idea|solution|number|value|one|more|less|fewer|change|matter|way|clue|result)\b")


def reads_yes(text: str, language: str) -> bool | None:
    """Whether a cleaned answer begins with yes (True) or no (False), or is "true" or "false"; None where it is neither.

    >>> [reads_yes(text, "de") for text in ("Nein, das Geld reicht nicht", "Ja", "No", "Jahre", "Falsch.")]
    [False, True, False, None, False]
    """
    begins = text.casefold().lstrip("([*\"'¡ ")
    for verdict, word, is_whole in _words(language):
        if not begins.startswith(word):
            continue
        if _IS_WHOLE.match(begins, len(word)) if is_whole else begins[len(word) : len(word) + 1] in _APART:
            said = begins[len(word) :]
            # "Yes and no", "No answer"
            second = _AND.match(said)
            is_both = second and any(
                other != verdict and second[1] == no and not alone for other, no, alone in _words(language)
            )
            return None if is_both or (word == "no" and _NOUN.match(said) and language == "en") else verdict
    return None


@lru_cache(maxsize=128)
def _words(language: str) -> list[tuple[bool, str, bool]]:
    """What each says, and whether it must be all that is said. The longest first: "不是" begins with "不"."""
    table = word_sections("yes_no")
    words = {
        (said in ("yes", "true"), unicodedata.normalize("NFKC", word).casefold(), said in ("true", "false"))
        for said in ("true", "false", "yes", "no")
        for code in (language, "en")
        for word in table[said].get(code, ())
    }
    return sorted(words, key=lambda known: (-len(known[1]), known[2]))
