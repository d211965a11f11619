"""Texts of another file by the id of a row; on the disk, so that memory stays flat."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.tables import shown_columns
from pbrlsvr_plugin.prepare.load.mapping import RowError, one_text
from pbrlsvr_plugin.prepare.load.sources import Malformed, find_sources


class ById:
    """(id, language, text), of which the first of an id and a language counts, or with `last` the last."""

    def __init__(self, scratch: Path, entries: Iterable[tuple[str, str, str]], *, last: bool = False):
        self._db = sqlite3.connect(scratch / "by_id.sqlite", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE found (id TEXT, language TEXT, text TEXT, PRIMARY KEY (id, language))")
        self._db.execute("BEGIN")
        otherwise = "REPLACE" if last else "IGNORE"
        self._db.executemany(f"INSERT OR {otherwise} INTO found VALUES (?, ?, ?)", entries)
        self._db.execute("COMMIT")

    def of(self, *ids: str | None) -> dict[str, str]:
        """Language -> text; of the ids the first that has one in that language."""
        found: dict[str, str] = {}
        for each in reversed(ids):
            query = "SELECT language, text FROM found WHERE id = ? ORDER BY language"
            found |= dict(self._db.execute(query, (each,)))
        return found

    def of_row(self, row: Mapping[str, Any]) -> dict[str, str]:
        """As `of`, by a row's id, the data set's own one, and that of its problem."""
        return self.of(row["id"], row["extra"].get("id"), row["problem"])

    def close(self) -> None:
        self._db.close()


def named_texts(path: Path, option: str, *columns: str) -> Iterator[tuple[str, list[str]]]:
    """The place of each row of a file, and its texts in these columns.

    Raises:
        ConfigError: the file is not there, or lacks a column.
        DataError: a row cannot be read.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {str(path)!r} ({option})")
    for source in find_sources(str(path)):
        for line, record in source.records():
            place = f"{source.name}:{line}"
            if isinstance(record, Malformed):
                raise DataError(f"{place}: {record.reason}: {record.detail}")
            try:
                yield place, [one_text(record, column) for column in columns]
            except RowError as error:
                raise DataError(f"{place}: {error} ({option})") from error
            except KeyError as error:
                needed = ", ".join(f"`{column}`" for column in columns)
                raise ConfigError(
                    f"{place} has the columns {shown_columns([*record])}; {option} needs {needed}"
                ) from error
