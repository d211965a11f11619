"""The words of all languages that answers and responses are read by: the one place to add a language to.

    cues, scopes, yes_no, remarks,        sections "[reason]", and in each a line "language: word, word"
    number_words, concluded_times
    spelled, scales, changes              a line "key: words", with " | " between the words, or else spaces

A line that begins with ";" is a comment. Nothing here knows what the words are for: that is said in their files, and in
the modules that read them.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_MARKS = re.compile(r"[\u0300-\u036f]")


@cache
def word_sections(name: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Section -> language -> words, of one file.

    >>> word_sections("scopes")["but"]["de"][:2]
    ('aber', 'jedoch')
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in _lines(name):
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        else:
            language, _, words = line.partition(": ")
            section[language] = tuple(words.split(", "))
    return found


def scope_words(section: str, codes: Iterable[str] | None = None) -> list[str]:
    """The words of a section of `scopes.txt`: of some languages, or of all that it has."""
    table = word_sections("scopes")[section]
    return [word for code in (table if codes is None else codes) for word in table.get(code, ())]


@cache
def word_table(name: str) -> dict[str, list[str]]:
    """The lists of one file without sections by their keys.

    >>> word_table("scales")["1000"][0]
    'thousands?'
    """
    pairs = (line.split(": ", 1) for line in _lines(name))
    return {key: words.split(" | ") if " | " in words else words.split() for key, words in pairs}


def fold(word: str) -> str:
    """A word without case, and Latin, Greek and Cyrillic letters without accents."""
    return unicodedata.normalize("NFKC", _MARKS.sub("", unicodedata.normalize("NFKD", word.casefold())))


def _lines(name: str) -> list[str]:
    text = Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith(";")]
