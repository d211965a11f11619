"""Memory that was freed and that the C library keeps.

On a CPU a model wants buffers of other sizes for each shape of a batch, and oneDNN remembers something small for each
shape (for 1,024 of them). That comes to lie between the buffers, and glibc, which gives back only what is free up to
the end, keeps them: a process grew by 94 MiB in 640 samples, all of it free (benchmarks/README.md).
"""

import ctypes
import time
from collections.abc import Callable

#: It takes some milliseconds.
_EVERY_S = 30.0


class Heap:
    """Gives freed memory back to the system from time to time, where the C library is glibc."""

    def __init__(self, every_s: float = _EVERY_S):
        self.every_s = every_s
        self._last = time.monotonic()
        self._trim = _malloc_trim()

    def after_work(self) -> None:
        """To be called where work has just ended."""
        now = time.monotonic()
        if self._trim is not None and now - self._last >= self.every_s:
            self._last = now
            self._trim(0)


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library, or another system
        return None
    return found
