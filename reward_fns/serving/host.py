"""A model where it runs: loaded once, asked in windows, its results kept on disk where that is wanted."""

import ctypes
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError, PbrlsvrError, ServiceError
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.cache import MISSING
from pbrlsvr.serving.disk_cache import DiskCache, own_folder
from pbrlsvr.serving.options import ServingOptions

# One at a time in a process: transformers' modules fill on first use, and a second thread sees them half filled.
_LOADING = Lock()

#: Freed memory is given back this often, which takes some milliseconds.
TRIM_EVERY_S = 30.0


class Model(Protocol):
    """A loaded model. Items are texts, or tuples of texts; results can be pickled.

    A model that batches with `pbrlsvr.serving.token_budget.TokenBudget` and keeps it as `batches` has its batch fill
    and its tokens per second among the metrics.
    """

    def run(self, items: Sequence[Any]) -> Sequence[Any]:
        """`[N]` different items -> `[N]` results, in order. Called from one thread only."""


class ModelOptions(Protocol):
    """What a model is loaded from: a frozen dataclass, hashable and picklable, checked when it is made.

    Its `repr` names everything that the results depend on: by it, models are shared and results are kept on disk.
    """

    def __hash__(self) -> int: ...

    @property
    def model(self) -> str:
        """Names the model in errors and stack dumps: a folder, or a name on the Hugging Face hub."""

    def load(self) -> Model:
        """The loaded model. It is called once, where the model is to run.

        Raises:
            ModelError: the model cannot be loaded; with what failed and the fix.
            MissingDependencyError: an optional package is not installed.
        """


class ModelHost:
    """Turns windows of items into results, with the model that `options` loads at the first of them."""

    def __init__(self, options: ModelOptions, serving: ServingOptions):
        self._options = options
        self._serving = serving
        self._model: Model | None = None
        self._load_error: PbrlsvrError | None = None
        self._disk: DiskCache | None = None
        self._trimmed = time.monotonic()

    def run(self, items: list[Any]) -> list[Any]:
        """`[N]` different items -> `[N]` results in order, with a `Failure` for each item that the model cannot take.

        Raises:
            PbrlsvrError: the model cannot be loaded.
        """
        try:
            return self._results(self._loaded(), items)
        finally:
            self._give_memory_back()

    def _results(self, model: Model, items: list[Any]) -> list[Any]:
        if self._disk is None:
            return run_isolating(model.run, items, self._options.model)
        known = self._disk.get(items)
        missing = [item for item, value in zip(items, known, strict=True) if value is MISSING]
        computed = dict(zip(missing, run_isolating(model.run, missing, self._options.model), strict=True))
        self._disk.put({item: value for item, value in computed.items() if not isinstance(value, Failure)})
        return [computed[item] if value is MISSING else value for item, value in zip(items, known, strict=True)]

    def _give_memory_back(self) -> None:
        """What was freed and the C library keeps goes back to the system, from time to time, where that is glibc.

        On a CPU a model wants buffers of other sizes for each shape of a batch, and oneDNN remembers something small
        for each shape (for 1,024 of them). That comes to lie between the buffers, and glibc, which gives back only what
        is free up to the end, keeps them: a process grew by 94 MiB in 640 samples, all of it free
        (benchmarks/README.md).
        """
        now = time.monotonic()
        if now - self._trimmed >= TRIM_EVERY_S:
            self._trimmed = now
            with suppress(OSError, AttributeError, TypeError):  # another C library, or another system
                ctypes.CDLL(None).malloc_trim(0)

    def tokens(self) -> tuple[int, int]:
        """Tokens computed so far, without and with padding; zeros where the model does not count."""
        batches = getattr(self._model, "batches", None)
        return (batches.useful, batches.padded) if batches is not None else (0, 0)

    def damaged(self) -> int:
        """Results on disk that were not what had been written, so far."""
        return self._disk.damaged if self._disk is not None else 0

    @property
    def is_loaded(self) -> bool:
        """Whether the model is ready."""
        return self._model is not None

    def _loaded(self) -> Model:
        if self._load_error is not None:
            raise self._load_error
        if self._model is None:
            try:
                kept = self._serving.cache_dir
                folder = own_folder(kept) if kept is not None else None
                with _LOADING:
                    model = self._options.load()
                # Only now, when the model's files are there, is its revision known.
                self._disk = DiskCache(folder, self._options) if folder is not None else None
            except PbrlsvrError as error:
                # Each later request fails at once with the same reason, instead of trying the hub again.
                self._load_error = error
                raise
            self._model = model
        return self._model


def run_isolating(run: Callable[[list[Any]], Sequence[Any]], items: Sequence[Hashable], model: str) -> list[Any]:
    """`run(items)`, with a `Failure` for each item that cannot be computed by itself.

    A window that fails is halved until the item that is to blame stands alone. Where that brings no success, however
    small the part, it is not an item that is to blame: then all that are left fail with the cause.
    """
    results: list[Any] = [None] * len(items)
    # One bad item costs a failure for each halving; a few more allow for neighbours that are bad as well.
    patience = len(items).bit_length() + 3
    failures, parts = 0, [range(len(items))] if items else []
    while parts:
        part = parts.pop()
        try:
            found = run([items[row] for row in part])
            if len(found) != len(part):
                raise RuntimeError(f"it returned {len(found)} results for {len(part)} items")
            results[part.start : part.stop] = found
            failures = 0
            continue
        except Exception as failure:
            error = failure
        failures += 1
        # A service that does not answer was tried often enough; the kinds of ServiceError are of servers that do.
        of_all = isinstance(error, ConfigError | MissingDependencyError) or type(error) is ServiceError
        if failures > patience or of_all:
            for left in (part, *parts):
                for row in left:
                    results[row] = Failure(_named(error, model, None))
            break
        if len(part) == 1:
            results[part[0]] = Failure(_named(error, model, items[part[0]]))
        else:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
    return results


def _named(error: Exception, model: str, item: Any) -> PbrlsvrError:
    """The error with the model and the item in its text; one of ours already says what it needs."""
    if isinstance(error, PbrlsvrError):
        return error
    place = "" if item is None else f" on {str(item)[:80]!r}"
    found = ModelError(f"model {model!r} failed{place} with {type(error).__name__}: {error}")
    found.__cause__ = error
    return found
