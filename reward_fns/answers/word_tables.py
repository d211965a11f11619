"""The word lists beside this file: a line `key: words`, with " | " between the words, or else spaces."""

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=8)
def word_table(name: str) -> dict[str, list[str]]:
    """The lists of one file by their keys.

    >>> word_table("scales")["1000"][0]
    'thousands?'
    """
    lines = Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ", 1) for line in lines if line and not line.startswith(";"))
    return {key: words.split(" | ") if " | " in words else words.split() for key, words in pairs}
