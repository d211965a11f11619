"""The texts of a benchmark file.

    .txt             a text on each line
    .tsv, .csv       the named column of the header; without one, the first column, header or not (MGSM's layout)
    .jsonl, .json    the named field of each object, else the first of `COLUMNS` that it has, else all its texts
    .parquet         the same; of a list of messages, what the user says

A field may be a path into objects: "extra_info.question".
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError

#: Where benchmarks keep their question, the surest first.
COLUMNS = ("question", "problem", "extra_info.question", "prompt", "input", "text", "query", "instruction")
_ENDINGS = (".txt", ".tsv", ".csv", ".jsonl", ".json", ".parquet")


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
        if Path(path).suffix not in _ENDINGS:
            raise ConfigError(
                f"the benchmark {path!r} has none of the endings {list(_ENDINGS)}, which say how to read it"
            )
        return cls(Path(path), column or None)


def read_texts(benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    """Place ("mgsm_de.tsv:12") and text of each item.

    Raises:
        DataError: the column is not there, or a line cannot be read.
    """
    read = {".txt": _lines, ".tsv": _table, ".csv": _table, ".jsonl": _json_lines, ".json": _json, ".parquet": _parquet}
    for line, texts in read[benchmark.path.suffix](benchmark):
        for text in texts:
            if text.strip():
                yield f"{benchmark.path.name}:{line}", text


def _lines(benchmark: Benchmark) -> Iterator[tuple[int, list[str]]]:
    with benchmark.path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            yield number, [line]


def _table(benchmark: Benchmark) -> Iterator[tuple[int, list[str]]]:
    tabs = benchmark.path.suffix == ".tsv"
    with benchmark.path.open(encoding="utf-8-sig", newline="") as file:
        # Quotes in a .tsv are text: MGSM has them unpaired.
        rows = csv.reader(file, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL)
        place = 0
        if benchmark.column:
            header = next(rows, [])
            if benchmark.column not in header:
                raise DataError(f"{benchmark.path.name!r} has no column {benchmark.column!r}; it has {header}")
            place = header.index(benchmark.column)
        for row in rows:
            if len(row) > place:
                yield rows.line_num, [row[place]]


def _json_lines(benchmark: Benchmark) -> Iterator[tuple[int, list[str]]]:
    with benchmark.path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{benchmark.path.name}:{number} is not JSON: {error}") from error
            yield number, _texts(item, benchmark, number)


def _json(benchmark: Benchmark) -> Iterator[tuple[int, list[str]]]:
    try:
        items = json.loads(benchmark.path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{benchmark.path.name!r} is not JSON: {error}") from error
    for number, item in enumerate(items if isinstance(items, list) else [items], 1):
        yield number, _texts(item, benchmark, number)


def _parquet(benchmark: Benchmark) -> Iterator[tuple[int, list[str]]]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(benchmark.path) as file:
        for batch in file.iter_batches(batch_size=1_000):
            for item in batch.to_pylist():
                number += 1
                yield number, _texts(item, benchmark, number)


def _texts(item: Any, benchmark: Benchmark, number: int) -> list[str]:
    if benchmark.column:
        found = _field(item, benchmark.column)
        if found is None:
            keys = sorted(item) if isinstance(item, Mapping) else type(item).__name__
            raise DataError(f"{benchmark.path.name}:{number} has no field {benchmark.column!r}; it has {keys}")
        return _flat(found)
    return next((_flat(found) for name in COLUMNS if (found := _field(item, name)) is not None), None) or _flat(item)


def _field(item: Any, name: str) -> Any:
    for part in name.split("."):
        if not isinstance(item, Mapping):
            return None
        item = item.get(part)
    return item


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
