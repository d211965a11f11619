"""A copy of a file, with columns for the results: .parquet keeps its types, all others become .jsonl."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.table_files import Malformed, Record, ending
from pbrlsvr_plugin.json_lines import json_line
from pbrlsvr_plugin.whole_file import whole_file

_BATCH_ROWS = 1_000
Rows = Callable[[], Iterator[tuple[int, Record]]]
Entries = Callable[[], Iterator[dict[str, Any]]]


def write_copy(rows: Rows, entries: Entries, out: Path, prefix: str, file: Path) -> None:
    """Writes the copy: beside its place first, so that what stands there is whole.

    Args:
        rows: gives the rows of the file.
        entries: gives the results, {"result": ...} or {"error": ...}, in the same order.
        out: the copy.
        prefix: of the new columns.
        file: the file itself.

    Raises:
        DataError: the file is not the one that was scored.
        ConfigError: it has a column of the same name.
    """
    keys, failed = _keys(entries())
    present = {name for _, row in islice(rows(), _BATCH_ROWS) if not isinstance(row, Malformed) for name in row}
    if taken := sorted(present & {f"{prefix}{key}" for key in (*keys, "error")}):
        raise ConfigError(
            f"{file.name!r} has a column {taken[0]!r} already; run it again with another --prefix than {prefix!r}: "
            "what was scored is kept"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    packed, plain = out.suffix == ".gz", ending(file) == ".parquet"
    with whole_file(out) as draft:
        if out.suffix == ".parquet":
            _write_parquet(file, entries(), draft, prefix, keys, failed)
        else:
            _write_lines(rows(), entries(), draft, packed, prefix, keys, failed, plain)


def _keys(entries: Iterator[dict[str, Any]]) -> tuple[dict[str, bool], bool]:
    """What rewards returned -> whether it is a number in all rows; and whether rows have no score."""
    keys: dict[str, bool] = {}
    failed = False
    for entry in entries:
        failed |= "result" not in entry
        for key, value in entry.get("result", {}).items():
            keys[key] = keys.get(key, True) and (value is None or isinstance(value, bool | int | float))
    return keys or {"score": True}, failed


def _new(entry: dict[str, Any], prefix: str, keys: dict[str, bool], failed: bool) -> dict[str, Any]:
    result = entry.get("result", {})
    found = {f"{prefix}{key}": result.get(key) for key in keys}
    return {**found, **({f"{prefix}error": entry.get("error")} if failed else {})}


def _write_lines(
    rows: Iterator[tuple[int, Record]],
    entries: Iterator[dict[str, Any]],
    draft: Path,
    packed: bool,
    prefix: str,
    keys: dict[str, bool],
    failed: bool,
    typed: bool,
) -> None:
    with gzip.open(draft, "wb") if packed else draft.open("wb") as file:
        for (number, row), entry in zip(rows, entries, strict=True):
            if number != entry["row"]:
                raise DataError(f"row {number} of the file has changed while it was scored; score it again")
            kept = {} if isinstance(row, Malformed) else row
            # What only Arrow knows, such as a date, becomes text.
            kept = json.loads(json.dumps(kept, default=str)) if typed else kept
            file.write(json_line({**kept, **_new(entry, prefix, keys, failed)}).encode())


def _write_parquet(
    file: Path, entries: Iterator[dict[str, Any]], draft: Path, prefix: str, keys: dict[str, bool], failed: bool
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {f"{prefix}{key}": pa.float64() if number else pa.string() for key, number in keys.items()}
    kinds |= {f"{prefix}error": pa.string()} if failed else {}
    with ExitStack() as stack:
        source = stack.enter_context(pq.ParquetFile(file))
        schema = source.schema_arrow
        for name, kind in kinds.items():
            schema = schema.append(pa.field(name, kind))
        writer = stack.enter_context(pq.ParquetWriter(draft, schema))
        for batch in source.iter_batches(_BATCH_ROWS):
            new = [_new(entry, prefix, keys, failed) for entry in islice(entries, len(batch))]
            arrays = [*batch.slice(0, len(new)).columns]
            for name, kind in kinds.items():
                values = [one[name] for one in new]
                texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
                arrays.append(pa.array(texts if kind == pa.string() else values, kind))
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            if len(new) < len(batch):
                break
