"""How far a command is: a bar on a terminal, a line now and then elsewhere; on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pbrlsvr_plugin.terminal import Screen, say

_LINE_S = 30.0


@contextmanager
def counted(what: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Shows progress while the block runs, which calls what it gets with how many more are done.

    Args:
        what: the word before the numbers.
        total: how many there are, where that is known.
        done: how many were done before.
    """
    screen = Screen(stderr=True)
    if screen.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=screen) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield lambda more: bar.advance(task, more)
        return
    started = said = time.monotonic()
    new = 0

    def count(more: int) -> None:
        nonlocal new, said
        new += more
        now = time.monotonic()
        if now - said > _LINE_S:
            said, rate = now, new / (now - started)
            of = f" of {total:,}" if total else ""
            left = f", about {(total - done - new) / rate:,.0f} s left" if total and rate else ""
            say(f"{what} {done + new:,}{of}, {rate:,.1f}/s{left}", err=True)

    yield count
