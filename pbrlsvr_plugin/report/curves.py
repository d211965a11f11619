"""A run's steps -> its curves, per language and metric, with a bounded number of points; and what its log warned of.

A point is the mean over the responses of the steps that it stands for, not a mean of means. `first` and `last` are the
first and the last tenth of the steps.
"""

import math
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice, starmap
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr_plugin.report.columns import MOST_LANGUAGES
from pbrlsvr_plugin.report.reading import Step, read_step
from pbrlsvr_plugin.report.samples import Picks, shown
from pbrlsvr_plugin.verl.metrics import OVERALL
from pbrlsvr_plugin.verl.watch import Watch

POINTS = 200
#: Values that the curves of all runs have together at most, about six bytes each.
MOST_VALUES = 1_000_000
MOST_METRICS = 80
#: Languages that are listed.
MOST_LISTED = 100
#: Steps from which samples are taken.
SAMPLED_STEPS = 12
MOST_WARNINGS = 100
# What is less is read in this process: others need a second to start.
_BYTES_FOR_WORKERS = 256 << 20
_MOST_WORKERS = 8


Sums = array  # of floats: for each point the sum and the count


@dataclass
class Curves:
    """What is kept of a part of a run: of its training, or of its validation.

    Attributes:
        steps: the numbers of all steps.
        sums: (metric, language) -> for each point its sum and count, flat.
        ends: the same for the first and the last tenth.
        warnings: (step, text).
    """

    steps: list[int]
    sums: dict[tuple[str, str], Sums] = field(default_factory=dict)
    ends: dict[tuple[str, str], Sums] = field(default_factory=dict)
    rows: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    samples: Picks = field(default_factory=list)
    _metrics: set[str] = field(default_factory=set)
    _languages: set[str] = field(default_factory=lambda: {OVERALL})

    @property
    def width(self) -> int:
        """Steps in a point."""
        return max(1, math.ceil(len(self.steps) / POINTS))

    @property
    def end(self) -> int:
        """Steps in the first and the last tenth."""
        return max(1, len(self.steps) // 10)

    def add(self, place: int, step: Step) -> None:
        """Adds the sums of the step at a place in `steps`."""
        points = math.ceil(len(self.steps) / self.width)
        for key, (total, count) in step.sums.items():
            if not (_room(self._metrics, key[0], MOST_METRICS) and _room(self._languages, key[1], MOST_LANGUAGES + 2)):
                continue
            _add(self.sums, key, points, place // self.width, total, count)
            if place < self.end:
                _add(self.ends, key, 2, 0, total, count)
            if place >= len(self.steps) - self.end:
                _add(self.ends, key, 2, 1, total, count)
        self.rows += step.rows
        self.unread += step.unread
        if len(self.codes) < 20:
            self.codes |= step.codes
        self.samples += step.picks

    def languages(self) -> list[str]:
        """Overall, and the languages with the most responses, by their codes."""
        counts = {language: sum(sums[::2]) for (metric, language), sums in self.sums.items() if metric == "rows"}
        counts.pop(OVERALL, None)
        return [OVERALL, *sorted(sorted(counts, key=lambda each: -counts[each])[:MOST_LISTED])]


def _room(known: set[str], name: str, most: int) -> bool:
    """Whether a name is known, or there is room for it; each step of a damaged run may bring new ones."""
    if name not in known and len(known) < most:
        known.add(name)
    return name in known


def _add(sums: dict[Any, Sums], key: Any, points: int, place: int, total: float, count: float) -> None:
    if key not in sums:
        sums[key] = array("d", bytes(16 * points))
    sums[key][2 * place] += total
    sums[key][2 * place + 1] += count


def read_part(
    files: Sequence[tuple[int, Path]], sample_bytes: int, *, warn: bool, workers: int | None = None
) -> Curves:
    """Reads the files of a part of a run, side by side where they are large; memory does not grow with them.

    Raises:
        DataError: a file cannot be read at all.
    """
    curves = Curves([step for step, _ in files])
    watch = Watch() if warn else None
    sampled = _spread_out(len(files))
    budget = sample_bytes // len(sampled)
    jobs = [(step, path, budget if place in sampled else 0) for place, (step, path) in enumerate(files)]
    for place, found in enumerate(_read(jobs, workers)):
        curves.add(place, found)
        if watch and len(curves.warnings) < MOST_WARNINGS:
            curves.warnings += [(found.step, text) for text in watch.look(found.step, found.metrics())]
    return curves


def _spread_out(steps: int) -> set[int]:
    """The places of the steps from which samples come: the first, the last, and some between."""
    most = min(steps, SAMPLED_STEPS)
    return {round(place * (steps - 1) / max(1, most - 1)) for place in range(most)}


_Job = tuple[int, Path, int]


def _read(jobs: Sequence[_Job], workers: int | None) -> Iterator[Step]:
    # Not every system says which CPUs are ours.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = workers or min(cpus, _MOST_WORKERS)
    if workers == 1 or sum(map(_size, jobs)) < _BYTES_FOR_WORKERS:
        yield from starmap(read_step, jobs)
        return
    try:
        yield from _side_by_side(jobs, workers)
    except BrokenProcessPool as error:
        raise DataError("a process that read the files was killed; was there too little memory?") from error


def _size(job: _Job) -> int:
    try:
        return job[1].stat().st_size
    except OSError:  # reading it says what is wrong
        return 0


def _side_by_side(jobs: Sequence[_Job], workers: int) -> Iterator[Step]:
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        left = iter(jobs)
        # A few at a time: results that wait are in memory.
        waiting = [pool.submit(read_step, *job) for job in islice(left, 2 * workers)]
        while waiting:
            found = waiting.pop(0).result()
            waiting += [pool.submit(read_step, *job) for job in islice(left, 1)]
            yield found


def as_page(curves: Curves, most_values: int = MOST_VALUES) -> dict[str, Any]:
    """The curves as the page has them: means, with four digits, in as many points as there is room for."""
    languages = curves.languages()
    metrics = sorted({metric for metric, _ in curves.sums}, key=_order)
    points = math.ceil(len(curves.steps) / curves.width)
    merged = max(1, math.ceil(points * len(languages) * len(metrics) / max(1, most_values)))
    width = curves.width * merged
    starts = range(0, len(curves.steps), width)
    return {
        "steps": [(curves.steps[at] + curves.steps[min(at + width, len(curves.steps)) - 1]) / 2 for at in starts],
        "width": width,
        "count": len(curves.steps),
        "rows": curves.rows,
        "languages": languages,
        "metrics": [shown(metric) for metric in metrics],
        "curves": _table(curves.sums, metrics, languages, merged),
        "ends": _table(curves.ends, metrics, languages, 1),
        "ranges": [[curves.steps[0], curves.steps[curves.end - 1]], [curves.steps[-curves.end], curves.steps[-1]]],
        "warnings": [[step, shown(text, 1000)] for step, text in curves.warnings],
        "notes": list(_notes(curves, languages)),
    }


def _table(
    sums: dict[tuple[str, str], Sums], metrics: Sequence[str], languages: Sequence[str], merged: int
) -> dict[str, dict[str, list[float | None]]]:
    found: dict[str, dict[str, list[float | None]]] = {}
    for metric in metrics:
        lines = {each: _means(sums[metric, each], merged, metric) for each in languages if (metric, each) in sums}
        if lines:
            found[shown(metric)] = lines
    return found


def _means(sums: Sums, merged: int, metric: str) -> list[float | None]:
    step = 2 * merged
    means: list[float | None] = []
    for at in range(0, len(sums), step):
        total, count = sum(sums[at : at + step : 2]), sum(sums[at + 1 : at + step : 2])
        means.append((total if metric == "rows" else float(f"{total / count:.4g}")) if count else None)
    return means


def _order(metric: str) -> tuple[int, str]:
    first = ("score", "accuracy", "score_right", "score_wrong")
    return (first.index(metric) if metric in first else 5 if "/" in metric else 6, metric)


def _notes(curves: Curves, languages: Sequence[str]) -> Iterator[str]:
    if not curves.rows:
        yield "no row could be read"
    if curves.unread:
        why = ", ".join(f"{shown(reason)}: {count:,}" for reason, count in curves.unread.most_common(5))
        yield f"{curves.unread.total():,} rows could not be read ({why}); they are in no figure"
    if curves.codes:
        which = ", ".join(f"{shown(code)!r}" for code in sorted(curves.codes)[:5])
        yield f"rows whose language is no language code ({which}) are listed as unknown"
    left_out = len({language for metric, language in curves.sums if metric == "rows"} - {*languages})
    if left_out:
        yield f"{left_out} more languages, with fewer rows, are in the overall figures only"
