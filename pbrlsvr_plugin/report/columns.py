"""Rows by column -> the values of each metric, one for each row: NaN where a row has none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pbrlsvr_plugin.report.rows import Chunk
from pbrlsvr_plugin.report.samples import FIELDS, LONGEST_NAME
from pbrlsvr_plugin.verl.metrics import UNKNOWN, Array, component_names, language_of, numbers, row_metrics

#: So many of a reward's numbers are read; a file can have a new key in every row.
MOST_COMPONENTS = 40
#: Languages of a file, and of a run; of more the responses are in the overall figures. CLDR knows about 700.
MOST_LANGUAGES = 300

_MOST_CODES, _MOST_KNOWN = 20, 4096
_LANGUAGE = "reasoning_language"
_FIELDS = {"score", "gts", "pivot_answer", "uid", "group", "data_source", "language", "response_length", "truncated"}
_NUMBERS_OF_OURS = {"acc", "answered", "answer_language_factor",
                    *(f"{_LANGUAGE}_{name}" for name in ("share", "english", "undetermined", "factor"))}  # fmt: skip


class Languages:
    """What rows' metrics are listed under, looked up once for each way in which rows say it.

    `codes` receives some of what rows call their language and no language is called.
    """

    def __init__(self, codes: set[str]):
        self._codes = codes
        self._known: dict[tuple[Any, Any], str] = {}
        self._found = {UNKNOWN}

    def of(self, chunk: Chunk) -> list[str]:
        """The language of each row."""
        keys = list(zip(chunk.column("language"), chunk.column("data_source"), strict=True))
        try:
            return [self._known[key] for key in keys]
        except (KeyError, TypeError):  # a new one; a list cannot be a key
            return [self._of(*key) for key in keys]

    def _of(self, language: Any, data_source: Any) -> str:
        try:
            return self._known[language, data_source]
        except (KeyError, TypeError):
            said, source = (each if isinstance(each, str) else None for each in (language, data_source))
        found = language_of(said, source or "")
        if found == UNKNOWN and said not in (None, UNKNOWN) and len(self._codes) < _MOST_CODES:
            self._codes.add(said[:LONGEST_NAME])
        if len(self._found) > MOST_LANGUAGES and found not in self._found:
            return UNKNOWN
        self._found.add(found)
        if (said, source) == (language, data_source) and len(self._known) < _MOST_KNOWN:
            self._known[said, source] = found
        return found


class Keys:
    """Which key of a row is what."""

    def __init__(self, names: set[str]):
        # A key of the reward's that is a field as well is `reward.<key>`.
        self.of = {key.removeprefix("reward."): key for key in sorted(names - FIELDS)}
        short = (name for name in component_names(self.of) if len(name) <= LONGEST_NAME)
        self.components = list(short)[:MOST_COMPONENTS]

    @staticmethod
    def wanted(names: set[str]) -> set[str]:
        """The keys that are read."""
        keys = Keys(names)
        missing = {f"{name}_missing" for name in keys.components}
        # veRL's own files have no groups: there the responses to one prompt are one.
        fields = _FIELDS if "group" in names else _FIELDS | {"input"}
        return fields | {keys.of[name] for name in {*_NUMBERS_OF_OURS, *keys.components, *missing} & keys.of.keys()}


class Columns:
    """The numbers of a chunk."""

    def __init__(self, chunk: Chunk):
        self._chunk = chunk
        self._keys = Keys(chunk.names)
        self._read: dict[str, Array] = {}

    def _field(self, name: str) -> Array:
        return numbers(self._chunk.column(name))

    def _of(self, name: str) -> Array:
        """A number of the reward's."""
        if name not in self._read:
            key = self._keys.of.get(name)
            self._read[name] = np.full(len(self._chunk), np.nan) if key is None else self._field(key)
        return self._read[name]

    def groups(self) -> NDArray[np.int64]:
        """A number for each prompt."""
        groups = self._chunk.column("group")
        if None in groups:
            groups = list(map(_group, groups, self._chunk.column("uid"), self._chunk.column("input")))
        return np.array([hash(each if isinstance(each, str) else str(each)) for each in groups], dtype=np.int64)

    def metrics(self) -> dict[str, Array]:
        truths = zip(self._chunk.column("gts"), self._chunk.column("pivot_answer"), strict=True)
        none = (None, "")
        # veRL itself calls the score of a reward that returns a bare number "acc".
        known = [len(self._keys.of) > 1 and (truth not in none or pivot not in none) for truth, pivot in truths]
        values = row_metrics(
            self._of,
            self._keys.components,
            score=self._field("score"),
            has_truth=np.array(known, dtype=bool),
            truncated=self._field("truncated"),
            length=self._field("response_length"),
        )
        score, accuracy = values["score"], values["accuracy"]
        return {
            **values,
            "score_right": np.where(accuracy >= 0.5, score, np.nan),
            "score_wrong": np.where(accuracy < 0.5, score, np.nan),
            "characters": numbers(self._chunk.characters),
        }


def _group(group: Any, uid: Any, asked: Any) -> Any:
    if group is None and isinstance(uid, str) and uid.count("_") >= 2:
        return uid.rsplit("_", 2)[0]
    return asked if group is None else group
