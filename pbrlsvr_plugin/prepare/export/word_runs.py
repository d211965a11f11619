"""The runs of words of a text that are compared with benchmarks; runs of characters where words have no spaces."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.languages.tables import LETTERS_PER_SIGN, SCRIPT_OF_NAME
from pbrlsvr_plugin.prepare.export.minhash import Hashes, hash_of, mixed

#: Letters in an English word with its space, rounded down: what `words` words are in a script without spaces.
LETTERS_PER_WORD = 4.6
_UNSPACED = frozenset({"Hani", "Hrkt", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_LONGEST = 1 << 16


class Unit(NamedTuple):
    """A word, with weight 1; or a sign of a script without spaces, with the share of a word that it stands for."""

    text: str
    weight: float


@dataclass(frozen=True)
class Runs:
    """The runs of a text.

    Attributes:
        hashes: of each run, `[R]`.
        units: of the text.
        starts, ends: run i is `units[starts[i]:ends[i]]`.
    """

    hashes: Hashes
    units: list[Unit]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def text(self, place: int) -> str:
        """How a run is shown.

        >>> found = runs("Ana has 3 books.", 3)
        >>> [found.text(place) for place in range(len(found.hashes))]
        ['ana has 3', 'has 3 books']
        """
        shown, before = "", 0.0
        for unit in self.units[self.starts[place] : self.ends[place]]:
            shown += f" {unit.text}" if before == unit.weight == 1 else unit.text
            before = unit.weight
        return shown


def runs(text: str, words: int) -> Runs:
    """The runs of units that together weigh `words` words, one for each unit that can end one.

    A text of fewer words is one run, which equals only the whole of another text: inside it may be a phrase. Of a text
    of more than 65,536 units the rest is not looked at.
    """
    units = _units(text)[:_LONGEST]
    weights = np.concatenate([[0.0], np.cumsum([unit.weight for unit in units])])
    ends = np.flatnonzero(weights >= words - 1e-6)
    starts = np.searchsorted(weights, weights[ends] - words + 1e-6, side="right") - 1
    if is_whole := len(ends) == 0:
        starts, ends = np.zeros(1, np.int64), np.array([len(units)])
    if not units:
        starts = ends = np.zeros(0, np.int64)
    hashes = _hashes_of([_hash_of_unit(unit.text) for unit in units], starts, ends)
    return Runs(~hashes if is_whole else hashes, units, starts, ends)


def _hashes_of(units: list[int], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """Polynomials modulo 2^64, from the sums of powers up to each unit."""
    powers, inverses = _powers()
    sums = np.zeros(len(units) + 1, np.uint64)
    np.cumsum(np.array(units, np.uint64) * powers[: len(units)], out=sums[1:])
    return mixed((sums[ends] - sums[starts]) * inverses[starts])


@lru_cache(maxsize=1)
def _powers() -> tuple[Hashes, Hashes]:
    tables = []
    for base in (_BASE, _INVERSE):
        factors = np.full(_LONGEST + 1, base, np.uint64)
        factors[0] = 1
        tables.append(np.cumprod(factors))
    return tables[0], tables[1]


_hash_of_unit = lru_cache(maxsize=1 << 18)(hash_of)


def _units(text: str) -> list[Unit]:
    units = []
    for word in unicodedata.normalize("NFKC", text).casefold().translate(_WORD_CHARACTERS).split():
        if word.isascii():
            units.append(Unit(word, 1.0))
            continue
        pending = ""
        for character in word:
            weight = _weight(character)
            if weight == 1:
                pending += character
                continue
            if pending:
                units.append(Unit(pending, 1.0))
                pending = ""
            units.append(Unit(character, weight))
        if pending:
            units.append(Unit(pending, 1.0))
    return units


class _WordCharacters(dict[int, str]):
    """For `str.translate`: letters, marks and digits as they are, invisible characters out, all else a space."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        self[code] = kept = chr(code) if category[0] in "LMN" else "" if category == "Cf" else " "
        return kept


_WORD_CHARACTERS = _WordCharacters()


@lru_cache(maxsize=65536)
def _weight(character: str) -> float:
    """1 for a character that is part of a word; else the share of a word that the sign stands for."""
    if unicodedata.category(character)[0] not in "LM":
        return 1.0
    script = SCRIPT_OF_NAME.get(unicodedata.name(character, "").split(" ", 1)[0], "")
    return LETTERS_PER_SIGN.get(script, 1) / LETTERS_PER_WORD if script in _UNSPACED else 1.0
