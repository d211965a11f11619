"""What every place that makes embeddings does alike: the text before the model, and norms and pieces after it."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pbrlsvr.errors import ModelError

Vector = NDArray[np.float32]

#: The norms of vectors that encoders give lie well within. Outside, numbers have overflowed or were misread.
SMALLEST_NORM, LARGEST_NORM = 1e-6, 1e6

# How far the norm of a unit vector in float32, of any dimension, may be from 1.
_ROUNDING = 1e-3

_JOINERS = "\u200c\u200d"


def plain_text(text: str) -> str:
    """The text as a tokenizer takes it: lone surrogates replaced, and what shows nothing (direction marks) removed.

    The joiners stay: they shape letters in Indic and Arabic scripts.
    """
    if text.isascii():
        return text
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c for c in text if c in _JOINERS or unicodedata.category(c) != "Cf")


def norms(vectors: ArrayLike) -> NDArray[np.float64]:
    """|v| of each of `[n, d]` vectors: `[n]`, in float64, where the squares of float32 neither overflow nor vanish."""
    found: NDArray[np.float64] = np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=-1)
    return found


def are_usable(norms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which norms can be those of an encoder's vectors; NaN, infinity and 0 are not."""
    usable: NDArray[np.bool_] = (norms >= SMALLEST_NORM) & (norms <= LARGEST_NORM)
    return usable


def checked_unit(vector: Vector, model: str) -> Vector:
    """The vector, wherever it comes from: computed, from a server, or from a cache.

    Raises:
        ModelError: it is no unit vector, so that a cosine with it would be no cosine.
    """
    if vector.ndim != 1 or not abs(norms(vector) - 1.0) < _ROUNDING:
        raise ModelError(
            f"model {model!r} gave a vector of shape {vector.shape} and norm {norms(vector)!r}, which is no unit vector"
        )
    return vector


def pooled(vectors: ArrayLike, weights: Sequence[int], owners: Sequence[int], count: int) -> list[Vector]:
    """Unit vectors `[d]` of `count` texts: v(t) = s / |s| with s = sum_i w_i v_i / |v_i| over the pieces i of text t.

    Args:
        vectors: `[n, d]`, a vector for each piece, of any usable norm.
        weights: `[n]`, lengths of the pieces.
        owners: `[n]`, the text that each piece belongs to, in [0, count); each has one.
        count: how many texts there are.

    Raises:
        ModelError: the pieces of a text cancel each other out, so that it has no direction.

    Example:
        >>> pooled([[3.0, 4.0], [0.0, 2.0]], [1, 1], [0, 1], 2)
        [array([0.6, 0.8], dtype=float32), array([0., 1.], dtype=float32)]
    """
    x = np.asarray(vectors, dtype=np.float64)
    shares = np.asarray(weights, dtype=np.float64)
    sums = np.zeros((count, x.shape[1]))
    np.add.at(sums, owners, x * (shares / norms(x))[:, None])
    lengths = norms(sums)
    bad = np.flatnonzero(~(lengths > SMALLEST_NORM * np.bincount(owners, shares, count)))
    if len(bad):
        raise ModelError(
            f"the pieces of text {bad[0]} of {count} cancel out: their sum has the norm {lengths[bad[0]]!r}"
        )
    # Copies: a view that is remembered would keep the whole array.
    return [row.astype(np.float32) for row in sums / lengths[:, None]]
