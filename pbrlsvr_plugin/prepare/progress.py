"""How far a stage is: a bar on a terminal, a line now and then elsewhere; and the table at the end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from pbrlsvr_plugin.prepare.stage import Row, Rows
from pbrlsvr_plugin.prepare.store import StageWriter

_REFRESH_S = 0.5


class Tracked:
    """Rows that count how many were read, in this pass over them."""

    def __init__(self, rows: Rows):
        self._rows = rows
        self.read = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        self.read = 0
        for row in self._rows:
            self.read += 1
            yield row


class Progress:
    """Shows progress on `console`. Where that is no terminal, a line every `every_s` seconds."""

    def __init__(self, console: Console, every_s: float = 30.0):
        self._console, self._every_s = console, every_s

    def track(self, rows: Rows) -> Tracked:
        return Tracked(rows)

    @contextmanager
    def stage(self, name: str, rows: Tracked, writer: StageWriter) -> Iterator[None]:
        """Shows a stage while the block runs. A thread looks at the counts, so that the stage is not slowed down."""
        ended = Event()
        target = self._bar if self._console.is_terminal else self._lines
        thread = Thread(target=target, args=(name, rows, writer, ended), name="pbrlsvr-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _bar(self, name: str, rows: Tracked, writer: StageWriter, ended: Event) -> None:
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[out]:,} out, {task.fields[rejected]:,} rejected"),
        )
        started = time.monotonic()
        with RichProgress(*columns, console=self._console) as bar:
            task = bar.add_task(name, total=len(rows) or None, rate=0.0, out=0, rejected=0)
            while not ended.wait(_REFRESH_S):
                _update(bar, task, rows, writer, started)
            _update(bar, task, rows, writer, started)

    def _lines(self, name: str, rows: Tracked, writer: StageWriter, ended: Event) -> None:
        started = time.monotonic()
        while not ended.wait(self._every_s):
            seconds, done, total = time.monotonic() - started, _done(rows, writer), len(rows)
            left = f", about {seconds * (total - done) / done:,.0f} s left" if total and done else ""
            of = f" of {total:,}" if total else ""
            rejected = sum(writer.rejected.values())
            self._console.print(
                f"{name}: {done:,}{of} rows, {done / seconds:,.1f}/s{left}; {writer.rows_out:,} out, "
                f"{rejected:,} rejected",
                highlight=False,
                soft_wrap=True,
            )


def _done(rows: Tracked, writer: StageWriter) -> int:
    return rows.read if len(rows) else writer.rows_out


def _update(bar: RichProgress, task: TaskID, rows: Tracked, writer: StageWriter, started: float) -> None:
    done = _done(rows, writer)
    rate = done / max(time.monotonic() - started, 1e-9)
    bar.update(task, completed=done, rate=rate, out=writer.rows_out, rejected=sum(writer.rejected.values()))


def table(reports: Sequence[dict[str, Any]]) -> Table:
    """In, out, and the rejected rows by reason, for each stage."""
    made = Table("stage", title=None, box=None, pad_edge=False)
    for column in ("in", "out", "rejected", "seconds"):
        made.add_column(column, justify="right")
    made.add_column("reasons and facts", overflow="fold")
    for report in reports:
        rejected, facts = report["rejected"], dict(report.get("facts") or {})
        facts.pop("sources", None)
        notes = [f"{reason} {count:,}" for reason, count in sorted(rejected.items(), key=lambda each: -each[1])]
        notes += [
            f"{name}={value:,}" if isinstance(value, int) else f"{name}={value}"
            for name, value in facts.items()
            if name != "sources"
        ]
        total = f"{sum(rejected.values()):,}"
        rows_in = f"{report['rows_in']:,}" if report["rows_in"] else ""
        made.add_row(
            report["name"], rows_in, f"{report['rows_out']:,}", total, f"{report['seconds']:,}", "  ".join(notes)
        )
    return made
