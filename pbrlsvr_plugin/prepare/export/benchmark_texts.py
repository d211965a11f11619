"""The texts of a benchmark file.

    .txt             a text on each line
    .tsv, .csv       the named column of the header; without one, the first column, header or not (MGSM's layout)
    all others       of `pbrlsvr.tables`: the named field, else the first of `COLUMNS` that a row has, else all its
                     texts; of a list of messages, what the user says

A field may be a path into objects: "extra_info.question".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.tables import ENDINGS, Malformed, ending, json_values, lines, records, shown_columns, table_cells
from pbrlsvr_plugin.prepare.load.mapping import get

#: Where benchmarks keep their question, the surest first.
COLUMNS = ("question", "problem", "extra_info.question", "prompt", "input", "text", "query", "instruction")


@dataclass(frozen=True)
class Benchmark:
    """A file, and the column with its texts."""

    path: Path
    column: str | None = None

    @classmethod
    def of(cls, name: str) -> "Benchmark":
        """From "path" or "path#column".

        Raises:
            ConfigError: there is no such file, or its ending is unknown.
        """
        path, _, column = name.partition("#") if not Path(name).is_file() else (name, "", "")
        if not Path(path).is_file():
            raise ConfigError(f"there is no benchmark file {path!r}; contamination.benchmarks has {name!r}")
        if not ending(Path(path)) and Path(path).suffix != ".txt":
            raise ConfigError(
                f"the benchmark {path!r} has none of the endings {['.txt', *ENDINGS]}, which say how to read it"
            )
        return cls(Path(path), column or None)


def read_texts(benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    """Place ("mgsm_de.tsv:12") and text of each item.

    Raises:
        DataError: the column is not there, or a line cannot be read.
    """
    for line, texts in _items(benchmark):
        for text in texts:
            if text.strip():
                yield f"{benchmark.path.name}:{line}", text


def _items(benchmark: Benchmark) -> Iterator[tuple[int, list[str]]]:
    path, kind = benchmark.path, ending(benchmark.path)
    if not kind:
        found: Iterator[tuple[int, Any]] = (
            (number, raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw) for number, raw in lines(path)
        )
    elif kind in (".csv", ".tsv"):
        found = _column(benchmark)
    else:
        found = json_values(path) if kind in (".json", ".jsonl") else records(path)
    for number, item in found:
        if isinstance(item, Malformed):
            raise DataError(f"{path.name}:{number}: {item.detail}")
        yield number, [item] if isinstance(item, str) else _texts(item, benchmark, number)


def _column(benchmark: Benchmark) -> Iterator[tuple[int, str | Malformed]]:
    rows, place = table_cells(benchmark.path), 0
    if benchmark.column:
        _, header = next(rows, (1, []))
        names = [] if isinstance(header, Malformed) else header
        if benchmark.column not in names:
            shown = shown_columns(names)
            raise DataError(f"{benchmark.path.name!r} has no column {benchmark.column!r}; it has {shown}")
        place = names.index(benchmark.column)
    for number, cells in rows:
        if isinstance(cells, Malformed):
            yield number, cells
        elif len(cells) > place:
            yield number, cells[place]


def _texts(item: Any, benchmark: Benchmark, number: int) -> list[str]:
    if benchmark.column:
        found = _field(item, benchmark.column)
        if found is None:
            keys = shown_columns([*item]) if isinstance(item, Mapping) else type(item).__name__
            raise DataError(f"{benchmark.path.name}:{number} has no column {benchmark.column!r}; it has {keys}")
        return _flat(found)
    return next((_flat(found) for name in COLUMNS if (found := _field(item, name)) is not None), None) or _flat(item)


def _field(item: Any, name: str) -> Any:
    return get(item, name) if isinstance(item, dict) else None


def _flat(value: Any) -> list[str]:
    """All texts in a value; of messages, those of the user."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        if {"role", "content"} <= value.keys():
            return _flat(value["content"]) if value["role"] == "user" else []
        return [text for part in value.values() for text in _flat(part)]
    if isinstance(value, Sequence):
        return [text for part in value for text in _flat(part)]
    return []
