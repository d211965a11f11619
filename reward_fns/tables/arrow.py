"""Rows of parquet files, and of any batch of Arrow; each is measured before it becomes Python objects."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import DataError
from pbrlsvr.tables.files import ROW_BYTES, Malformed, Record, Unpacked, not_utf8, require_different, too_long

if TYPE_CHECKING:
    import pyarrow as pa

#: What a value costs in memory besides its characters.
_VALUE_BYTES = 64
_BATCH_ROWS = 1_000


def parquet_rows(path: Path) -> Iterator[tuple[int, Record]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    unpacked = Unpacked(path)
    number = 0
    try:
        with pq.ParquetFile(path, buffer_size=1 << 20) as file:
            require_different(path, file.schema_arrow.names)
            leaves = [file.schema.column(place) for place in range(len(file.schema))]
            # As dictionaries: a long text that a million rows share is in memory once.
            texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
            groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
        Unpacked(path).add(sum(map(_group_bytes, groups)))
        largest = max((_group_bytes(group) // max(1, group.num_rows) for group in groups), default=0)
        rows = max(1, min(_BATCH_ROWS, 8 * ROW_BYTES // max(1, largest)))
        with pq.ParquetFile(path, buffer_size=1 << 20, read_dictionary=texts) as file:
            # A group at a time: nested texts that are read as dictionaries cannot go from one group into the next.
            for place in range(len(groups)):
                for batch in file.iter_batches(batch_size=rows, row_groups=[place]):
                    for row in rows_of(batch, unpacked):
                        number += 1
                        yield number, row
    except (pa.ArrowException, OSError, MemoryError) as error:
        why = str(error) or "out of memory"
        raise DataError(
            f"{path.name!r} is no parquet file that can be read, after row {number:,}: {why}; write it again"
        ) from error


def _group_bytes(group: Any) -> int:
    columns = [group.column(place) for place in range(group.num_columns)]
    return sum(max(column.total_uncompressed_size, 4 * column.num_values) for column in columns)


def rows_of(batch: "pa.RecordBatch", unpacked: Unpacked) -> Iterator[Record]:
    """The rows of a batch of Arrow; each is measured before it becomes Python objects.

    Raises:
        DataError: the file unpacks to too much.
    """
    size = sum(map(_size, batch.columns))
    if size <= 8 * ROW_BYTES:
        try:
            found: list[dict[str, Any]] = batch.to_pylist()
        except (ValueError, OverflowError):
            pass
        else:
            unpacked.add(size)
            yield from found if size <= ROW_BYTES else (_checked(batch, place) for place in range(len(batch)))
            return
    for place in range(len(batch)):
        unpacked.add(sum(_size(column) for column in batch.slice(place, 1).columns))
        yield _checked(batch, place)


def _checked(batch: "pa.RecordBatch", place: int) -> Record:
    row = batch.slice(place, 1)
    if (size := sum(map(_size, row.columns))) > ROW_BYTES:
        return too_long(size)
    try:
        return dict(row.to_pylist()[0])
    except UnicodeDecodeError as error:
        return not_utf8(error)
    except (ValueError, OverflowError) as error:
        return Malformed("unreadable", f"a value cannot be read: {error}")


def _size(array: Any) -> int:
    """Bytes of the Python objects of an array of Arrow, roughly, without making them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    own, kind = _VALUE_BYTES * len(array), array.type
    if isinstance(array, pa.ExtensionArray):
        return _size(array.storage)
    if pa.types.is_dictionary(kind):
        if not pa.types.is_binary(kind.value_type) and not pa.types.is_string(kind.value_type):
            return own + int(array.dictionary.nbytes) * len(array)
        return own + int(pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0)
    if kind in (pa.string(), pa.binary(), pa.large_string(), pa.large_binary()):
        return own + int(pc.sum(pc.binary_length(array)).as_py() or 0)
    if isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return own + _size(array.flatten())
    if pa.types.is_struct(kind):
        return own + sum(map(_size, array.flatten()))
    return own + int(array.nbytes)
