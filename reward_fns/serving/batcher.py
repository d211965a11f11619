"""Single requests in, batches out: the next batch forms while the model is busy with the last one.

A trainer asks for one sample at a time from many coroutines. A model wants batches. Between the two stands one thread
and one queue; there is no timer, so an idle model starts at once and a busy one takes all that has come in meanwhile.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Batcher(Generic[Result]):
    """Runs `run(texts)` on one thread for all callers, and remembers results by text.

    A text that is asked for again, or by many callers at once, is computed once: a reference is shared by all rollouts
    of its group. A batch that fails fails each of its callers with the cause, and is not remembered.

    Args:
        run: `[N]` different texts -> `[N]` results, in order. Called from one thread only.
        name: name of that thread, seen in stack dumps.
        max_cached: how many results are kept; the least recently used go first.

    Example:
        >>> lengths = Batcher(lambda texts: [len(t) for t in texts], name="lengths", max_cached=100)
        >>> lengths.submit("four").result()
        4
    """

    def __init__(self, run: Callable[[list[str]], Sequence[Result]], name: str, max_cached: int):
        self._run = run
        self._max_cached = max_cached
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._lock = threading.Lock()
        self._futures: OrderedDict[str, Future[Result]] = OrderedDict()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, text: str) -> "Future[Result]":
        """The result for `text`, in a future that callers share: await it behind `asyncio.shield`."""
        with self._lock:
            future = self._futures.get(text)
            if future is None:
                future = self._futures[text] = Future()
                self._queue.put(text)
            self._futures.move_to_end(text)
            return future

    def _loop(self) -> None:
        while True:
            texts = [self._queue.get()]
            while True:
                try:
                    texts.append(self._queue.get_nowait())
                except Empty:
                    break
            self._answer(texts)

    def _answer(self, texts: list[str]) -> None:
        try:
            results = self._run(texts)
            if len(results) != len(texts):
                raise RuntimeError(f"a scorer returned {len(results)} results for {len(texts)} texts")
        except BaseException as error:
            with self._lock:
                futures = [self._futures.pop(text) for text in texts]
            for future in futures:
                future.set_exception(error)
            return
        with self._lock:
            futures = [self._futures[text] for text in texts]
        for future, result in zip(futures, results, strict=True):
            future.set_result(result)
        self._evict()

    def _evict(self) -> None:
        with self._lock:
            excess = len(self._futures) - self._max_cached
            if excess > 0:
                done = [text for text, future in self._futures.items() if future.done()]
                for text in done[:excess]:
                    del self._futures[text]
