"""Results and errors as they travel from the process that has the model to the one that asked."""

import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from pbrlsvr.errors import ModelError, PbrlsvrError
from pbrlsvr.serving.batcher import Failure


def packed(futures: "Sequence[Future[Any]]", model: str) -> tuple[Any, dict[int, Exception]]:
    """Waits for `[N]` results: what there is, vectors of one shape as one array; and the errors of the other rows."""
    errors = {row: _portable(error, model) for row, future in enumerate(futures) if (error := future.exception())}
    values = [future.result() for row, future in enumerate(futures) if row not in errors]
    if values and all(isinstance(v, np.ndarray) and v.shape == values[0].shape for v in values):
        return np.stack(values), errors
    return values, errors


def unpacked(values: Any, errors: Mapping[int, Exception], count: int) -> list[Any]:
    """What `packed` gave, as `[count]` results in order, with a `Failure` for each error."""
    # Copies: a view that is remembered would keep the whole array alive.
    found = iter([value.copy() for value in values] if isinstance(values, np.ndarray) else values)
    return [Failure(errors[row]) if row in errors else next(found) for row in range(count)]


def _portable(error: BaseException, model: str) -> Exception:
    """The error as it can be sent; its causes are not."""
    if isinstance(error, PbrlsvrError):
        try:
            pickle.loads(pickle.dumps(error))
            return error
        except (pickle.PicklingError, TypeError, AttributeError):
            return ModelError(str(error))
    return ModelError(f"model {model!r} failed with {type(error).__name__}: {error}")
