"""How far a command is: a bar on a terminal, a line now and then elsewhere.

A thread looks at the counts, so that the work is not slowed down.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pbrlsvr_plugin.terminal import Screen

_REFRESH_S, LINE_S = 0.5, 30.0


@contextmanager
def counted(what: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Shows progress on stderr while the block runs, which calls what it gets with how many more are done."""

    def count(more: int) -> None:
        nonlocal done
        done += more

    with shown(Screen(stderr=True), what, total, lambda: done):
        yield count


@contextmanager
def shown(
    console: Console,
    what: str,
    total: int | None,
    done: Callable[[], int],
    unit: str = "",
    note: Callable[[], str] = lambda: "",
    every_s: float = LINE_S,
) -> Iterator[None]:
    """Shows progress while the block runs. Where the console is no terminal, a line every `every_s` seconds."""
    started, before, ended = time.monotonic(), done(), Event()

    def rate() -> float:
        return (done() - before) / max(time.monotonic() - started, 1e-9)

    def bar() -> None:
        columns = (
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f}/s"), TimeElapsedColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=console) as drawn:
            task = drawn.add_task(what, total=total, completed=before, rate=0.0, note="")
            last = False
            while not last:
                last = ended.wait(_REFRESH_S)
                drawn.update(task, completed=done(), rate=rate(), note=note())

    def lines() -> None:
        while not ended.wait(every_s):
            left = f", about {(total - done()) / rate():,.0f} s left" if total and rate() else ""
            of = f" of {total:,}" if total else ""
            said = f"{what}: {done():,}{of}{unit}, {rate():,.1f}/s{left}"
            console.print("; ".join(filter(None, (said, note()))), highlight=False, soft_wrap=True)

    thread = Thread(target=bar if console.is_terminal else lines, name="pbrlsvr-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
