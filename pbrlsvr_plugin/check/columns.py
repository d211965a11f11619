"""A table file -> the columns that veRL and the rewards read, a batch of rows at a time."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.tables import Malformed, Unpacked, ending, records, require_different

#: What is read of a row -> where it stands; the prompt's own column is chosen by veRL's `data.prompt_key`.
LEAVES = {
    "rule": ("reward_model",),
    "references": ("extra_info", "pivot_references"),
    "data_source": ("data_source",),
    "info": ("extra_info",),
    "language": ("extra_info", "language"),
    "reference": ("extra_info", "pivot_reasoning"),
    "truth": ("reward_model", "ground_truth"),
    "pivot_answer": ("extra_info", "pivot_answer"),
    "statement": ("extra_info", "pivot_answer_text"),
}
#: The columns without which veRL stops, or scores nothing.
NEEDED = ("data_source", "reward_model", "extra_info")

_ROWS = 10_000
_BATCH_BYTES = 64 << 20

Columns = dict[str, list[Any]]


def batches(path: Path, prompt_key: str = "prompt") -> Iterator[tuple[list[str], Columns, list[str]]]:
    """The file's columns by name, the leaves' values, and what is wrong with rows that could not be read.

    Raises:
        DataError: the file cannot be read, or unpacks to too much.
    """
    return _parquet(path, prompt_key) if ending(path) == ".parquet" else _rows(path, prompt_key)


def _rows(path: Path, prompt_key: str) -> Iterator[tuple[list[str], Columns, list[str]]]:
    numbered = records(path)
    while chunk := list(islice(numbered, _ROWS)):
        rows = [row for _, row in chunk if not isinstance(row, Malformed)]
        bad = [f"row {number}: {row.detail}" for number, row in chunk if isinstance(row, Malformed)]
        leaves = {name: [_leaf(row, place) for row in rows] for name, place in LEAVES.items()}
        leaves["info"] = [isinstance(info, dict | None) for info in leaves["info"]]
        names = dict.fromkeys(key for row in rows for key in row)
        yield list(names), {**leaves, "prompt": [row.get(prompt_key) for row in rows]}, bad


def _leaf(row: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _parquet(path: Path, prompt_key: str) -> Iterator[tuple[list[str], Columns, list[str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            require_different(path, names)
            info = file.schema_arrow.field("extra_info").type if "extra_info" in names else pa.null()
            is_mapping = pa.types.is_struct(info) or pa.types.is_null(info)
            leaves = [file.schema.column(place) for place in range(len(file.schema))]
            groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
            size = sum(group.column(place).total_uncompressed_size for group in groups
                       for place in range(group.num_columns))  # fmt: skip
            rows = file.metadata.num_rows
        Unpacked(path).add(size)
        places = [place for name, place in LEAVES.items() if name != "info"]
        wanted = [".".join(place) for place in (*places, (prompt_key,)) if place[0] in names]
        # As dictionaries: a text that many rows share is in memory once.
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        per_batch = max(1, min(_ROWS, _BATCH_BYTES * max(1, rows) // max(1, size)))
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            chosen = [*wanted, *([prompt_key] if prompt_key in names else [])]
            # A group at a time: nested texts that are read as dictionaries cannot go from one group into the next.
            for place in range(len(groups)):
                for batch in file.iter_batches(per_batch, row_groups=[place], columns=chosen):
                    found = {name: _values(batch, path) for name, path in LEAVES.items() if name != "info"}
                    found["info"] = [is_mapping] * len(batch)
                    yield names, {**found, "prompt": _values(batch, (prompt_key,))}, []
        if not rows:
            yield names, {name: [] for name in (*LEAVES, "prompt")}, []
    except DataError:
        raise
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        why = str(error).rstrip(".")
        raise DataError(f"{str(path)!r} is no parquet file that can be read: {why}; write it again") from error


def _values(batch: Any, place: tuple[str, ...]) -> list[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if place[0] not in batch.schema.names:
        return [None] * len(batch)
    array = batch.column(place[0])
    for name in place[1:]:
        if not pa.types.is_struct(array.type) or array.type.get_field_index(name) < 0:
            return [None] * len(batch)
        array = pc.struct_field(array, name)
    if not pa.types.is_dictionary(array.type):
        return list(array.to_pylist())
    values = array.dictionary.to_pylist()
    return [None if index is None else values[index] for index in array.indices.to_pylist()]
