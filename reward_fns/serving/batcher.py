"""Single requests in, batches out: the next window forms while the model is busy with the last one.

A trainer asks for one sample at a time from many coroutines. A model wants batches. Between the two stands one queue;
there is no timer, so an idle model starts at once and a busy one takes all that has come in meanwhile.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

from pbrlsvr.errors import ServiceError
from pbrlsvr.serving.cache import MISSING, LruCache
from pbrlsvr.serving.metrics import Metrics

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Stands where the result of an item would stand: that item alone failed."""

    error: BaseException


@dataclass(slots=True, eq=False)
class _Request(Generic[Item, Result]):
    item: Item
    future: "Future[Result]"
    asked: float
    callers: int = 1


class Batcher(Generic[Item, Result]):
    """Runs `run(items)` for all callers, and remembers results by item.

    An item that is asked for again, or by many callers at once, is computed once: a reference is shared by all rollouts
    of its group. Items whose callers have all left are not computed. Where as many items are in flight as are allowed,
    further callers wait for room. A failure is not remembered.

    Args:
        run: `[N]` different items -> `[N]` results in order, a `Failure` for each item that has none. What it raises
            fails all of them. Called from `threads` threads.
        name: names the model and its place, in errors and stack dumps.
        cache_bytes: memory for results; the least recently used leave first.
        max_waiting: items that may be in flight at the same time.
        threads: how many calls of `run` may be in flight at the same time.
        fix: what a user can do where there is no result in time; called from another thread than the event loop's.
        tokens: how many tokens the model has computed, without and with padding; for the metrics.
        damaged: how many results on disk were not what had been written; for the metrics.

    Example:
        >>> lengths = Batcher(lambda items: [len(t) for t in items], name="lengths")
        >>> asyncio.run(lengths.ask("four"))
        4
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result | Failure]],
        name: str,
        *,
        cache_bytes: int = 2**28,
        max_waiting: int = 16_384,
        threads: int = 1,
        fix: Callable[[], str] = lambda: "raise serving.timeout_s",
        tokens: Callable[[], tuple[int, int]] = lambda: (0, 0),
        damaged: Callable[[], int] = lambda: 0,
    ):
        self.name = name
        self._metrics = Metrics(name, tokens, damaged)
        self._fix = fix
        self._run = run
        self._max_waiting = max_waiting
        self._cache: LruCache[Item, Result] = LruCache(cache_bytes)
        self._pending: dict[Item, _Request[Item, Result]] = {}
        self._queue: deque[_Request[Item, Result]] = deque()
        self._turns: deque[Future[None]] = deque()
        self._changed = Condition()
        for _ in range(threads):
            Thread(target=self._loop, name=f"pbrlsvr-{name}", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Items without a result: in the queue, or in the model."""
        return len(self._pending)

    async def ask(self, item: Item, timeout_s: float | None = None) -> Result:
        """The result for `item`.

        A caller that is cancelled takes no other caller of the item with it.

        Raises:
            ServiceError: there was no result within `timeout_s`; names the model, the queue and the fix.
        """
        asked = time.monotonic()
        deadline = None if timeout_s is None else asked + timeout_s
        result: Result
        while True:
            with self._changed:
                result = self._cache.get(item)
                if result is not MISSING:
                    self._metrics.hits += 1
                    return result
                request = self._enter(item, asked)
                if request is None:
                    turn: Future[None] = Future()
                    self._turns.append(turn)
            if request is not None:
                break
            try:
                await self._until(turn, deadline, asked)
            finally:
                turn.cancel()
                self._give_turns()  # also that of a caller who left just when it came
        try:
            result = await self._until(request.future, deadline, asked)
            return result
        finally:
            with self._changed:
                request.callers -= 1

    def submit(self, item: Item) -> "Future[Result]":
        """The result for `item`, for a thread that waits for it; there is always room."""
        with self._changed:
            result = self._cache.get(item)
            if result is MISSING:
                request = self._enter(item, time.monotonic(), limited=False)
                assert request is not None
                return request.future
            self._metrics.hits += 1
        future: Future[Result] = Future()
        future.set_result(result)
        return future

    def describe(self) -> dict[str, Any]:
        """The metrics, with the queue and the cache as they are now."""
        with self._changed:
            return self._metrics.snapshot() | {"waiting": self.waiting, "cache_mib": self._cache.bytes / 2**20}

    def _enter(self, item: Item, asked: float, limited: bool = True) -> "_Request[Item, Result] | None":
        request = self._pending.get(item)
        if request is not None:
            self._metrics.hits += 1
            request.callers += 1
            return request
        if limited and len(self._pending) >= self._max_waiting:
            return None
        self._metrics.misses += 1
        request = self._pending[item] = _Request(item, Future(), asked)
        # A future that runs cannot be cancelled: a caller that leaves takes no other caller with it.
        request.future.set_running_or_notify_cancel()
        self._queue.append(request)
        self._changed.notify()
        return request

    async def _until(self, future: "Future[Any]", deadline: float | None, asked: float) -> Any:
        """The future's result. Neither a time-out nor a cancellation of this caller touches it."""
        waiter = asyncio.wrap_future(future)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            done, _ = await asyncio.wait([waiter], timeout=left)
        finally:
            waiter.cancel()
        if done:
            return waiter.result()
        waited = time.monotonic() - asked
        advice = await asyncio.to_thread(self._fix)
        raise ServiceError(
            f"{self.name} gave no result within {waited:.1f} s (serving.timeout_s): {self._backlog()}\n{advice}"
        )

    def _backlog(self) -> str:
        with self._changed:
            oldest = min((request.asked for request in self._pending.values()), default=time.monotonic())
            done = self._metrics.snapshot()
            so_far = f"{done['computed']:.0f} results so far"
            if done["computed"]:
                so_far += f", the last window of them in {done['last_window_s']:.1f} s"
            return (
                f"{so_far}; {len(self._pending)} items are in flight, {len(self._queue)} of them in the queue and "
                f"{len(self._turns)} more callers outside; the oldest waits for {time.monotonic() - oldest:.1f} s."
            )

    def _loop(self) -> None:
        while True:
            if window := self._take():
                self._answer(window)
            self._give_turns()

    def _take(self) -> list[_Request[Item, Result]]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            requests = list(self._queue)
            self._queue.clear()
            for request in requests:
                if not request.callers:
                    del self._pending[request.item]
                    self._metrics.dropped += 1
            return [request for request in requests if request.callers]

    def _answer(self, window: list[_Request[Item, Result]]) -> None:
        started = time.monotonic()
        results: Sequence[Result | Failure]
        try:
            results = self._run([request.item for request in window])
            if len(results) != len(window):
                raise RuntimeError(f"{self.name} returned {len(results)} results for {len(window)} items")
        except BaseException as error:
            results = [Failure(error)] * len(window)
        now = time.monotonic()
        with self._changed:
            failed = 0
            for request, result in zip(window, results, strict=True):
                del self._pending[request.item]
                if isinstance(result, Failure):
                    failed += 1
                else:
                    self._cache.put(request.item, result)
            self._metrics.window([now - request.asked for request in window], now - started, failed)
        for request, result in zip(window, results, strict=True):
            if isinstance(result, Failure):
                request.future.set_exception(result.error)
            else:
                request.future.set_result(result)

    def _give_turns(self) -> None:
        with self._changed:
            room = self._max_waiting - len(self._pending)
            while room > 0 and self._turns:
                turn = self._turns.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    room -= 1
