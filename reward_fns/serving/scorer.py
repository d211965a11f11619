"""Where a scorer runs: `scorer(options, serving)` is an async function from one item to its result.

A *model* turns many items into as many results, on one thread, in order. A *scorer* is what reward functions see of it:
one item in, one result out, awaited from any number of coroutines; behind it requests become batches, and what was
computed once is remembered.
"""

import zlib
from collections.abc import Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

from pbrlsvr.errors import ConfigError
from pbrlsvr.serving.batcher import Batcher
from pbrlsvr.serving.host import Model, ModelHost, ModelOptions
from pbrlsvr.serving.options import ServingOptions

__all__ = ["Model", "ModelOptions", "Scorer", "ServingOptions", "running", "scorer"]

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


class Scorer(Generic[Item, Result]):
    """One model behind a queue, or behind one queue for each of its replicas. `scorer(options, serving)` shares it."""

    def __init__(self, options: ModelOptions, serving: ServingOptions):
        self.options = options
        self._timeout_s = serving.timeout_s
        if serving.place == "ray":
            from pbrlsvr.serving.ray_place import client

            self._replicas = [client(options, serving, index) for index in range(serving.replicas)]
        elif serving.place == "node":
            from pbrlsvr.serving.node_place import replica

            self._replicas = [replica(options, serving, lambda: _local(options, serving))]
        else:
            self._replicas = [_local(options, serving)]

    async def __call__(self, item: Item) -> Result:
        """The result for `item`.

        Raises:
            ModelError: the model cannot be loaded, or fails on the item.
            ServiceError: where the model runs does not answer, or not within `serving.timeout_s`.
            MissingDependencyError: an optional package is not installed.
        """
        # Always the same replica for an item, whichever process asks: a reference is computed once.
        replica = zlib.crc32(repr(item).encode("utf-8", "surrogatepass")) % len(self._replicas)
        result: Result = await self._replicas[replica].ask(item, self._timeout_s)
        return result

    def describe(self) -> list[dict[str, Any]]:
        """The metrics of each replica, as this process sees it (`pbrlsvr.serving.metrics`)."""
        return [replica.describe() for replica in self._replicas]


def _local(options: ModelOptions, serving: ServingOptions) -> Batcher[Any, Any]:
    host = ModelHost(options, serving)
    return Batcher(
        host.run,
        name=f"{type(options).__name__} {options.model!r} in this process",
        cache_bytes=serving.cache_mib * 2**20,
        max_waiting=serving.max_waiting,
        fix=lambda: "Take a smaller model, run it where there is a GPU (serving.place), or raise serving.timeout_s.",
        tokens=host.tokens,
        damaged=host.damaged,
    )


_lock = Lock()
_running: dict[tuple[ModelOptions, ServingOptions], Scorer[Any, Any]] = {}


def scorer(options: ModelOptions, serving: ServingOptions) -> Scorer[Any, Any]:
    """The one scorer of this process for these options; the model is loaded at its first item."""
    serving = serving.resolved(has_client=hasattr(options, "served_by"))
    if serving.place == "endpoint":
        if not hasattr(options, "served_by"):
            raise ConfigError(
                f"serving.place='endpoint' cannot run model {options.model!r}: there is no client for "
                f"{type(options).__name__}; take 'ray', 'node' or 'local'"
            )
        options, serving = options.served_by(serving.endpoint), serving.model_copy(update={"place": "local"})
    with _lock:
        if (options, serving) not in _running:
            _running[options, serving] = Scorer(options, serving)
        return _running[options, serving]


def running() -> list[Scorer[Any, Any]]:
    """The scorers that this process has asked for so far."""
    return [*_running.values()]
