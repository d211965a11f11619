r"""Results so far, in a file beside the one that is written at the end: `<out>.partial`, a line for each row.

    {"made_with": {...}}                     what the results depend on
    {"row": 1, "result": {"score": 0.8}}     or {"row": 2, "error": "..."}

Rows come in the order of the file, so that a run that is stopped goes on behind the last whole line.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.json_lines import json_line, json_value


class Kept:
    """The file of results so far.

    Attributes:
        rows: how many rows have a result.

    Raises:
        ConfigError: there is one that was made with something else.
    """

    def __init__(self, path: Path, made_with: Mapping[str, Any]):
        self.path, self.rows = path, 0
        made = json.loads(json.dumps(made_with))
        end = 0
        if path.exists():
            end = self._read(made)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if end else "wb")
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._write({"made_with": made})
            self._file.flush()

    def add(self, row: int, entry: Mapping[str, Any]) -> None:
        """Keeps the result of the next row."""
        self._write({"row": row, **entry})
        self.rows += 1
        self._file.flush()

    def entries(self) -> Iterator[dict[str, Any]]:
        """The results, in the order of the rows."""
        self._file.flush()
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def close(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(json_line(value).encode())

    def _read(self, made: Any) -> int:
        """Counts the rows, and returns where the last whole line ends; 0 for a file without a first line."""
        end = 0
        with self.path.open("rb") as file:
            for place, line in enumerate(file):
                try:
                    value = json_value(line) if line.endswith(b"\n") else None
                except ValueError:
                    value = None
                if not isinstance(value, dict):
                    break
                if place == 0:
                    self._compare(value.get("made_with"), made)
                else:
                    self.rows += 1
                end += len(line)
        return end

    def _compare(self, before: Any, now: Mapping[str, Any]) -> None:
        if before == now:
            return
        differing = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
        raise ConfigError(
            f"{str(self.path)!r} holds the results of a run that was stopped, which was made with another "
            f"{' and '.join(differing) or 'version'}; run that command again to finish it, delete the file, or give "
            "another --out"
        )
