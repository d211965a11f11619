"""Contamination: problems that share a long run of words with a benchmark.

As in appendix C of "Language Models are Few-Shot Learners" (https://arxiv.org/abs/2005.14165): texts are lower-cased,
without punctuation, and an overlap is `words` words in a row, 13 by default. A benchmark text shorter than that counts
where it is the whole of a question. In scripts without spaces between words (Han, kana, Thai, Lao, Khmer, Burmese,
Tibetan) it is as many letters as 13 English words have: 20 Chinese characters, 60 Thai letters.

Both the English and the translated question are compared. A problem found in one language is found in all of them.
A run that more than `common` texts of one benchmark have is its wording ("choose the right answer"), not a problem.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pbrlsvr_plugin.prepare.export.benchmark_texts import Benchmark, read_texts
from pbrlsvr_plugin.prepare.export.minhash import Hashes, hash_of
from pbrlsvr_plugin.prepare.export.options import ContaminationOptions
from pbrlsvr_plugin.prepare.export.word_runs import runs
from pbrlsvr_plugin.prepare.stage import Row


class Overlap(NamedTuple):
    """Where a text was found, and the run that both have."""

    place: str
    run: str

    def __str__(self) -> str:
        return f"{self.place}: {self.run!r}"


def find_overlaps(rows: Iterable[Row], options: ContaminationOptions) -> dict[str, Overlap]:
    """Problem -> the first overlap of one of its texts, for each problem that is in a benchmark.

    Raises:
        ConfigError, DataError: a benchmark cannot be read.
    """
    if not options.benchmarks:
        return {}
    index = Index(options)
    found: dict[str, Overlap] = {}
    before: Mapping[str, Any] = {}
    for row in rows:
        if row["problem"] in found:
            continue
        # The languages of a problem mostly stand together, so its English text is looked up once.
        texts = [row["question"]]
        if row["english"] not in (row["question"], before.get("english")):
            texts.append(row["english"])
        before = row
        overlap = next(filter(None, map(index.find, texts)), None)
        if overlap is not None:
            found[row["problem"]] = overlap
    return found


class Index:
    """The runs of all benchmarks: 12 bytes each, sorted by their hash."""

    def __init__(self, options: ContaminationOptions):
        self._words = options.words
        self._places: list[str] = []
        parts = [self._read(Benchmark.of(name), options.common) for name in options.benchmarks]
        hashes = np.concatenate([part[0] for part in parts])
        order = np.argsort(hashes, kind="stable")
        self._hashes: Hashes = hashes[order]
        self._owners: NDArray[np.int32] = np.concatenate([part[1] for part in parts])[order]

    def find(self, text: str) -> Overlap | None:
        """The first run of a text that a benchmark has.

        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "bench.txt"
        >>> _ = path.write_text("A robe takes 2 bolts of blue fiber and half that much white fiber.")
        >>> index = Index(ContaminationOptions(benchmarks=(str(path),), words=8))
        >>> str(index.find("If a robe takes 2 bolts of blue fiber, how much is it?"))
        "bench.txt:1: 'a robe takes 2 bolts of blue fiber'"
        """
        if not len(self._hashes):
            return None
        found = runs(text, self._words)
        places = np.searchsorted(self._hashes, found.hashes)
        for run in np.flatnonzero(self._hashes[np.minimum(places, len(self._hashes) - 1)] == found.hashes):
            return Overlap(self._places[self._owners[places[run]]], found.text(int(run)))
        return None

    def _read(self, benchmark: Benchmark, common: int) -> tuple[Hashes, NDArray[np.int32]]:
        """The hashes of the runs of one benchmark, without its wording, and for each the place of its text."""
        hashes: list[Hashes] = []
        owners: list[NDArray[np.int32]] = []
        seen: set[int] = set()
        for place, text in read_texts(benchmark):
            if (mark := hash_of(text)) in seen:
                continue
            seen.add(mark)
            hashes.append(np.unique(runs(text, self._words).hashes))
            owners.append(np.full(len(hashes[-1]), len(self._places), np.int32))
            self._places.append(place)
        if not hashes:
            return np.zeros(0, np.uint64), np.zeros(0, np.int32)
        unique, first, counts = np.unique(np.concatenate(hashes), return_index=True, return_counts=True)
        kept = counts <= common
        return unique[kept], np.concatenate(owners)[first[kept]]
