"""What a scorer is doing: how much it is asked, how much it remembers, how long its callers wait."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

#: While a scorer is busy, its metrics are logged this often.
SECONDS_BETWEEN_LOGS = 60.0

# p50 and p99 are those of the last requests.
_RECENT = 4096

log = logging.getLogger(__name__)


class Metrics:
    """Counters of one scorer. The caller locks.

    Attributes:
        hits: requests for something that was computed before, or was in flight already.
        misses: all others.
        dropped: items that were not computed, because all of their callers had left.
    """

    def __init__(self, name: str, tokens: Callable[[], tuple[int, int]], damaged: Callable[[], int]):
        self._name = name
        self._tokens = tokens
        self._damaged = damaged
        self.hits = self.misses = self.dropped = 0
        self._computed = self._failed = 0
        self._busy_s = self._last_s = 0.0
        self._latencies: deque[float] = deque(maxlen=_RECENT)
        self._logged = time.monotonic()

    def window(self, latencies: Sequence[float], seconds: float, failed: int) -> None:
        """A window was answered: how long its items had waited, and how long the model took."""
        self._computed += len(latencies) - failed
        self._failed += failed
        self._busy_s += seconds
        self._last_s = seconds
        self._latencies.extend(latencies)
        if time.monotonic() - self._logged > SECONDS_BETWEEN_LOGS:
            self._logged = time.monotonic()
            log.info("%s: %s", self._name, ", ".join(f"{k} {v:.4g}" for k, v in self.snapshot().items()))

    def snapshot(self) -> dict[str, float]:
        """The metrics as numbers: latencies in milliseconds; `hit_rate` and `batch_fill` in [0, 1].

        `batch_fill` is the share of the computed tokens that are no padding.
        """
        useful, padded = self._tokens()
        p50, p99 = np.percentile(self._latencies, [50, 99]) * 1000 if self._latencies else (0.0, 0.0)
        return {
            "requests": self.hits + self.misses,
            "hit_rate": self.hits / max(1, self.hits + self.misses),
            "computed": self._computed,
            "failed": self._failed,
            "dropped": self.dropped,
            "damaged": self._damaged(),
            "batch_fill": useful / max(1, padded),
            "last_window_s": self._last_s,
            "tokens_per_s": useful / max(1e-9, self._busy_s),
            "p50_ms": float(p50),
            "p99_ms": float(p99),
        }
