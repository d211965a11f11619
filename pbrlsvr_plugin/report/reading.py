"""A step's file -> sums per language: the metrics of `pbrlsvr_plugin.verl.metrics`, in arrays.

That module says what each metric is. Here stand besides, where a right answer is known, the mean score of the responses
that are right (`score_right`) and wrong (`score_wrong`), and `characters`, the mean length of a response. Files of
veRL's own, which lack most fields, give what they have: a group is then the rows with one prompt.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.table_files import Malformed, lines
from pbrlsvr_plugin.report.samples import FIELDS, LONGEST_NAME, Picker, Picks
from pbrlsvr_plugin.verl.metrics import NO_SPREAD, OVERALL, PREFIX, UNKNOWN, language_of

Array = NDArray[np.float64]
Row = dict[str, Any]

#: So many of a reward's numbers are read; a file can have a new key in every row.
MOST_COMPONENTS = 40
#: Languages of a file, and of a run; of more the responses are in the overall figures. CLDR knows about 700.
MOST_LANGUAGES = 300

_CHUNK = 2048
_MOST_CODES, _MOST_KNOWN = 20, 4096
_LARGEST = 1e100
_LANGUAGE = "reasoning_language"
_NUMBERS = {float, int, bool, type(None)}


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

    Args:
        step: its number.
        path: the file.
        sample_bytes: how many bytes of samples to pick; 0 for none.

    Raises:
        DataError: the file cannot be read at all.
    """
    found = Step(step)
    sums = _Sums()
    known = _Languages(found.codes)
    picker = Picker(step, sample_bytes) if sample_bytes else None
    for rows in _chunks(path, found):
        languages = [known.of(row) for row in rows]
        columns = _Columns(rows)
        values = columns.metrics()
        sums.add(languages, values, columns.groups())
        if picker:
            picker.look(rows, languages, values["score"], columns.accuracy())
        found.rows += len(rows)
    found.sums = sums.result()
    found.picks = picker.picks() if picker else []
    return found


def _chunks(path: Path, found: Step) -> Iterator[list[Row]]:
    rows: list[Row] = []
    # Of an agent's outputs (<group>_<response>_<output>, from 0) the last is what was scored.
    next_output: str | None = None
    for row in _rows(path, found.unread):
        uid = row.get("uid")
        if rows and uid == next_output and isinstance(uid, str):
            rows[-1] = row
            response, _, output = uid.rpartition("_")
            next_output = f"{response}_{int(output) + 1}"
            continue
        if len(rows) == _CHUNK:
            yield rows
            rows = []
        rows.append(row)
        next_output = None
        if isinstance(uid, str) and uid.endswith("_0") and uid[:-2].rpartition("_")[2].isdigit():
            next_output = f"{uid[:-1]}1"
    if rows:
        yield rows


def _rows(path: Path, unread: Counter[str]) -> Iterator[Row]:
    loads = _fast_loads()
    for _, raw in lines(path):
        if isinstance(raw, Malformed):
            unread[raw.reason] += 1
            continue
        try:
            row = loads(raw)
        except ValueError:
            # NaN, Infinity and half a surrogate pair are not JSON to a strict reader.
            if not raw.strip():
                continue
            try:
                row = json.loads(raw.decode("utf-8", "surrogateescape"))
            except (ValueError, RecursionError):
                unread["not JSON"] += 1
                continue
        if isinstance(row, dict):
            yield row
        else:
            unread["not an object"] += 1


def _fast_loads() -> Callable[[bytes], Any]:
    try:
        import orjson
    except ImportError:
        return json.loads
    return orjson.loads


class _Languages:
    """What a row's metrics are listed under, looked up once for each way in which rows say it."""

    def __init__(self, codes: set[str]):
        self._codes = codes
        self._known: dict[tuple[Any, Any], str] = {}
        self._found = {UNKNOWN}

    def of(self, row: Row) -> str:
        key = row.get("language"), row.get("data_source")
        try:
            return self._known[key]
        except (KeyError, TypeError):  # a list cannot be a key
            said, source = (each if isinstance(each, str) else None for each in key)
        found = language_of(said, source or "")
        if found == UNKNOWN and said not in (None, UNKNOWN) and len(self._codes) < _MOST_CODES:
            self._codes.add(said[:LONGEST_NAME])
        if len(self._found) > MOST_LANGUAGES and found not in self._found:
            return UNKNOWN
        self._found.add(found)
        if (said, source) == key and len(self._known) < _MOST_KNOWN:
            self._known[said, source] = found
        return found


