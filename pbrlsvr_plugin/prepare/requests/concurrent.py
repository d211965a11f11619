"""Many requests in flight at once, their answers kept in the journal, their results in the order of the rows."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any, TypeVar

from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError, ModelError, PbrlsvrError, ServiceError
from pbrlsvr.serving.endpoint import RejectedError
from pbrlsvr_plugin.prepare.requests.journal import Journal

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Statuses of a refusal that has to do with the row: too long, not allowed content. Others would meet every row.
_OF_THE_ROW = frozenset({400, 413, 422, 451})


class Failures:
    """Decides whether a failure belongs to one row, or to all: so many in a row mean that the service is down."""

    def __init__(self, in_a_row: int):
        self._limit = in_a_row
        self._count = 0

    def answered(self) -> None:
        self._count = 0

    def failed(self, error: PbrlsvrError) -> None:
        """Returns where only the row is lost.

        Raises:
            ServiceError, ConfigError, ModelError, MissingDependencyError: all rows would fail like this.
        """
        if isinstance(error, ConfigError | ModelError | MissingDependencyError):
            raise error
        if isinstance(error, RefusedAnswer):  # which a server gives that works
            self.answered()
            return
        if isinstance(error, RejectedError) and error.status not in _OF_THE_ROW:
            raise error
        self._count += 1
        if self._count >= self._limit:
            raise ServiceError(
                f"{self._count} requests in a row have failed; the last: {error} What was answered so far is kept: "
                "fix it and run the same command again"
            ) from error


class RefusedAnswer(ServiceError):  # noqa: N818
    """The server's filter does not let a question or its answer pass; asked again, it would say the same."""


#: The reason of a row that the server's filter does not let pass.
REFUSED = "refused"
#: The reason of a row that got no answer although nothing is wrong with it: asked again, it may have one.
UNANSWERED = "unanswered"


def reason_of(error: PbrlsvrError, refused: str) -> str:
    """The reason under which a row is rejected: `refused` where the server does not want it, `REFUSED` where its filter
    does not, else `UNANSWERED`."""
    if isinstance(error, RefusedAnswer):
        return REFUSED
    return UNANSWERED if isinstance(error, ServiceError) and not isinstance(error, RejectedError) else refused


def in_order(
    items: Iterable[Item],
    work: Callable[[Item], Awaitable[Result]],
    window: int,
    failures: Failures,
    close: Callable[[], Awaitable[None]] | None = None,
    known: Callable[[Item], Result | None] = lambda item: None,
) -> Iterator[tuple[Item, Result | PbrlsvrError]]:
    """Runs `work(item)` for up to `window` items at once, in an event loop of its own.

    Args:
        items: read as far as the window goes, no further.
        work: a coroutine function.
        window: several times the concurrency of the service, as one slow item holds up the order.
        failures: what counts as a failure of one item.
        close: awaited at the end, in the same loop.
        known: the result of an item that needs no request, else None; it saves the way through the loop.

    Yields:
        Each item with its result, or with the error of this item; in the order of the items.

    Raises:
        PbrlsvrError: a failure that is not of one item. What is in flight is let go.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="pbrlsvr-requests", daemon=True)
    thread.start()
    stopped: list[PbrlsvrError] = []

    async def attempt(item: Item) -> Result | PbrlsvrError:
        try:
            result = await work(item)
        except (ServiceError, DataError, ConfigError, ModelError, MissingDependencyError) as error:
            try:
                failures.failed(error)
            except PbrlsvrError as final:
                stopped.append(final)
            return error
        failures.answered()
        return result

    waiting: deque[tuple[Item, Future[Any]]] = deque()
    try:
        for item in items:
            result = known(item)
            if result is not None and not waiting:
                yield item, result
                continue
            future = asyncio.run_coroutine_threadsafe(attempt(item), loop) if result is None else _done(result)
            waiting.append((item, future))
            while len(waiting) >= window or (waiting and waiting[0][1].done()):
                yield _first(waiting, stopped)
        while waiting:
            yield _first(waiting, stopped)
    finally:
        _end(loop, thread, close)


def _done(result: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def _first(waiting: "deque[tuple[Item, Future[Any]]]", stopped: list[PbrlsvrError]) -> tuple[Item, Any]:
    item, future = waiting.popleft()
    while not future.done() and not stopped:
        wait([future], timeout=0.2)
    if stopped:
        raise stopped[0]
    return item, future.result()


def _end(loop: asyncio.AbstractEventLoop, thread: Thread, close: Callable[[], Awaitable[None]] | None) -> None:
    async def finish() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if close is not None:
            await close()

    asyncio.run_coroutine_threadsafe(finish(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Answers:
    """Asks each request once: what is in the journal, or in flight for another row, is not asked again.

    Args:
        journal: where answers are kept.
        at_once: so many requests at once, each until its answer is on the disk: a kill loses no more.
    """

    def __init__(self, journal: Journal, at_once: int = sys.maxsize):
        #: Requests that went to the service, and those that were answered from the journal.
        self.asked = self.kept = 0
        self._journal = journal
        self._in_flight: dict[str, asyncio.Task[Any]] = {}
        # Here and not in the endpoint alone: a turn of the rate limit must not be used up while waiting for a slot.
        self._slots = asyncio.Semaphore(at_once)

    async def get(
        self, key: str, ask: Callable[[], Awaitable[Any]], useless: Callable[[Any], bool] = lambda found: False
    ) -> Any:
        """The answer to the request with this key; `ask()` gives it as JSON. It is on the disk when this returns.

        What is `useless` in the journal is asked for again.
        """
        task = self._in_flight.get(key)
        if task is None:
            found = self._journal.get(key)
            if found is not None and not useless(found):
                self.kept += 1
                return found
            task = self._in_flight[key] = asyncio.ensure_future(self._ask(key, ask))
            task.add_done_callback(lambda _: self._in_flight.pop(key))
        return await asyncio.shield(task)

    async def _ask(self, key: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        async with self._slots:
            answer = await ask()
            await asyncio.wrap_future(self._journal.put_soon(key, answer))
        self.asked += 1
        return answer


class RateLimit:
    """Spaces requests so that a service's limits a minute are kept, of requests and of tokens; 0 is no limit."""

    def __init__(self, requests: float, tokens: float):
        self._requests, self._tokens = requests, tokens
        self._free_at = 0.0
        self._answer = 512.0

    async def wait(self, characters: int) -> float:
        """Waits for a turn. Returns the estimate of the request's tokens, for `used`."""
        estimate = characters / 3 + self._answer
        start = max(time.monotonic(), self._free_at)
        cost = 60 / self._requests if self._requests else 0.0
        if self._tokens:
            cost = max(cost, estimate * 60 / self._tokens)
        self._free_at = start + cost
        await asyncio.sleep(max(0.0, start - time.monotonic()))
        return estimate

    def used(self, estimate: float, total: int, completion: int) -> None:
        """Puts an estimate right, after the answer."""
        if completion:
            self._answer += 0.05 * (completion - self._answer)
        if self._tokens and total:
            self._free_at += (total - estimate) * 60 / self._tokens
