"""A step's file -> sums per language: the metrics of `pbrlsvr_plugin.verl.metrics`, in arrays.

That module says what each metric is. Here stand besides, where a right answer is known, the mean score of the responses
that are right (`score_right`) and wrong (`score_wrong`), and `characters`, the mean length of a response. Files of
veRL's own, which lack most fields, give what they have: a group is then the rows with one prompt.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pbrlsvr_plugin.report.columns import Array, Columns, Keys, Languages
from pbrlsvr_plugin.report.rows import chunks
from pbrlsvr_plugin.report.samples import Picker, Picks
from pbrlsvr_plugin.verl.metrics import NO_SPREAD, OVERALL, PREFIX


@dataclass
class Step:
    """What is kept of a step.

    Attributes:
        step: its number.
        sums: (metric, language) -> sum of the values, and how many there are; `overall` is a language here.
        rows: that could be read.
        unread: why rows could not be read -> how many.
        codes: what rows call their language and no language is called, some of them.
        picks: the samples, if they were asked for.
    """

    step: int
    sums: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    rows: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    picks: Picks = field(default_factory=list)

    def metrics(self) -> dict[str, float]:
        """As the run logged them: `pbrlsvr/<language>/<metric>`."""
        means = {key: total / count for key, (total, count) in self.sums.items() if count and key[0] != "rows"}
        found = {f"{PREFIX}/{language}/{metric}": mean for (metric, language), mean in means.items()}
        rows = ((language, total) for (metric, language), (total, _) in self.sums.items() if metric == "rows")
        return found | {f"{PREFIX}/{language}/rows": total for language, total in rows}


def read_step(step: int, path: Path, sample_bytes: int = 0) -> Step:
    """Reads a file once, in memory that does not grow with its texts.

    Raises:
        DataError: the file cannot be read at all.
    """
    found = Step(step)
    sums = _Sums()
    known = Languages(found.codes)
    picker = Picker(step, sample_bytes) if sample_bytes else None
    for chunk in chunks(path, found.unread, Keys.wanted, keep_lines=bool(picker)):
        languages = known.of(chunk)
        columns = Columns(chunk)
        values = columns.metrics()
        sums.add(languages, values, columns.groups())
        if picker:
            picker.look(chunk.row, languages, values["score"], values["accuracy"])
        found.rows += len(chunk)
    found.sums = sums.result()
    found.picks = picker.picks() if picker else []
    return found


class _Sums:
    """Sums per metric and language over the chunks of a file, and the spread within its groups."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sums: dict[tuple[str, str], list[float]] = {}
        self._scored: list[tuple[NDArray[np.int64], NDArray[np.int64], Array]] = []

    def add(self, languages: Sequence[str], values: Mapping[str, Array], groups: NDArray[np.int64]) -> None:
        place = np.array([self._places.setdefault(each, len(self._places)) for each in languages], dtype=np.int64)
        names = list(self._places)
        for metric, column in [*values.items(), ("rows", np.ones(len(place)))]:
            there = ~np.isnan(column)
            if not there.any():
                continue
            counts = np.bincount(place[there], minlength=len(names))
            totals = np.bincount(place[there], weights=column[there], minlength=len(names))
            for language, total, count in zip(names, totals.tolist(), counts.tolist(), strict=True):
                if count:
                    self._add(metric, language, total, count)
                    self._add(metric, OVERALL, total, count)
        there = ~np.isnan(values["score"])
        self._scored.append((place[there], groups[there], values["score"][there]))

    def _add(self, metric: str, language: str, total: float, count: float) -> None:
        sums = self._sums.setdefault((metric, language), [0.0, 0.0])
        sums[0] += total
        sums[1] += count

    def result(self) -> dict[tuple[str, str], tuple[float, float]]:
        if self._scored:
            place, group, score = (np.concatenate(parts) for parts in zip(*self._scored, strict=True))
            names = list(self._places)
            for which, spreads in _spreads(place, group, score):
                self._add_spread(names[which], spreads)
            for _, spreads in _spreads(np.zeros_like(place), group, score):
                self._add_spread(OVERALL, spreads)
        return {key: (total, count) for key, (total, count) in self._sums.items()}

    def _add_spread(self, language: str, spreads: Array) -> None:
        self._add("spread", language, float(spreads.sum()), len(spreads))
        self._add("groups_without_spread", language, float((spreads <= NO_SPREAD).sum()), len(spreads))


def _spreads(place: NDArray[np.int64], group: NDArray[np.int64], score: Array) -> Iterator[tuple[int, Array]]:
    """For each language the standard deviations of the scores in its groups of two or more."""
    order = np.lexsort((group, place))
    place, group, score = place[order], group[order], score[order]
    if not len(place):
        return
    new = np.concatenate([[True], (place[1:] != place[:-1]) | (group[1:] != group[:-1])])
    which = np.cumsum(new) - 1
    sizes = np.bincount(which)
    means = np.bincount(which, weights=score) / sizes
    squares = np.bincount(which, weights=(score - means[which]) ** 2)
    several = sizes > 1
    spreads = np.sqrt(squares[several] / (sizes[several] - 1))
    owners = place[new][several]
    for language in np.unique(owners):
        yield int(language), spreads[owners == language]
