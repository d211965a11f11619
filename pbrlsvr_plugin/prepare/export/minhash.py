"""Near duplicates among many texts, in flat memory: MinHash, bands, then the true Jaccard similarity.

A text is a set of *shingles*, runs of `n` characters of its normal form. The chance that two sets agree on the minimum
of a random hash is their Jaccard similarity J. Of `PERMUTATIONS` such minima, r make a band; two texts with an equal
band are candidates, which happens with probability 1 - (1 - J^r)^b for b bands. r is the largest for which a pair at
the threshold is found with probability >= 0.99. Each candidate's similarity is then computed from the texts, so nothing
is dropped by chance.

In memory stand 8 bytes a band for each text, 170 MB for a million of them at a threshold of 0.8; the texts are in a
file.

Source: Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", chapter 3.
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.answers.texts import clean

Hashes = NDArray[np.uint64]

PERMUTATIONS = 128
#: Characters in a shingle.
RUN = 5
#: The chance that a pair at the threshold becomes a candidate.
RECALL = 0.99
_BATCH = 256
# A text is compared with so many earlier ones of a band: a bound on the time that no honest data set comes near.
_COMPARISONS = 256
_MIX = np.uint64(0x9E3779B97F4A7C15)
# Marks between digits make numbers; a sign before a digit or a variable is an operator.
_PUNCTUATION = re.compile(r"[.,:](?!\d)|(?<!\d)[.,:](?=\d)|[;!?¿¡\"'“”„«»`。，、；：？！।॥؟،]|-(?=[^\W\d_]{2})")


class Duplicate(NamedTuple):
    """Text number `place` is `similarity` like the earlier text `first`, which stays; `exact` if they are equal."""

    place: int
    first: int
    similarity: float
    exact: bool


def normal_form(text: str) -> str:
    """Without case, quotes, sentence marks and hyphens of words; digits and signs as plain ones, operators as they are.

    >>> normal_form("How  much is １０ \u2212 2.5 %, Ana?"), normal_form("a 12-mile trail")
    ('how much is 10 - 2.5 % ana', 'a 12 mile trail')
    """
    return " ".join(_PUNCTUATION.sub(" ", clean(text).casefold()).split())


def hash_of(text: str) -> int:
    """64 bits, the same in every process."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def shingles(text: str, n: int = RUN) -> Hashes:
    """The hashes of the different runs of n characters of a text in normal form, sorted; of all of a shorter one.

    Shape `[S]`, S <= max(1, len(text) - n + 1).
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = max(1, len(codes) - n + 1)
    hashes = np.zeros(count, np.uint64)
    for offset in range(min(n, len(codes))):
        hashes = hashes * np.uint64(1_000_003) + codes[offset : offset + count] + np.uint64(1)
    return np.unique(mixed(hashes))


def mixed(hashes: Hashes) -> Hashes:
    """The finaliser of MurmurHash3: neighbouring inputs get unrelated outputs."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    hashes ^= hashes >> np.uint64(33)
    return hashes


