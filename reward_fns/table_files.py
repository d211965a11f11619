"""Rows of table files, one at a time, whatever is in the file: the one reader of this package.

    .jsonl           one object a line
    .json            the same; or a list of objects, or one object, in the whole file
    .csv, .tsv       a header line; in a .tsv file a quotation mark is text
    .parquet         any, nested columns too

Text files may be compressed (.gz, .zst, .bz2). A row that cannot be read is handed on as `Malformed` and the reading
goes on. Memory is bounded by `ROW_BYTES`, whatever the file claims: a row is measured before it is made into Python
objects, and a file that unpacks to far more than its size is refused. What a file holds is not repeated in errors.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
COMPRESSED = (".gz", ".zst", ".bz2")
#: The longest row, unpacked.
ROW_BYTES = 8 << 20
#: A file is refused that unpacks to more than this and to more than `UNPACKED_TIMES` its size.
UNPACKED_BYTES, UNPACKED_TIMES = 256 << 20, 200
#: The longest .json file that is one document, which cannot be read in pieces.
DOCUMENT_BYTES = 64 << 20
#: What a value costs in memory besides its characters.
_VALUE_BYTES = 64
#: What a row costs besides: a file of empty lines is out of proportion, too.
_LINE_BYTES = 256
_BATCH_ROWS = 1_000
_BOM = b"\xef\xbb\xbf"
#: How files begin that are no text in UTF-8 -> what they are, and what to do.
_NO_TEXT = {
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"\x1f\x8b": "packed with gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "packed with zstd; let its name end in .zst",
    b"BZh": "packed with bzip2; let its name end in .bz2",
    b"PK\x03\x04": "a zip archive or a spreadsheet; take out the table and save it as .csv or .jsonl",
    b"PAR1": "a parquet file; let its name end in .parquet",
}
_LONE_RETURN = re.compile(r"(?<=\r)(?!\n)(?!\Z)")


@dataclass(frozen=True)
class Malformed:
    """What stands where a row should: a short reason code, and a text for people."""

    reason: str
    detail: str


Record = dict[str, Any] | Malformed


def ending(path: Path) -> str:
    """The ending that says how a file is read, or "" for one that is unknown.

    >>> ending(Path("train.jsonl.gz")), ending(Path("notes.txt"))
    ('.jsonl', '')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] != [] and suffixes[-1] in COMPRESSED
    endings = suffixes[-2:] if packed else suffixes[-1:]
    known = ENDINGS[:-1] if packed else ENDINGS
    return endings[0] if endings and endings[0] in known else ""


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
        return _parquet(path)
    if kind in (".csv", ".tsv"):
        return _cells(path, columns)
    if kind in (".json", ".jsonl"):
        return ((number, _as_record(value)) for number, value in json_values(path))
    raise DataError(f"{path.name!r} has none of the endings {list(ENDINGS)}, which say how a file is read")


def lines(path: Path) -> Iterator[tuple[int, bytes | Malformed]]:
    r"""The lines of a text file, also a compressed one; only "\n" ends a line. One that is too long is Malformed.

    Raises:
        DataError: the file cannot be read, or unpacks to too much.
    """
    unpacked = Unpacked(path)
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(ROW_BYTES + 1):
                number += 1
                unpacked.add(_LINE_BYTES + len(raw))
                if number == 1 and (what := next((_NO_TEXT[each] for each in _NO_TEXT if raw.startswith(each)), "")):
                    raise DataError(f"{path.name!r} cannot be read: it is {what}")
                if len(raw) <= ROW_BYTES:
                    yield number, raw.removeprefix(_BOM) if number == 1 else raw
                    continue
                length = len(raw)
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(1 << 20)
                    length += len(raw)
                    unpacked.add(len(raw))
                yield number, _too_long(length)
    except (OSError, EOFError, MemoryError) as error:
        raise DataError(f"{path.name}:{number + 1}: the file cannot be read: {error}") from error


class Unpacked:
    """Counts what a file unpacks to.

    Raises:
        DataError: from `add`: it is out of all proportion to the file's size.
    """

    def __init__(self, path: Path):
        self._name, self._size, self._bytes = path.name, path.stat().st_size if path.exists() else 0, 0
        self._limit = max(UNPACKED_BYTES, UNPACKED_TIMES * self._size)

    def add(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limit:
            raise DataError(
                f"{self._name!r} has {self._size:,} bytes and unpacks to more than {self._limit:,}, which is more than "
                f"{UNPACKED_TIMES:,} times as much; if that is right, write it as an uncompressed .jsonl file"
            )


def shown_columns(names: Sequence[object]) -> str:
    """Names of columns for an error: 20 at most, and only what looks like a name.

    The first line of a file that is no table, such as a key or a password file, would be shown otherwise.

    >>> shown_columns(["question", "answer"]), shown_columns(["root:x:0:0:root:/root:/bin/bash"])
    ("['question', 'answer']", '1 column whose name is not shown')
    """
    texts = [str(name) for name in names]
    if len(texts) == 1 and not re.fullmatch(r"[a-z_.]{1,40}", texts[0], re.I | re.A):
        return "1 column whose name is not shown"
    more = f" and {len(texts) - 20} more" if len(texts) > 20 else ""
    return f"[{', '.join(map(_shown, texts[:20]))}]{more}"


def _shown(name: str) -> str:
    return repr(name) if re.fullmatch(r"\w[\w .()/-]{0,39}", name) else "'...'"


def _too_long(length: int) -> Malformed:
    return Malformed("too_long", f"the row has {length:,} bytes or more; {ROW_BYTES:,} are read")


def _open(path: Path) -> io.BufferedReader:
    if path.suffix.lower() not in COMPRESSED:
        # A quarter of the time that the default, 8 KiB, takes for rows of a few kilobytes.
        return io.BufferedReader(io.FileIO(path), 1 << 18)
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(str(path), compression="detect"), 1 << 20)


