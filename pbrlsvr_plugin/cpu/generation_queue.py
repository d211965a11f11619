"""A generator in a thread of its own: requests arrive at any time, and a batch forms while the model is busy."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from pbrlsvr_plugin.cpu.generation import Generator, Request


class Batcher:
    """Feeds a `Generator` from other threads.

    An error in the model reaches every request that waits or runs at that moment, so no caller is left hanging.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._futures: dict[Request, Future[Request]] = {}
        threading.Thread(target=self._serve, name="generation", daemon=True).start()

    def submit(self, request: Request) -> "Future[Request]":
        """The future of the finished request."""
        future: Future[Request] = Future()
        with self._changed:
            self._futures[request] = future
            self._waiting.append(request)
            self._changed.notify()
        return future

    def call(self, function: Callable[[], Any]) -> "Future[Any]":
        """Run `function` between two steps of the model."""
        future: Future[Any] = Future()
        with self._changed:
            self._calls.append((function, future))
            self._changed.notify()
        return future

    def abort(self) -> "Future[int]":
        """Finish all requests with the tokens that they have. The future holds their number."""
        return self.call(self._abort)

    def _abort(self) -> int:
        with self._changed:
            waiting, self._waiting = self._waiting, []
        requests = self._generator.abort() + waiting
        for request in requests:
            request.aborted = True
        self._resolve(requests)
        return len(requests)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._calls or self._generator)
                calls, self._calls = self._calls, []
            for function, future in calls:
                _settle(future, function)
            try:
                self._advance()
            except BaseException as error:  # whatever it is, somebody waits for an answer
                self._fail(error)

    def _advance(self) -> None:
        with self._changed:
            waiting, self._waiting = self._waiting, []
        left = waiting
        try:
            left = self._generator.admit(waiting)
        finally:
            with self._changed:
                self._waiting = left + self._waiting
        self._resolve(self._generator.step())

    def _resolve(self, requests: list[Request]) -> None:
        for request in requests:
            self._futures.pop(request).set_result(request)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            futures, self._futures, self._waiting = list(self._futures.values()), {}, []
            self._generator.clear()
        for future in futures:
            future.set_exception(error)


def _settle(future: "Future[Any]", function: Callable[[], Any]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
