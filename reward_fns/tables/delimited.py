"""Cells of .csv and .tsv files; in a .tsv file a quotation mark is text."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pbrlsvr.errors import DataError
from pbrlsvr.tables.files import ROW_BYTES, Malformed, Record, ending, lines, require_different, too_long

_LONE_RETURN = re.compile(r"(?<=\r)(?!\n)(?!\Z)")


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
