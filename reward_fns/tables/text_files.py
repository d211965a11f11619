"""Values of .jsonl and .json files, and cells of .csv and .tsv files, in which a quotation mark is text."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.tables.files import (
    BOM,
    ROW_BYTES,
    Malformed,
    Record,
    ending,
    lines,
    not_utf8,
    open_packed,
    repeated,
    require_different,
    shown,
    too_long,
)

#: The longest .json file that is one document, which cannot be read in pieces.
DOCUMENT_BYTES = 64 << 20
_LONE_RETURN = re.compile(r"(?<=\r)(?!\n)(?!\Z)")


def json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """The values of a .jsonl or .json file, Malformed where there is none: as `records`, but not only objects."""
    if ending(path) == ".json":
        # A list or an object in the whole file, or a value on each line: the first line says which.
        first: Any = next((_value(raw) for _, raw in lines(path) if isinstance(raw, Malformed) or raw.strip()), {})
        if isinstance(first, Malformed | list):
            return _document(path)
    return _json_lines(path)


def as_record(value: Any) -> Record:
    if isinstance(value, dict | Malformed):
        return value
    return Malformed("not_an_object", f"expected an object with named values, found a {type(value).__name__}")


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, raw in lines(path):
        if isinstance(raw, Malformed):
            yield number, raw
        elif raw.strip():
            yield number, _value(raw)


def _document(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with open_packed(path) as file:
            raw = file.read(DOCUMENT_BYTES + 1)
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name!r} cannot be read: {error}") from error
    found = _value(raw.removeprefix(BOM)) if len(raw) <= DOCUMENT_BYTES else too_long(len(raw))
    if not isinstance(found, Malformed):
        yield from enumerate(found if isinstance(found, list) else [found], start=1)
    elif any(isinstance(_value(raw), dict) for _, raw in islice(lines(path), 100)):
        yield from _json_lines(path)  # whose first line is damaged
    else:
        raise DataError(
            f"{path.name!r}: {found.detail}; a .json file of more than {DOCUMENT_BYTES:,} bytes must hold an object on "
            "each line"
        )


def _value(raw: bytes | Malformed) -> Any:
    if isinstance(raw, Malformed):
        return raw
    try:
        return json.loads(raw.rstrip().decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return not_utf8(error)
    except _TwiceError as error:
        return Malformed("twice", f"a name stands twice in an object: {shown(error.args[0])}")
    except (ValueError, RecursionError) as error:
        return Malformed("not_json", f"not JSON: {_json_fault(error)}")


class _TwiceError(Exception):
    """Of two values under one name nobody can say which is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError(repeated(name for name, _ in pairs))
    return found


def _json_fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at {f'line {error.lineno}, ' if error.lineno > 1 else ''}column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


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


def rows_of_cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Record]]:
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
            raise _BadLine(too_long(self.taken))
        return piece

    def _pieces(self, path: Path) -> Iterator[str | Malformed]:
        for _, raw in lines(path):
            if isinstance(raw, Malformed):
                yield raw
            else:
                # A lone carriage return ends a line of a table as well.
                yield from _LONE_RETURN.split(raw.decode("utf-8", "surrogateescape"))
