"""What the seed decides: on which side a problem is, and the order of the rows.

Train or test is decided by problem: all languages of a problem are on the same side, whatever order they come in. A
problem's place is a number in [0, 1) from a hash of the seed and its name. A fraction f takes the problems below f,
so that adding rows moves none of the old ones; a count takes the problems with the smallest numbers.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np

from pbrlsvr.errors import DataError
from pbrlsvr_plugin.prepare.export.minhash import hash_of
from pbrlsvr_plugin.prepare.export.options import SplitOptions

Split = Literal["train", "test"]
_ROWS_IN_A_BUCKET = 20_000
_MOST_BUCKETS = 256


class Splitter:
    """problem -> "train" or "test".

    Raises:
        DataError: there are not more problems than should be in the test set.

    >>> split = Splitter(SplitOptions(test=2), ["a", "b", "c"], seed=0)
    >>> sorted(split(problem) for problem in "abc")
    ['test', 'test', 'train']
    """

    def __init__(self, options: SplitOptions, problems: Iterable[str], seed: int):
        self._seed = seed
        self._below = float(options.test)
        if isinstance(options.test, int) and options.test > 0:
            places = np.unique(np.fromiter(map(self._place, problems), np.float64))
            if len(places) <= options.test:
                raise DataError(
                    f"split.test={options.test!r} problems are for the test set, but there are only {len(places)} "
                    "problems; give a smaller number, or a fraction"
                )
            self._below = float(places[options.test])

    def __call__(self, problem: str) -> Split:
        """The side of a problem."""
        return "test" if self._place(problem) < self._below else "train"

    def _place(self, problem: str) -> float:
        # 53 bits: a float holds them all.
        return (hash_of(f"{self._seed}\0{problem}") >> 11) / 2**53


class Shuffle:
    """Takes records, and gives them back in the order of a hash of the seed and their id.

    The records lie in files by the first bits of the hash, and one file at a time is sorted in memory.

    >>> import tempfile
    >>> shuffle = Shuffle(Path(tempfile.mkdtemp()), seed=1, rows=3)
    >>> for name in "abc":
    ...     shuffle.add("train", name, {"id": name})
    >>> [record["id"] for record in shuffle.records("train")]
    ['a', 'c', 'b']
    """

    def __init__(self, folder: Path, seed: int, rows: int):
        self._folder = folder
        self._seed = seed
        self._buckets = min(_MOST_BUCKETS, rows // _ROWS_IN_A_BUCKET + 1)
        self._files: dict[tuple[str, int], TextIO] = {}

    def add(self, side: str, name: str, record: dict[str, Any]) -> None:
        """Takes a record; `side` keeps train and test apart."""
        key = hash_of(f"{self._seed}\0{name}")
        bucket = key * self._buckets >> 64
        if (side, bucket) not in self._files:
            self._files[side, bucket] = self._path(side, bucket).open("w", encoding="utf-8", newline="\n")
        self._files[side, bucket].write(f"{key:016x}{json.dumps(record)}\n")

    def records(self, side: str) -> Iterator[dict[str, Any]]:
        """The records of a side in their new order; once, after the last `add`."""
        for bucket in range(self._buckets):
            file = self._files.pop((side, bucket), None)
            if file is None:
                continue
            file.close()
            path = self._path(side, bucket)
            with path.open(encoding="utf-8", newline="\n") as lines:
                ordered = sorted(lines)
            path.unlink()
            for line in ordered:
                yield json.loads(line[16:])

    def _path(self, side: str, bucket: int) -> Path:
        return self._folder / f"shuffle-{side}-{bucket}.jsonl"
