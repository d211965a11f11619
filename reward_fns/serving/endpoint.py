"""JSON over HTTP to OpenAI-compatible servers (vLLM, TEI, Infinity, hosted ones): retries, fail-over, clear errors.

A request is repeated while a repetition can help: connection errors, time-outs, 408, 409, 425, 429, 5xx, and answers
that cannot be used. Between two attempts it waits a random time of up to 0.5, 1, 2, 4 ... 30 s ("full jitter",
M. Brooker, Exponential Backoff And Jitter, 2015), unless another server is ready. Other 4xx raise at once.

A server is not trusted: an answer is read within a bound of bytes and of time, as UTF-8 whatever its headers say;
redirects are not followed; and nothing that a server said is shown before the keys are taken out of it (`keys.py`).
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from threading import Lock
from typing import Any, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_random_exponential,
)

from pbrlsvr.errors import ConfigError, PbrlsvrError, ServiceError
from pbrlsvr.serving.endpoint_errors import BadResponse, BusyError, RejectedError, UntrustedError, fix, shown
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.exchange import Answer, ExchangeError, exchange, new_client
from pbrlsvr.serving.failover import Attempts, Server, retry_after
from pbrlsvr.serving.keys import Secrets, keep_out_of_logs, key_for, key_variable

__all__ = ["BadResponse", "BusyError", "Endpoint", "EndpointOptions", "RejectedError", "UntrustedError"]

T = TypeVar("T")

_RETRIED = {408, 409, 425, 429}
_CONNECT_S = 10.0
#: The largest answer that is read, unless the caller of `post` names another bound.
MOST_BYTES = 2**24
_MOST_BYTES_OF_MODELS = 2**20
_MOST_BYTES_SHOWN = 2**16
_LENGTH_OF_A_SECRET = 16
_SHORTEST_PAUSE_S = 0.5
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)


async def until_one_fails(requests: Iterable[Coroutine[Any, Any, None]]) -> PbrlsvrError | None:
    """Runs requests side by side, and ends the others where one fails for good; the failure, or None.

    Each of the others would go through all its retries too, only to say the same. An exception that is not ours is
    raised.
    """
    tasks = [asyncio.create_task(request) for request in requests]
    try:
        await asyncio.gather(*tasks)
    except BaseException as error:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not isinstance(error, PbrlsvrError):
            raise
        return error
    return None


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

    async def post(
        self, path: str, payload: Mapping[str, Any], read: Callable[[Any], T], most_bytes: int = MOST_BYTES
    ) -> T:
        """`read(body)` of the first answer that `read` accepts.

        Args:
            path: below the base URL, such as "/embeddings".
            payload: sent as JSON.
            read: takes the parsed JSON; raises `BadResponse` to have the request repeated, `UntrustedError` to end it.
                The answer's start is shown beside the message of the first.
            most_bytes: the largest answer that is read, unpacked.

        Raises:
            RejectedError: the servers refuse the request (a 4xx that a repetition does not fix).
            BadResponse: they answer, and never with what can be used.
            UntrustedError: an answer shows that others of this server cannot be used either.
            ServiceError: no answer that can be used, after `retries` or `deadline_s`; with the reason and the fix.
            ConfigError: the key in the environment cannot be sent.
        """
        session = self._session()
        async with session.slots:
            return await _Request(self.options, session, path, payload, most_bytes).run(read)

    def without_keys(self, text: str) -> str:
        """A text of a server's, which goes into files and reports, without the keys that the servers were sent."""
        keys = {key_for(url, self.options.api_key_env) for url in self.options.urls}
        # A stand-in such as "EMPTY" is no secret, and may be a word of the text.
        return Secrets(key for key in keys if key and len(key) >= _LENGTH_OF_A_SECRET).hide(text)

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


class _Session:
    """What belongs to one event loop: connections, slots, and what is known of the servers."""

    def __init__(self, options: EndpointOptions):
        n = options.max_concurrency
        # The time of a whole attempt is bounded by `wait_for`: httpx would bound each read alone.
        self.client = new_client(n, min(_CONNECT_S, options.timeout_s))
        self.slots = asyncio.Semaphore(n)
        self.servers = [Server(url, alone=len(options.urls) == 1) for url in options.urls]


class _AttemptError(Exception):
    """One attempt failed, in a way that another may not."""

    def __init__(self, reason: str, status: int | None = None, retry_after: float | None = None):
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after
        # RFC 9110, 10.2.3: both statuses say when to come again.
        self.pause = retry_after if status in (429, 503) else None


def _pause(state: RetryCallState) -> float | None:
    return getattr(state.outcome and state.outcome.exception(), "pause", None)