class _Columns:
    """The rows' numbers as arrays, NaN where there is none."""

    def __init__(self, rows: Sequence[Row]):
        self._rows = rows
        keys: set[str] = set()
        for row in rows:
            keys.update(row)
        # A key of the reward's that is a field as well is `reward.<key>`.
        self._found = {key.removeprefix("reward."): key for key in sorted(keys - FIELDS)}
        self._read: dict[str, Array] = {}

    def _field(self, name: str) -> Array:
        try:
            # Most rows have the same keys, and this is twice as fast.
            return numbers(list(map(itemgetter(name), self._rows)))
        except KeyError:
            return numbers([row.get(name) for row in self._rows])

    def _of(self, name: str) -> Array:
        """A number of the reward's."""
        if name not in self._read:
            key = self._found.get(name)
            self._read[name] = np.full(len(self._rows), np.nan) if key is None else self._field(key)
        return self._read[name]

    def accuracy(self) -> Array:
        # veRL itself calls the score of a reward that returns a bare number "acc".
        if "acc" not in self._found or len(self._found) < 2:
            return np.full(len(self._rows), np.nan)
        none = (None, "")
        known = [row.get("gts") not in none or row.get("pivot_answer") not in none for row in self._rows]
        return np.where(known, self._of("acc"), np.nan)

    def groups(self) -> NDArray[np.int64]:
        """A number for each prompt."""
        found = []
        for row in self._rows:
            group = row.get("group")
            if group is None and isinstance(uid := row.get("uid"), str) and uid.count("_") >= 2:
                group = uid.rsplit("_", 2)[0]
            found.append(hash(str(row.get("input") if group is None else group)))
        return np.array(found, dtype=np.int64)

    def metrics(self) -> dict[str, Array]:
        score, accuracy = self._field("score"), self.accuracy()
        undetermined = np.nan_to_num(self._of(f"{_LANGUAGE}_undetermined")) != 0
        factors = np.fmin(self._of(f"{_LANGUAGE}_factor"), self._of("answer_language_factor"))
        return {
            "score": score,
            **{f"component/{name}": self._component(name) for name in self._components()},
            "accuracy": accuracy,
            "score_right": np.where(accuracy >= 0.5, score, np.nan),
            "score_wrong": np.where(accuracy < 0.5, score, np.nan),
            "unanswered": 1 - self._of("answered"),
            "truncated": self._field("truncated"),
            "gated": np.where(np.isnan(factors), np.nan, factors < 1),
            "other_language": np.where(undetermined, np.nan, 1 - self._of(f"{_LANGUAGE}_share")),
            "english": np.where(undetermined, np.nan, self._of(f"{_LANGUAGE}_english")),
            "length": self._field("response_length"),
            "characters": numbers([len(text) if isinstance(text := row.get("output"), str) else None
                                   for row in self._rows]),
        }  # fmt: skip

    def _components(self) -> list[str]:
        """Those that a reward of ours names by `<name>_missing`; of another reward each number that it returns."""
        names = [name for name in self._found if len(name) <= LONGEST_NAME]
        ours = [name for name in names if f"{name}_missing" in self._found]
        others = (name for name in names if name not in ("score", "acc", "answered") and "_language_" not in name)
        return (ours or list(others))[:MOST_COMPONENTS]

    def _component(self, name: str) -> Array:
        return np.where(np.nan_to_num(self._of(f"{name}_missing")) != 0, np.nan, self._of(name))


def numbers(values: Sequence[Any]) -> Array:
    """The values as floats; NaN for what is no number, not finite, or beyond any score."""
    found = None
    if set(map(type, values)) <= _NUMBERS:
        try:
            found = np.array(values, dtype=np.float64)
        except OverflowError:
            found = None
    if found is None:
        found = np.array([_number(value) for value in values], dtype=np.float64)
    found[~(np.abs(found) < _LARGEST)] = np.nan
    return found


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) else np.nan
    except OverflowError:
        return np.nan


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
