"""The word lists beside this file: sections "[reason]", and in each a line "language: word, word"."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def word_sections(name: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Section -> language -> words, of one file.

    >>> word_sections("scopes")["but"]["de"][:2]
    ('aber', 'jedoch')
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith(";"):
            language, _, words = line.partition(": ")
            section[language] = tuple(words.split(", "))
    return found


def scope_words(section: str, codes: Iterable[str] | None = None) -> list[str]:
    """The words of a section of `scopes.txt`: of some languages, or of all that it has."""
    table = word_sections("scopes")[section]
    return [word for code in (table if codes is None else codes) for word in table.get(code, ())]