class _Request:
    """One request, over all its attempts."""

    def __init__(
        self, options: EndpointOptions, session: _Session, path: str, payload: Mapping[str, Any], most_bytes: int
    ):
        self.options, self.session, self.path, self.most_bytes = options, session, path, most_bytes
        self.keys = {server.url: key_for(server.url, options.api_key_env) for server in session.servers}
        keep_out_of_logs(self.keys.values())
        self.secrets = Secrets(set(self.keys.values()))
        self.content = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        self.attempts = Attempts(session.servers)
        self.started = time.monotonic()
        self.pauses = 0

    async def run(self, read: Callable[[Any], T]) -> T:
        out_of_time = stop_before_delay(self.options.deadline_s)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_AttemptError),
            stop=lambda state: self._out_of_attempts(state) or out_of_time(state),
            wait=self._wait,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, read)
        except _AttemptError as error:
            if error.pause is not None:
                raise BusyError(f"{self.path}: every server asks for a pause: {self.attempts}", error.pause) from error
            tried = sum(self.attempts.count.values())
            answered = error.status is not None and 200 <= error.status < 300
            raise (BadResponse if answered else ServiceError)(
                f"{self.path} has no usable answer after {tried} attempt{'s' * (tried != 1)} in "
                f"{time.monotonic() - self.started:.1f} s: {self.attempts}. "
                + self._advice(self.attempts.last_asked, error.status, str(error))
            ) from error

    def _out_of_attempts(self, state: RetryCallState) -> bool:
        """What the server asks to have later is no failed attempt."""
        self.pauses += _pause(state) is not None
        return state.attempt_number - self.pauses > self.options.retries

    def _wait(self, state: RetryCallState) -> float:
        if (pause := _pause(state)) is not None:
            # The pause itself is waited for where the server is asked again; "Retry-After: 0" for ever is no order to
            # ask as fast as it answers.
            return max(0.0, _SHORTEST_PAUSE_S - pause)
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
        answer = await self._exchange(server, "POST", self.path, self.most_bytes)
        if answer.status in _RETRIED or answer.status >= 500:
            pause = retry_after(answer.headers.get("Retry-After"))
            raise _AttemptError(f"HTTP {answer.status} {self._said(answer)!r}", answer.status, pause)
        if not 200 <= answer.status < 300:
            raise await self._rejection(server, answer)
        try:
            return read(json.loads(answer.body.decode("utf-8-sig")))
        except BadResponse as error:
            reason = shown(str(error), self.secrets)
        except UntrustedError as error:
            server.failed(str(error), None)
            raise UntrustedError(f"{server.url}{self.path}: {error}") from error
        except PbrlsvrError:
            raise
        except Exception as error:
            reason = f"what cannot be read as JSON of the form that is wanted ({type(error).__name__})"
        # Outside of `except`: the errors of json hold the whole body.
        raise _AttemptError(f"HTTP {answer.status}, but {reason}: {self._said(answer)!r}", answer.status)

    def _said(self, answer: Answer) -> str:
        return shown(answer.body[:_MOST_BYTES_SHOWN].decode("utf-8", "replace"), self.secrets)

    async def _exchange(self, server: Server, method: str, path: str, most_bytes: int) -> Answer:
        """One answer; sent again at once where a server that works closes the connection instead of answering.

        It does so where a kept connection goes idle at that moment, and where its queue of new connections is full.
        """
        again = server.failures == 0
        while True:
            try:
                return await exchange(
                    self.session.client,
                    method,
                    server.url + path,
                    self.content if method == "POST" else None,
                    self.keys[server.url],
                    most_bytes,
                )
            except ExchangeError as error:
                lost, status, reason = error.lost, error.status, shown(str(error), self.secrets)
            if not (lost and again):
                raise _AttemptError(reason, status)
            again = False

    async def _rejection(self, server: Server, answer: Answer) -> RejectedError:
        status, said = answer.status, self._said(answer)
        served = await self._served_models(server) if status == 404 else ""
        advice = self._advice(server.url, status, said, answer.headers.get("Location"))
        return RejectedError(
            f"{server.url}{self.path} refuses the request: HTTP {status} {said!r}. {advice}{served}", status, said
        )

    async def _served_models(self, server: Server) -> str:
        try:
            answer = await asyncio.wait_for(self._exchange(server, "GET", "/models", _MOST_BYTES_OF_MODELS), _CONNECT_S)
            models = json.loads(answer.body.decode("utf-8-sig"))["data"]
            names = [shown(model["id"], self.secrets)[:100] for model in models[:20] if isinstance(model["id"], str)]
        except (_AttemptError, TimeoutError, asyncio.TimeoutError, ValueError, LookupError, TypeError, RecursionError):
            return ""
        return f" The server has {names}."

    def _advice(self, url: str, status: int | None, said: str, location: str | None = None) -> str:
        variable = key_variable(url, self.options.api_key_env)
        return fix(status, said, variable, bool(self.keys.get(url)), location and shown(location, self.secrets))

    async def _until_open(self, server: Server) -> None:
        closed = server.open_at - time.monotonic()
        if closed <= 0:
            return
        if closed >= self._left():
            self.attempts.last_failure.setdefault(server.url, f"asks to be left alone for {closed:.0f} s")
            raise BusyError(
                f"{self.path} cannot be asked: every server wants to be left alone (Retry-After), for {closed:.0f} s "
                f"or more, and deadline_s={self.options.deadline_s!r}: {self.attempts}. Ask less (max_concurrency), "
                "raise the server's limit, or raise deadline_s",
                closed,
            )
        # The others that wait for this server should not all come at the same moment.
        await asyncio.sleep(closed + random.uniform(0, min(0.5, self._left() - closed)))

    def _left(self) -> float:
        return max(self.started + self.options.deadline_s - time.monotonic(), 0.001)
