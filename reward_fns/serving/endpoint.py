"""JSON over HTTP to OpenAI-compatible servers (vLLM, TEI, Infinity, hosted ones): retries, fail-over, clear errors.

A request is repeated while a repetition can help: connection errors, time-outs, 408, 409, 425, 429, 5xx, and answers
that cannot be used. Between two attempts it waits a random time of up to 0.5, 1, 2, 4 ... 30 s ("full jitter",
M. Brooker, Exponential Backoff And Jitter, 2015), unless another server is ready. Other 4xx raise at once.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from threading import Lock
from typing import Any, TypeVar

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from pbrlsvr.errors import ConfigError, ServiceError
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.failover import Attempts, Server, retry_after
from pbrlsvr.serving.fixes import checked_key, clipped, mend, without_key

__all__ = ["BadResponse", "Endpoint", "EndpointOptions", "RejectedError"]

T = TypeVar("T")

_RETRIED = {408, 409, 425, 429}
_CONNECT_S = 10.0
# uvicorn, which serves most of these APIs, closes idle connections after 5 s; a request that meets the closing fails.
_KEEPALIVE_S = 3.0
_JSON = {"Content-Type": "application/json"}
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)


class BadResponse(ServiceError):  # noqa: N818
    """An answer that cannot be used; raised by the `read` of `Endpoint.post` so that the request is repeated."""


class RejectedError(ServiceError):
    """The server refuses the request, and would again.

    Attributes:
        status: the HTTP status.
        body: what the server says, clipped.
    """

    def __init__(self, message: str, status: int = 0, body: str = ""):
        super().__init__(message)
        self.status, self.body = status, body


class Endpoint:
    """A connection pool to the servers of `options`; usable from any thread and event loop.

    Example:
        >>> endpoint = Endpoint(EndpointOptions(urls=("http://127.0.0.1:8000/v1",)))
        >>> vectors = await endpoint.post("/embeddings", {"model": "m", "input": ["a"]}, read)  # doctest: +SKIP
    """

    def __init__(self, options: EndpointOptions):
        if not options.urls:
            raise ConfigError("urls=() names no server; give base URLs, such as ['http://host:8000/v1']")
        self.options = options
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._lock = Lock()

    async def post(self, path: str, payload: Mapping[str, Any], read: Callable[[Any], T]) -> T:
        """`read(body)` of the first answer that `read` accepts.

        Args:
            path: below the base URL, such as "/embeddings".
            payload: sent as JSON.
            read: takes the parsed JSON; raises `BadResponse` to have the request repeated.

        Raises:
            RejectedError: the servers refuse the request (a 4xx that a repetition does not mend).
            ServiceError: no answer that can be used, after `retries` or `deadline_s`; with the reason and the mend.
            ConfigError: the key in the environment cannot be sent.
        """
        session = self._session()
        async with session.slots:
            return await _Request(self.options, session, path, payload).run(read)

    async def aclose(self) -> None:
        """Closes the connections of the running event loop; a later `post` opens new ones."""
        with self._lock:
            session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.client.aclose()

    def _session(self) -> "_Session":
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._sessions:
                self._sessions = {old: session for old, session in self._sessions.items() if not old.is_closed()}
                self._sessions[loop] = _Session(self.options)
            return self._sessions[loop]


class _Bearer(httpx.Auth):
    """Puts the key into the request at the last moment, so that no traceback that shows variables shows it."""

    def __init__(self, key: str | None):
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        yield request


class _Session:
    """What belongs to one event loop: connections, slots, and what is known of the servers."""

    def __init__(self, options: EndpointOptions):
        n = options.max_concurrency
        self.client = httpx.AsyncClient(
            # The time of a whole attempt is bounded by `wait_for`: httpx would bound each read alone.
            timeout=httpx.Timeout(None, connect=min(_CONNECT_S, options.timeout_s)),
            limits=httpx.Limits(max_connections=n, max_keepalive_connections=n, keepalive_expiry=_KEEPALIVE_S),
        )
        self.slots = asyncio.Semaphore(n)
        self.servers = [Server(url) for url in options.urls]


class _AttemptError(Exception):
    """One attempt failed, in a way that another may not."""

    def __init__(self, reason: str, status: int | None = None, retry_after: float | None = None):
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


class _Request:
    """One request, over all its attempts."""

    def __init__(self, options: EndpointOptions, session: _Session, path: str, payload: Mapping[str, Any]):
        self.options, self.session, self.path = options, session, path
        self.key = checked_key(options.api_key_env)
        self.auth = _Bearer(self.key)
        self.content = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        self.attempts = Attempts(session.servers)
        self.started = time.monotonic()

    async def run(self, read: Callable[[Any], T]) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_AttemptError),
            stop=stop_after_attempt(self.options.retries + 1) | stop_before_delay(self.options.deadline_s),
            wait=self._wait,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, read)
        except _AttemptError as error:
            tried = sum(self.attempts.count.values())
            raise ServiceError(
                f"{self.path} has no usable answer after {tried} attempt{'s' * (tried != 1)} in "
                f"{time.monotonic() - self.started:.1f} s: {self.attempts}. "
                + mend(error.status, str(error), self.options.api_key_env, bool(self.key))
            ) from error

    def _wait(self, state: RetryCallState) -> float:
        return 0.0 if self.attempts.another_is_ready() else _BACKOFF(state)

    async def _attempt(self, read: Callable[[Any], T]) -> T:
        server = self.attempts.next_server()
        await self._until_open(server)
        server.outstanding += 1
        limit = min(self.options.timeout_s, self._left())
        try:
            result = await asyncio.wait_for(self._send(server, read), limit)
        except (_AttemptError, TimeoutError, asyncio.TimeoutError) as error:
            if not isinstance(error, _AttemptError):
                cut = limit < self.options.timeout_s  # by the deadline; what happened before says more
                earlier = self.attempts.last_failure.get(server.url) if cut else None
                error = _AttemptError(earlier or f"no answer within {limit:.3g} s")
            server.failed(str(error), error.retry_after)
            self.attempts.last_failure[server.url] = str(error)
            raise error
        finally:
            server.outstanding -= 1
        server.worked()
        return result

    async def _send(self, server: Server, read: Callable[[Any], T]) -> T:
        try:
            answer = await self.session.client.post(
                server.url + self.path, content=self.content, headers=_JSON, auth=self.auth
            )
        except httpx.HTTPError as error:
            raise _AttemptError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        said = clipped(answer.text, self.key)
        if answer.status_code in _RETRIED or answer.status_code >= 500:
            reason = f"HTTP {answer.status_code} {said!r}"
            raise _AttemptError(reason, answer.status_code, retry_after(answer.headers.get("Retry-After")))
        if not answer.is_success:
            raise await self._rejection(server, answer, said)
        try:
            body = json.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise _AttemptError(f"HTTP {answer.status_code}, but not JSON: {said!r}") from error
        try:
            return read(body)
        except BadResponse as error:
            raise _AttemptError(without_key(str(error), self.key), answer.status_code) from error

    async def _rejection(self, server: Server, answer: httpx.Response, said: str) -> RejectedError:
        status = answer.status_code
        served = await self._served_models(server) if status == 404 else ""
        advice = mend(status, said, self.options.api_key_env, bool(self.key), answer.headers.get("Location"))
        return RejectedError(
            f"{server.url}{self.path} refuses the request: HTTP {status} {said!r}. {advice}{served}", status, said
        )

    async def _served_models(self, server: Server) -> str:
        try:
            answer = await self.session.client.get(f"{server.url}/models", auth=self.auth, timeout=_CONNECT_S)
            names = [str(model["id"]) for model in answer.json()["data"]][:20]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return ""
        return f" The server has {names}."

    async def _until_open(self, server: Server) -> None:
        closed = server.open_at - time.monotonic()
        if closed <= 0:
            return
        if closed >= self._left():
            self.attempts.last_failure.setdefault(server.url, f"asks to be left alone for {closed:.0f} s")
            raise ServiceError(
                f"{self.path} cannot be asked: every server wants to be left alone (Retry-After), for {closed:.0f} s "
                f"or more, and deadline_s={self.options.deadline_s!r}: {self.attempts}. Ask less (max_concurrency), "
                "raise the server's limit, or raise deadline_s"
            )
        # The others that wait for this server should not all come at the same moment.
        await asyncio.sleep(closed + random.uniform(0, min(0.5, self._left() - closed)))

    def _left(self) -> float:
        return max(self.started + self.options.deadline_s - time.monotonic(), 0.001)
