"""Which of several servers gets the next request: the least busy healthy one.

A server that failed rests: 1 s after its first failure, twice as long after each further one, 60 s at most. Then one
request tries it; when that works it is healthy again. When all rest, the requests go to them all the same: resting is
a preference. A `Retry-After` is not: no request goes to that server before it has passed.
"""

import logging
import math
import random
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

REST_S = 1.0
LONGEST_REST_S = 60.0
# Shorter ones are not worth a line.
_LONG_PAUSE_S = 5.0

log = logging.getLogger(__name__)


@dataclass
class Server:
    """What one event loop knows of one base URL. Times are those of `time.monotonic`."""

    url: str
    outstanding: int = 0
    failures: int = 0
    rested_at: float = 0.0
    open_at: float = 0.0
    #: Whether there is no other server; then its failures are told by the error at the end alone.
    alone: bool = False
    silent_until: float = 0.0
    # At random at first, so that many processes do not all begin with the same server.
    asked_at: float = field(default_factory=lambda: -random.random())

    @property
    def healthy(self) -> bool:
        """Whether it answered last time, or has rested and nobody is trying it yet."""
        return self.failures == 0 or (time.monotonic() >= self.rested_at and self.outstanding == 0)

    def worked(self) -> None:
        """The server gave an answer that could be used."""
        if self.failures:
            log.info("%s works again", self.url)
        self.failures = 0

    def failed(self, reason: str, retry_after: float | None) -> None:
        """The server did not give one; it may have said how many seconds it wants to be left alone."""
        now = time.monotonic()
        if self.failures == 0 and not self.alone and now >= self.silent_until:
            # Once in a while: a server that fails now and then would fill the log.
            log.warning("%s failed, others are asked first for a while: %s", self.url, reason)
            self.silent_until = now + LONGEST_REST_S
        if now >= self.rested_at:  # what was in flight when it failed is the same failure
            self.failures += 1
            self.rested_at = now + min(REST_S * 2 ** min(self.failures - 1, 16), LONGEST_REST_S)
        if retry_after is not None:
            if retry_after >= _LONG_PAUSE_S and now >= self.open_at:
                log.warning("%s asks for a pause of %.0f s (Retry-After); waiting", self.url, retry_after)
            self.open_at = max(self.open_at, now + retry_after)


@dataclass
class Attempts:
    """What one request has tried so far."""

    servers: list[Server]
    count: dict[str, int] = field(default_factory=dict)
    last_failure: dict[str, str] = field(default_factory=dict)
    last_asked: str = ""

    def next_server(self) -> Server:
        """Healthy before resting, open before closed; then the least tried by this request, the least busy, in turn."""
        now = time.monotonic()
        pool = [server for server in self.servers if server.healthy and server.open_at <= now] or self.servers
        server = min(
            pool,
            key=lambda s: (max(s.open_at - now, 0.0), self.count.get(s.url, 0), s.outstanding, s.asked_at),
        )
        server.asked_at = now
        self.last_asked = server.url
        self.count[server.url] = self.count.get(server.url, 0) + 1
        return server

    def another_is_ready(self) -> bool:
        """Whether a healthy server is left that this request has not tried, so that it need not wait."""
        now = time.monotonic()
        return any(s.healthy and s.open_at <= now and s.url not in self.count for s in self.servers)

    def __str__(self) -> str:
        return "; ".join(
            f"{url} ({tried} attempt{'s' * (tried != 1)}, last: {self.last_failure.get(url, 'out of time')})"
            for url, tried in self.count.items()
        )


def retry_after(value: str | None) -> float | None:
    """Seconds until the time that a `Retry-After` header names, as seconds or as a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError, OSError):  # a date that is none, or is beyond what can be counted
            return None
    return min(max(seconds, 0.0), 86_400.0) if math.isfinite(seconds) else None
