"""A copy of a file, with columns for the results: .parquet keeps its types, all others become .jsonl."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.tables import Malformed, Record, ending
from pbrlsvr_plugin.json_lines import json_line
from pbrlsvr_plugin.whole_file import whole_file

_BATCH_ROWS = 1_000
Rows = Callable[[], Iterator[tuple[int, Record]]]
Entries = Callable[[], Iterator[dict[str, Any]]]


def write_copy(rows: Rows, entries: Entries, out: Path, prefix: str, file: Path) -> None:
    """Writes the copy: beside its place first, so that what stands there is whole.

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
    kinds = {f"{prefix}{key}": number for key, number in keys.items()} | ({f"{prefix}error": False} if failed else {})

    def new(entry: dict[str, Any]) -> dict[str, Any]:
        said = {**entry.get("result", {}), **({"error": entry.get("error")} if failed else {})}
        return {name: said.get(name.removeprefix(prefix)) for name in kinds}

    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as draft:
        if out.suffix == ".parquet":
            _write_parquet(file, map(new, entries()), draft, kinds)
        else:
            with gzip.open(draft, "wb") if out.suffix == ".gz" else draft.open("wb") as written:
                for (number, row), entry in zip(rows(), entries(), strict=True):
                    if number != entry["row"]:
                        raise DataError(f"row {number} of the file has changed while it was scored; score it again")
                    kept = {} if isinstance(row, Malformed) else row
                    # What only Arrow knows, such as a date, becomes text.
                    kept = json.loads(json.dumps(kept, default=str)) if ending(file) == ".parquet" else kept
                    written.write(json_line({**kept, **new(entry)}).encode())


def _keys(entries: Iterator[dict[str, Any]]) -> tuple[dict[str, bool], bool]:
    """What rewards returned -> whether it is a number in all rows; and whether rows have no score."""
    keys: dict[str, bool] = {}
    failed = False
    for entry in entries:
        failed |= "result" not in entry
        for key, value in entry.get("result", {}).items():
            keys[key] = keys.get(key, True) and (value is None or isinstance(value, bool | int | float))
    return keys or {"score": True}, failed


def _write_parquet(file: Path, entries: Iterator[dict[str, Any]], draft: Path, kinds: dict[str, bool]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as source, ExitStack() as stack:
        schema = source.schema_arrow
        for name, is_number in kinds.items():
            schema = schema.append(pa.field(name, pa.float64() if is_number else pa.string()))
        writer = stack.enter_context(pq.ParquetWriter(draft, schema))
        for batch in source.iter_batches(_BATCH_ROWS):
            new = list(islice(entries, len(batch)))
            arrays = [*batch.slice(0, len(new)).columns]
            for name, is_number in kinds.items():
                values = [one[name] for one in new]
                texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
                arrays.append(pa.array(values, pa.float64()) if is_number else pa.array(texts, pa.string()))
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            if len(new) < len(batch):
                break