def json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """The values of a .jsonl or .json file, Malformed where there is none: as `records`, but not only objects."""
    if ending(path) == ".json":
        # A list or an object in the whole file, or a value on each line: the first line says which.
        first: Any = next((_value(raw) for _, raw in lines(path) if isinstance(raw, Malformed) or raw.strip()), {})
        if isinstance(first, Malformed | list):
            return _document(path)
    return _json_lines(path)


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, raw in lines(path):
        if isinstance(raw, Malformed):
            yield number, raw
        elif raw.strip():
            yield number, _value(raw)


def _value(raw: bytes | Malformed) -> Any:
    if isinstance(raw, Malformed):
        return raw
    try:
        return json.loads(raw.rstrip().decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return _not_utf8(error)
    except _TwiceError as error:
        return Malformed("twice", f"a name stands twice in an object: {_shown(error.args[0])}")
    except (ValueError, RecursionError) as error:
        return Malformed("not_json", f"not JSON: {_json_fault(error)}")


class _TwiceError(Exception):
    """Of two values under one name nobody can say which is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for place, name in enumerate(names) if name in names[:place]))
    return found


def require_different(path: Path, names: Sequence[str]) -> None:
    """
    Raises:
        DataError: two columns have the same name, and a reader would take one of them in silence.
    """
    # Spreadsheets write empty columns, which nobody asks for.
    twice = [name for place, name in enumerate(names) if name.strip() and name in names[:place]]
    if twice:
        raise DataError(f"{path.name!r} has two columns of the name {_shown(twice[0])}; rename one")


def _as_record(value: Any) -> Record:
    return value if isinstance(value, dict | Malformed) else _no_object(value)


def _document(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with _open(path) as file:
            raw = file.read(DOCUMENT_BYTES + 1)
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name!r} cannot be read: {error}") from error
    found = _value(raw.removeprefix(_BOM)) if len(raw) <= DOCUMENT_BYTES else _too_long(len(raw))
    if not isinstance(found, Malformed):
        yield from enumerate(found if isinstance(found, list) else [found], start=1)
    elif any(isinstance(_value(raw), dict) for _, raw in islice(lines(path), 100)):
        yield from _json_lines(path)  # whose first line is damaged
    else:
        raise DataError(
            f"{path.name!r}: {found.detail}; a .json file of more than {DOCUMENT_BYTES:,} bytes must hold an object on "
            "each line"
        )


def _json_fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at {f'line {error.lineno}, ' if error.lineno > 1 else ''}column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def _no_object(found: object) -> Malformed:
    return Malformed("not_an_object", f"expected an object with named values, found a {type(found).__name__}")


def _not_utf8(error: UnicodeError) -> Malformed:
    place = f"byte {error.start + 1}: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error)
    return Malformed("not_utf8", f"not UTF-8 ({place}); save the file as UTF-8")


class _BadLine(Exception):  # noqa: N818
    """Carries a Malformed through csv.reader."""

    def __init__(self, found: Malformed):
        super().__init__(found.detail)
        self.found = found


class _Feed(Iterator[str]):
    """The lines of a file for `csv.reader`, which may take several for one row."""

    def __init__(self, path: Path):
        self._lines = self._pieces(path)
        self.number = self.taken = 0

    def __next__(self) -> str:
        piece = next(self._lines)
        self.number += 1
        if isinstance(piece, Malformed):
            raise _BadLine(piece)
        self.taken += len(piece)
        if self.taken > ROW_BYTES:
            raise _BadLine(_too_long(self.taken))
        return piece

    def _pieces(self, path: Path) -> Iterator[str | Malformed]:
        for _, raw in lines(path):
            if isinstance(raw, Malformed):
                yield raw
            else:
                # A lone carriage return ends a line of a table as well.
                yield from _LONE_RETURN.split(raw.decode("utf-8", "surrogateescape"))


def table_cells(path: Path) -> Iterator[tuple[int, list[str] | Malformed]]:
    """The cells of each line of a .csv or .tsv file, the header's too; bytes that are not UTF-8 are lone surrogates."""
    csv.field_size_limit(ROW_BYTES)
    feed = _Feed(path)
    tabs = ending(path) == ".tsv"
    reader = csv.reader(feed, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(feed)
    while True:
        line = feed.number + 1
        feed.taken = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _BadLine as error:
            yield line, error.found
        except csv.Error as error:
            yield line, Malformed("not_csv", f"not CSV: {error}")
        else:
            if any(cell.strip() for cell in cells):
                yield line, cells


def _cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Record]]:
    names = list(columns)
    for line, cells in table_cells(path):
        if isinstance(cells, Malformed):
            if not names:
                raise DataError(f"{path.name}:{line}: the header cannot be read: {cells.detail}")
            yield line, cells
        elif names:
            yield line, _row(names, cells)
        else:
            require_different(path, cells)
            names = cells


def _row(columns: list[str], cells: list[str]) -> Record:
    if len(cells) != len(columns):
        return Malformed("wrong_cells", f"{len(cells)} cells where there are {len(columns)} columns")
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        return Malformed("not_utf8", "not UTF-8; save the file as UTF-8")
    return dict(zip(columns, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Record]]:
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
        return _too_long(size)
    try:
        return dict(row.to_pylist()[0])
    except UnicodeDecodeError as error:
        return _not_utf8(error)
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
