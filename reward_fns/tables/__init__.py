"""Rows of table files, one at a time, whatever is in the file: the one reader of this package.

    .jsonl           one object a line
    .json            the same; or a list of objects, or one object, in the whole file
    .csv, .tsv       a header line; in a .tsv file a quotation mark is text
    .parquet         any, nested columns too

Text files may be compressed (.gz, .zst, .bz2). A row that cannot be read is handed on as `Malformed` and the reading
goes on. Memory is bounded by `ROW_BYTES`, whatever the file claims: a row is measured before it is made into Python
objects, and a file that unpacks to far more than its size is refused. What a file holds is not repeated in errors.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pbrlsvr.errors import DataError
from pbrlsvr.tables.arrow import parquet_rows
from pbrlsvr.tables.arrow import rows_of as rows_of
from pbrlsvr.tables.files import COMPRESSED as COMPRESSED
from pbrlsvr.tables.files import ENDINGS as ENDINGS
from pbrlsvr.tables.files import ROW_BYTES as ROW_BYTES
from pbrlsvr.tables.files import Malformed as Malformed
from pbrlsvr.tables.files import Record as Record
from pbrlsvr.tables.files import Unpacked as Unpacked
from pbrlsvr.tables.files import distinct as distinct
from pbrlsvr.tables.files import ending as ending
from pbrlsvr.tables.files import lines as lines
from pbrlsvr.tables.files import require_different as require_different
from pbrlsvr.tables.files import shown_columns as shown_columns
from pbrlsvr.tables.files import table_paths as table_paths
from pbrlsvr.tables.text_files import as_record, rows_of_cells
from pbrlsvr.tables.text_files import json_values as json_values
from pbrlsvr.tables.text_files import table_cells as table_cells


def records(path: Path, columns: Sequence[str] = ()) -> Iterator[tuple[int, Record]]:
    """The rows of a file with their numbers from 1: the line of a text file, the place in a parquet file or a list.

    Args:
        path: a file with one of the `ENDINGS`.
        columns: the names of the columns of a .csv or .tsv file without a header line.

    Raises:
        DataError: the file as a whole cannot be read, or unpacks to too much.
    """
    kind = ending(path)
    if kind == ".parquet":
        return parquet_rows(path)
    if kind in (".csv", ".tsv"):
        return rows_of_cells(path, columns)
    if kind in (".json", ".jsonl"):
        return ((number, as_record(value)) for number, value in json_values(path))
    raise DataError(f"{path.name!r} has none of the endings {list(ENDINGS)}, which say how a file is read")
