"""How far a stage is, and the table at the end."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console
from rich.table import Table

from pbrlsvr_plugin.prepare.stage import Row, Rows
from pbrlsvr_plugin.prepare.store import StageWriter
from pbrlsvr_plugin.progress import LINE_S, shown


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


def stage_shown(
    console: Console, name: str, rows: Tracked, writer: StageWriter, every_s: float = LINE_S
) -> AbstractContextManager[None]:
    """Shows how far a stage is while the block runs. Where the console is no terminal, a line every `every_s`."""

    def done() -> int:
        return rows.read if len(rows) else writer.rows_out

    def note() -> str:
        return f"{writer.rows_out:,} out, {sum(writer.rejected.values()):,} rejected"

    return shown(console, name, len(rows) or None, done, " rows", note, every_s)


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
        notes += [f"{name}={value:,}" if isinstance(value, int) else f"{name}={value}" for name, value in facts.items()]
        total = f"{sum(rejected.values()):,}"
        rows_in = f"{report['rows_in']:,}" if report["rows_in"] else ""
        made.add_row(
            report["name"], rows_in, f"{report['rows_out']:,}", total, f"{report['seconds']:,}", "  ".join(notes)
        )
    return made
