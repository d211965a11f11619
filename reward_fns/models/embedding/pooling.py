"""What every place that makes embeddings does alike: the text before the model, and the pieces of a text after it."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

_JOINERS = "\u200c\u200d"


def plain_text(text: str) -> str:
    """The text as a tokenizer takes it: lone surrogates replaced, and what shows nothing (direction marks) removed.

    The joiners stay: they shape letters in Indic and Arabic scripts.
    """
    if text.isascii():
        return text
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c for c in text if c in _JOINERS or unicodedata.category(c) != "Cf")


def pooled(vectors: Vector, weights: Sequence[int], owners: Sequence[int], count: int) -> list[Vector]:
    """Unit vectors `[d]` of `count` texts: v(t) = sum_i w_i v_i / |sum_i w_i v_i| over the pieces i of text t.

    Args:
        vectors: `[n, d]`, a unit vector for each piece.
        weights: `[n]`, lengths of the pieces.
        owners: `[n]`, the text that each piece belongs to, in [0, count).
        count: how many texts there are.
    """
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, owners, vectors * np.asarray(weights, dtype=np.float32)[:, None])
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    # Copies: a view that is remembered would keep the whole array.
    return [row.copy() for row in sums / np.maximum(norms, np.finfo(np.float32).tiny)]
