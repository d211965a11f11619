"""Rows in a random order that the seed and their ids decide, however many they are: a bucket sort on the disk."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pbrlsvr_plugin.prepare.export.minhash import hash_of

_ROWS_IN_A_BUCKET = 20_000
_MOST_BUCKETS = 256


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
