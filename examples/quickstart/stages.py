"""Stages that are skipped when their inputs have not changed, and the progress that they show."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

MARKER = "stage.json"
Report = Callable[[int, str], None]


class Stages:
    """Runs stages one after another, each in a folder of its own under `root`.

    A stage is known by its inputs: what is given, the source files that it names, and the stages before it. When all
    of them are as they were the last time, its folder is used as it is.
    """

    def __init__(self, root: Path, console: Console, versions: dict[str, str]) -> None:
        self.root = root
        self.console = console
        self._versions = versions
        self._keys: dict[str, str] = {}

    def run(
        self,
        name: str,
        title: str,
        action: Callable[[Path], None],
        *,
        inputs: dict[str, Any],
        sources: list[Path],
        after: list[str],
    ) -> Path:
        """Runs `action(folder)` unless it is cached; returns the folder. Who wants the same meanwhile waits for it."""
        known = {
            "inputs": inputs,
            "sources": {path.name: _digest(path) for path in sources},
            "after": {earlier: self._keys[earlier] for earlier in after},
            "versions": self._versions,
        }
        key = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()
        self._keys[name] = key
        folder = self.root / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            self._make(folder, title, action, key)
        return folder

    def _make(self, folder: Path, title: str, action: Callable[[Path], None], key: str) -> None:
        marker = folder / MARKER
        if marker.is_file() and json.loads(marker.read_text())["key"] == key:
            self.console.print(f"[bold]{title}[/]: [green]cached[/] in {folder}")
            return
        self.console.print(f"[bold]{title}[/]")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        start = time.monotonic()
        action(folder)
        seconds = time.monotonic() - start
        # Written last: a stage that failed or was interrupted has no marker and runs again.
        marker.write_text(json.dumps({"key": key, "seconds": seconds}))
        self.console.print(f"  [dim]{seconds:.0f} s[/]")

    @contextmanager
    def progress(self, total: int, unit: str) -> Iterator[Report]:
        """Gives a function `report(done, note)` that shows how far a stage is: a bar, or lines where none can move."""
        if self.console.is_terminal:
            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(unit + " {task.fields[note]}"),
                TimeRemainingColumn(),
            )
            with Progress(TextColumn(" "), *columns, console=self.console, transient=True) as bar:
                task = bar.add_task("", total=total, note="")
                yield lambda done, note: bar.update(task, completed=done, note=note)
        else:
            yield self._lines(total, unit)

    def _lines(self, total: int, unit: str) -> Report:
        shown = 0

        def report(done: int, note: str) -> None:
            nonlocal shown
            tenth = done * 10 // total
            if tenth > shown:
                shown = tenth
                self.console.print(f"  {done}/{total} {unit} {note}", highlight=False)

        return report


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
