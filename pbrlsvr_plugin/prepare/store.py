"""The folder of a stage: part files, the rejected rows, and what was done.

    <work>/2-reference/part-00000.parquet ...   the rows that go on
    <work>/2-reference/rejects.jsonl            the rows that do not, with the reason
    <work>/2-reference/stage.json               fingerprint, counts, seconds; the digest of each part

A stage writes into `2-reference.partial`, and that folder takes the place of `2-reference` when all of it is on the
disk: a folder without `.partial` is always whole. The bytes depend only on the rows: equal rows give equal files.
"""

import errno
import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.json_lines import json_line, json_value
from pbrlsvr_plugin.prepare.stage import CANDIDATE, FIELDS, TEXTS, Row, digest
from pbrlsvr_plugin.whole_file import sync

#: Rows in a part file, and in the memory of a reader or a writer.
PART_ROWS = 10_000
_GROUP_ROWS = 1_000

_TEXTS_BY_NAME = pa.map_(pa.string(), pa.string())
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in TEXTS),
        ("line", pa.int64()),
        ("translations", _TEXTS_BY_NAME),
        ("candidates", pa.list_(pa.struct([(name, pa.string()) for name in CANDIDATE]))),
        ("extra", _TEXTS_BY_NAME),
    ]
)


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Makes one clear error of a full disk, a read-only folder, or a file where a folder should be.

    Raises:
        ConfigError: something could not be written or read.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        code = error.errno if isinstance(error, OSError) else None
        place = getattr(error, "filename", None) or str(folder)
        if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "full" in str(error):
            advice = "Free some space there, or name another folder with `out` or `work`."
        elif code in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP):
            advice = "A file or a link stands where a folder should be: name another folder with `out` or `work`."
        else:
            advice = "May this user write there? Change that, or name another folder with `out` or `work`."
        raise ConfigError(
            f"{str(place)!r} cannot be used: {error}. {advice} What was answered so far is kept: then run the same "
            "command again"
        ) from error


class PartRows:
    """The rows of a finished stage, read part by part each time they are iterated over."""

    def __init__(self, folder: Path):
        self._paths = sorted(folder.glob("part-*.parquet"))
        self._length: int = sum(pq.read_metadata(path).num_rows for path in self._paths)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Row]:
        for path in self._paths:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_GROUP_ROWS):
                    yield from batch.to_pylist(maps_as_pydicts="strict")


class StageWriter:
    """Writes the folder of one stage. Use as a context manager; `finish` makes it count, an error leaves no trace."""

    def __init__(self, folder: Path, name: str):
        self.rows_out = 0
        self.rejected: Counter[str] = Counter()
        #: The first of each reason, for people.
        self.examples: dict[str, str] = {}
        self._name = name
        self._folder = folder
        self._partial = folder.with_name(f"{folder.name}.partial")
        self._buffer: list[Row] = []
        self._writer: pq.ParquetWriter | None = None
        self._parts: list[dict[str, Any]] = []
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._rejects = (self._partial / "rejects.jsonl").open("w", encoding="utf-8")

    def write(self, row: Row) -> None:
        """Takes a row that goes on.

        Raises:
            DataError: the row lacks a key, or a value is not of the type that `stage.py` says.
        """
        if row.keys() != _FIELD_SET:
            odd = sorted(_FIELD_SET ^ row.keys())
            raise DataError(f"stage {self._name!r} gave the row {row.get('id')!r} with keys missing or unknown: {odd}")
        if detail := no_unicode(row):
            self.reject(row, "not_unicode", detail)
            return
        self._buffer.append(row)
        self.rows_out += 1
        if len(self._buffer) >= _GROUP_ROWS:
            self._flush()
        if self.rows_out % PART_ROWS == 0:
            self._close_part()

    def reject(self, row: Mapping[str, Any], reason: str, detail: str = "") -> None:
        """Takes a row that does not go on. See `stage.Reject`."""
        self.rejected[reason] += 1
        self.examples.setdefault(reason, f"{row.get('id')}: {reason}: {detail}")
        entry = {key: row.get(key, "") for key in ("id", "source", "line", "language")}
        entry = {"stage": self._name, **entry, "reason": reason, "detail": detail}
        self._rejects.write(json_line(entry))

    def finish(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Puts everything on the disk and in its place. Returns what is in `stage.json`."""
        self._close_part()
        self._rejects.flush()
        os.fsync(self._rejects.fileno())
        self._rejects.close()
        report = {
            "name": self._name,
            **report,
            "rows_out": self.rows_out,
            "rejected": dict(sorted(self.rejected.items())),
            "parts": self._parts,
        }
        path = self._partial / "stage.json"
        path.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
        sync(path)
        sync(self._partial)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._partial.rename(self._folder)
        sync(self._folder.parent)
        return dict(report)

    def __enter__(self) -> "StageWriter":
        return self

    def __exit__(self, *error: object) -> None:
        # On a full disk closing fails as well, and must not hide why.
        with suppress(OSError):
            self._rejects.close()
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        shutil.rmtree(self._partial, ignore_errors=True)

    def _flush(self) -> None:
        if not self._buffer:
            return
        if self._writer is None:
            path = self._partial / f"part-{len(self._parts):05d}.parquet"
            self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        try:
            table = pa.Table.from_pylist([_plain(row) for row in self._buffer], schema=SCHEMA)
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as error:
            first = self._buffer[0]["id"]
            raise DataError(
                f"stage {self._name!r}, rows from {first!r} on: a value has the wrong type: {error}"
            ) from error
        self._writer.write_table(table)
        self._buffer = []

    def _close_part(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            path = self._partial / f"part-{len(self._parts):05d}.parquet"
            sync(path)
            rows, size = pq.read_metadata(path).num_rows, path.stat().st_size
            self._parts.append({"file": path.name, "rows": rows, "bytes": size, "sha256": digest(path)})


_FIELD_SET = frozenset(FIELDS)


def no_unicode(value: Any, name: str = "") -> str:
    """Where half of a surrogate pair stands, which no file can hold, for people; "" where there is none."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            return f"{name} has half of a surrogate pair at {error.start}"
        return ""
    if isinstance(value, dict):
        return next(filter(None, (no_unicode(key, name) or no_unicode(each, key) for key, each in value.items())), "")
    return next(filter(None, (no_unicode(each, name) for each in value)), "") if isinstance(value, list) else ""


def _plain(row: Row) -> Row:
    # Arrow takes a map as pairs; sorted, so that the bytes do not depend on the order of insertion.
    maps = {key: sorted(row[key].items()) for key in ("translations", "extra")}
    return {**row, **maps}


def read_report(folder: Path) -> dict[str, Any] | None:
    """`stage.json` of a stage whose files are all there and as they were written, else None."""
    try:
        report: dict[str, Any] = json_value((folder / "stage.json").read_bytes())
        whole = all(digest(folder / part["file"]) == part["sha256"] for part in report["parts"])
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None
    return report if whole else None
