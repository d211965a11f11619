"""Where a scorer runs: `scorer(options, serving)` is an async function from one item to its result.

A *model* turns many items into as many results, on one thread, in order. A *scorer* is what reward functions see of it:
one item in, one result out, awaited from any number of coroutines; behind it requests become batches, and what was
computed once is remembered.
"""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError
from pbrlsvr.serving.batcher import Batcher

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

Place = Literal["local"]


class Model(Protocol):
    """A loaded model. Items are texts, or tuples of texts; results can be pickled."""

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        """`[N]` different items -> `[N]` results, in order. Called from one thread only."""


class ModelOptions(Protocol):
    """What a model is loaded from: a frozen dataclass, hashable and picklable, checked when it is made."""

    @property
    def model(self) -> str:
        """Names the model in errors and stack dumps."""

    def load(self) -> Model:
        """The loaded model. It is called once, where the model is to run.

        Raises:
            ModelError: the model cannot be loaded; with what failed and the mend.
            MissingDependencyError: an optional package is not installed.
        """


@dataclass(frozen=True)
class ServingOptions:
    """Where a scorer runs.

    Attributes:
        place: "local", in this process.
        cache_size: results kept in memory, the least recently used leave first.
    """

    place: Place = "local"
    cache_size: int = 100_000

    def __post_init__(self) -> None:
        if self.place not in get_args(Place):
            raise ConfigError(f"serving.place={self.place!r} is not one of {list(get_args(Place))}")


class Scorer(Generic[Item, Result]):
    """One model behind a queue. Get it with `scorer(options, serving)`, which shares it."""

    def __init__(self, options: ModelOptions, serving: ServingOptions):
        self.options = options
        self._model: Model | None = None
        self._load_error: ModelError | MissingDependencyError | None = None
        self._batcher = Batcher[Item, Result](
            self._run, name=f"pbrlsvr-{type(options).__name__}-{options.model}", max_cached=serving.cache_size
        )

    async def __call__(self, item: Item) -> Result:
        """The result for `item`.

        Raises:
            ModelError: the model cannot be loaded, or fails on the item.
            MissingDependencyError: an optional package is not installed.
        """
        return await asyncio.shield(asyncio.wrap_future(self._batcher.submit(item)))

    def _run(self, items: list[Item]) -> Sequence[Result]:
        return self._loaded().run(items)

    def _loaded(self) -> Model:
        if self._load_error is not None:
            raise self._load_error
        if self._model is None:
            try:
                self._model = self.options.load()
            except (ModelError, MissingDependencyError) as error:
                # Each later request fails at once with the same reason, instead of trying the hub again.
                self._load_error = error
                raise
        return self._model


_lock = Lock()


def scorer(options: ModelOptions, serving: ServingOptions) -> Scorer[Any, Any]:
    """The one scorer of this process for these options; the model is loaded at its first item."""
    with _lock:  # cache alone may build twice when two threads ask at the same time
        return _scorer(options, serving)


@cache
def _scorer(options: ModelOptions, serving: ServingOptions) -> Scorer[Any, Any]:
    return Scorer(options, serving)
