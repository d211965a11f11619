"""uvicorn around the application: the addresses, the signals, and the drain.

SIGTERM, or the first Ctrl-C: requests in flight are answered, new ones get 503 with Retry-After, then the process ends.
The second Ctrl-C ends it at once. A second SIGTERM changes nothing: what is in flight is still answered.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import uvicorn

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.serve.connection import Connection
from pbrlsvr_plugin.serve.door import Door, until_ready
from pbrlsvr_plugin.terminal import plain, say, say_error

FINE, UNANSWERED, ERROR, STOPPED = 0, 1, 2, 130
#: How long a connection may be idle: more than clients keep theirs (aiohttp 15 s), so that it is they who close it.
_IDLE_S = 75
#: How long new requests are still told to go elsewhere, after the last answer.
_LINGER_S = 0.5
_CLOSE_S = 5
_BACKLOG = 2048
_OWN_FILES = 256


class Server(uvicorn.Server):
    """A server that drains; `code` is the process's exit code."""

    def __init__(self, config: uvicorn.Config, door: Door, replicas: int):
        super().__init__(config)
        self.door, self.replicas, self.code = door, replicas, FINE
        self._asked: list[int] = []
        self._since = self._quiet = 0.0
        self._loading: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        places = ", ".join(map(url_of, sockets or ()))
        say(f"{self.door.described} at {places}; loading the models")
        self._loading = asyncio.create_task(until_ready(self.door, self.replicas))

    async def on_tick(self, counter: int) -> bool:
        if await super().on_tick(counter):
            return True
        if self._loading is not None and self._loading.done():
            done, self._loading = self._loading, None
            if error := done.exception():
                _say_failure(error)
                self.code = ERROR
                return True
            say("ready")
        return self.door.draining and self._drained()

    def _drained(self) -> bool:
        now = time.monotonic()
        if self.door.requests:
            self._quiet = 0.0
            if now - self._since > self.door.limits.drain_s:
                say(f"{self.door.requests:,} requests have no answer after limits.drain_s; ending", err=True)
                self.code = UNANSWERED
                return True
            return False
        self._quiet = self._quiet or now
        return now - self._quiet >= _LINGER_S

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit or self.door.requests or self._loading is not None:
            # Python would wait for the threads in which samples are scored, or models loaded.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(STOPPED if self.force_exit else self.code)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._asked.append(sig)
        if self._asked.count(signal.SIGINT) > 1:
            self.force_exit = self.should_exit = True
        if not self.door.draining:
            self.door.draining, self._since = True, time.monotonic()


def serve(app: Any, door: Door, sockets: Sequence[socket.socket], replicas: int) -> int:
    """Answers until it is told to stop; the exit code."""
    _log_plainly()
    limits = door.limits
    _allow_files(limits.connections + _OWN_FILES)
    config = uvicorn.Config(
        app,
        http=Connection.bounded(limits.connections, limits.request_s),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_CLOSE_S,
    )
    server = Server(config, door, replicas)
    server.run(list(sockets))
    return server.code


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses of a host, with the same port.

    Raises:
        ConfigError: the address is not this machine's, or somebody listens there.
    """
    found: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            made = socket.socket(family, kind, protocol)
            found.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address[0], found[0].getsockname()[1] if len(found) > 1 else port, *address[2:]))
            made.listen(_BACKLOG)
            made.setblocking(False)
    except (OSError, UnicodeError, OverflowError) as error:
        for made in found:
            made.close()
        raise ConfigError(
            f"host={host!r}, port={port}: cannot listen there: {error}. Take another port, or an address of this "
            "machine"
        ) from error
    return found


def url_of(listener: socket.socket) -> str:
    """The address of a socket, as clients write it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say_failure(error: BaseException) -> None:
    if isinstance(error, PbrlsvrError):
        say_error(error)
    else:
        logging.getLogger(__name__).error("the reward cannot be served", exc_info=error)


def _allow_files(wanted: int) -> None:
    """Raises the limit on open files, which is often 1,024: each connection is one."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Plain(logging.Formatter):
    """What clients sent stands in some lines, and is shown as text."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def _log_plainly() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