def jaccard(ours: Hashes, theirs: Hashes) -> float:
    """|A and B| / |A or B| of two sorted sets, in [0, 1].

    >>> jaccard(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    both = len(np.intersect1d(ours, theirs, assume_unique=True))
    return both / (len(ours) + len(theirs) - both)


def bands_and_rows(threshold: float) -> tuple[int, int]:
    """How many bands of how many minima.

    >>> bands_and_rows(0.8)
    (21, 6)
    """
    for rows in range(PERMUTATIONS // 2, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - threshold**rows) ** bands >= RECALL:
            return bands, rows
    return PERMUTATIONS, 1


class Texts:
    """Texts by their place, in a file: all are added before the first is read."""

    def __init__(self, path: Path):
        self._file = path.open("w+b")
        self._ends = array("q", [0])

    def add(self, text: str) -> None:
        encoded = text.encode("utf-8", "surrogatepass")
        self._file.write(encoded)
        self._ends.append(self._ends[-1] + len(encoded))

    def __getitem__(self, place: int) -> str:
        self._file.seek(self._ends[place])
        return self._file.read(self._ends[place + 1] - self._ends[place]).decode("utf-8", "surrogatepass")


class NearDuplicates:
    """Finds them among texts that are added one after another; the first of each group stays.

    Args:
        threshold: the Jaccard similarity from which on two texts are duplicates, in (0, 1]; None to look for equal
            texts only.
        scratch: a folder for the file of texts.

    >>> import tempfile
    >>> found = NearDuplicates(0.8, Path(tempfile.mkdtemp()))
    >>> for text in ("ana buys seven oranges at the market", "ana buys seven oranges at the markets", "leo sleeps"):
    ...     found.add(text)
    >>> [(pair.place, pair.first, round(pair.similarity, 2)) for pair in found.duplicates()]
    [(1, 0, 0.97)]
    """

    def __init__(self, threshold: float | None, scratch: Path):
        self._threshold = threshold
        self._bands, self._rows = (0, 0) if threshold is None else bands_and_rows(threshold)
        generator = np.random.Generator(np.random.PCG64(20_250_925))
        # Odd factors and a shift: one multiplication makes one permutation of 2^64.
        self._factors = generator.integers(0, 2**63, (PERMUTATIONS, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._texts = Texts(scratch / "near_duplicates.txt")
        self._keys: list[Hashes] = []
        self._exact: list[Hashes] = []
        self._pending: list[tuple[str, int]] = []

    def add(self, text: str, key: int = 0) -> None:
        """The next text in normal form. Only texts with an equal `key` can be near duplicates."""
        self._texts.add(text)
        self._pending.append((text, key))
        if len(self._pending) == _BATCH:
            self._hash_pending()

    def _hash_pending(self) -> None:
        if not self._pending:
            return
        if self._bands:
            self._keys.append(self._band_keys())
        self._exact.append(np.array([hash_of(text) for text, _ in self._pending], np.uint64))
        self._pending.clear()

    def _band_keys(self) -> Hashes:
        """`[texts, bands]`: a hash of the minima of each band, and of the text's key."""
        sets = [shingles(text) for text, _ in self._pending]
        starts = np.cumsum([0, *map(len, sets[:-1])])
        together = np.concatenate(sets)
        keys = np.array([key & (2**64 - 1) for _, key in self._pending], np.uint64)
        bands = np.empty((len(sets), self._bands), np.uint64)
        for band in range(self._bands):
            factors = self._factors[band * self._rows : (band + 1) * self._rows]
            # The lower bits of a product depend on few bits of the hash.
            minima = np.minimum.reduceat((together * factors) >> np.uint64(16), starts, axis=1)
            state = keys + np.uint64(band)
            for row in minima:
                state = mixed(state * _MIX + row)
            bands[:, band] = state
        return bands

    def duplicates(self) -> Iterator[Duplicate]:
        """Each text that is a duplicate of an earlier one that stays, in order."""
        self._hash_pending()
        if not self._exact:
            return
        exact = _groups(np.concatenate(self._exact))
        groups = np.full((self._bands, len(exact)), -1, np.int32)
        for band in range(self._bands):
            groups[band] = _groups(np.concatenate([part[:, band] for part in self._keys]))
        self._keys.clear()
        candidates = np.flatnonzero((groups >= 0).any(axis=0) | (exact >= 0))
        first_of: dict[int, int] = {}
        kept: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index in map(int, candidates):
            if (same := int(exact[index])) in first_of:
                yield Duplicate(index, first_of[same], 1.0, True)
                continue
            near = [(band, int(group)) for band, group in enumerate(groups[:, index]) if group >= 0]
            found = self._most_similar(index, {other for place in near for other in kept[place]})
            if same >= 0:
                first_of[same] = found.first if found else index
            if found:
                yield found
                continue
            for place in near:
                if len(kept[place]) < _COMPARISONS:
                    kept[place].append(index)

    def _most_similar(self, index: int, others: Iterable[int]) -> Duplicate | None:
        best: Duplicate | None = None
        ours: Hashes | None = None
        for other in sorted(others):
            ours = shingles(self._texts[index]) if ours is None else ours
            similarity = jaccard(ours, shingles(self._texts[other]))
            if similarity >= (self._threshold or 1.0) and (best is None or similarity > best.similarity):
                best = Duplicate(index, other, similarity, False)
        return best


def _groups(keys: Hashes) -> NDArray[np.int32]:
    """For each key the number of its group of equal keys; -1 where it is alone."""
    # Twice as fast as `np.unique` with its inverse.
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    numbers = np.cumsum(is_new, dtype=np.int32) - 1
    sizes = np.bincount(numbers)
    groups = np.empty(len(keys), np.int32)
    groups[order] = np.where(sizes[numbers] > 1, numbers, -1)
    return groups
