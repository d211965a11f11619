"""Single requests in, batches out: the next batch forms while the model is busy with the last one.

A trainer asks for one sample at a time from many coroutines. A model wants batches. Between the two stands one thread
and one queue; there is no timer, so an idle model starts at once and a busy one takes all that has come in meanwhile.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Runs `run(items)` on one thread for all callers, and remembers results by item.

    An item that is asked for again, or by many callers at once, is computed once: a reference is shared by all rollouts
    of its group. A batch that fails fails each of its callers with the cause, and is not remembered.

    Args:
        run: `[N]` different items -> `[N]` results, in order. Called from one thread only.
        name: name of that thread, seen in stack dumps.
        max_cached: how many results are kept; the least recently used go first.

    Example:
        >>> lengths = Batcher(lambda items: [len(t) for t in items], name="lengths", max_cached=100)
        >>> lengths.submit("four").result()
        4
    """

    def __init__(self, run: Callable[[list[Item]], Sequence[Result]], name: str, max_cached: int):
        self._run = run
        self._max_cached = max_cached
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._lock = threading.Lock()
        self._futures: OrderedDict[Item, Future[Result]] = OrderedDict()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> "Future[Result]":
        """The result for `item`, in a future that callers share: await it behind `asyncio.shield`."""
        with self._lock:
            future = self._futures.get(item)
            if future is None:
                future = self._futures[item] = Future()
                self._queue.put(item)
            self._futures.move_to_end(item)
            return future

    def _loop(self) -> None:
        while True:
            items = [self._queue.get()]
            while True:
                try:
                    items.append(self._queue.get_nowait())
                except Empty:
                    break
            self._answer(items)

    def _answer(self, items: list[Item]) -> None:
        try:
            results = self._run(items)
            if len(results) != len(items):
                raise RuntimeError(f"a scorer returned {len(results)} results for {len(items)} items")
        except BaseException as error:
            with self._lock:
                futures = [self._futures.pop(item) for item in items]
            for future in futures:
                future.set_exception(error)
            return
        with self._lock:
            futures = [self._futures[item] for item in items]
        for future, result in zip(futures, results, strict=True):
            future.set_result(result)
        self._evict()

    def _evict(self) -> None:
        with self._lock:
            excess = len(self._futures) - self._max_cached
            if excess > 0:
                done = [item for item, future in self._futures.items() if future.done()]
                for item in done[:excess]:
                    del self._futures[item]
