r"""Do two reasonings take the same steps in the same order?

Each text is a sequence of sentence vectors with lengths. A *bead* (Gale & Church, 1993) matches one step of one text
with one or more neighbouring steps of the other, so that a sentence may be split or merged in translation. Beads do not
cross and share no step; steps may stay unmatched. The score is that of the best set of beads:

.. math:: \text{score} = \max_{\text{beads}} \sum_k \sqrt{a_k b_k} \; s_k, \qquad
          s_k = \frac{\sum_j b_j \kappa(x, y_j)}{\sqrt{\sum_{jj'} b_j b_{j'} \kappa(y_j, y_{j'})}}, \qquad
          \kappa(u, v) = \max\left(0, \frac{\cos(u, v) - \text{floor}}{1 - \text{floor}}\right)

where :math:`a_k` and :math:`b_k` are the shares of the two texts' lengths inside the bead, :math:`x` is its one step
and :math:`y_j` with shares :math:`b_j` are its merged ones. At `floor` 0, :math:`s_k` is the cosine between :math:`x`
and the length-weighted sum of the :math:`y_j`. As the shares of each text sum to at most 1, the score is at most 1
(Cauchy-Schwarz), and 1 needs that all of both texts is matched, part for part, at cosine 1. What is left out of one
text, and what is added to the other, takes share from the beads. A step that repeats another one of its bead adds
nothing to its share, so saying the same sentence again is padding.

Order: beads are found by dynamic programming over both sequences (Needleman & Wunsch, 1970), with sums of sentence
vectors for merged steps as in Vecalign (Thompson & Koehn, 2019, https://aclanthology.org/D19-1136). The weights and the
treatment of repeats are ours.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pbrlsvr.errors import DataError

Array = NDArray[np.float64]

#: Steps of one text that may be merged in one bead, at least.
MERGES = 4
#: Steps of the same text with a kernel above this say the same.
REPEAT = 0.99


def alignment(
    response: ArrayLike,
    reference: ArrayLike,
    response_lengths: ArrayLike | None = None,
    reference_lengths: ArrayLike | None = None,
    *,
    floor: float = 0.0,
) -> float:
    """How far the steps of two texts match in order; the formula is at the top of this module.

    Args:
        response: vectors `[n, d]` of the response's steps, in order; their norms do not matter.
        reference: vectors `[m, d]` of the reference's steps.
        response_lengths: `[n]` positive lengths in any unit; `None` takes all as equal.
        reference_lengths: `[m]`, likewise.
        floor: the cosine of steps that have nothing to do with each other, in [-1, 1). Encoders differ: near 0 for
            LaBSE, above 0.7 for multilingual E5, where without it the order would hardly count.

    Returns:
        A score in [0, 1]; 0 where a text has no steps. It is symmetric in the two texts.

    Raises:
        DataError: shapes that do not fit, a length that is not positive, a vector that is not finite, a floor out of
            range.

    Work and memory grow with `MERGES * n * m`, or the square of the longer text where one is much longer.

    Example:
        >>> steps = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
        >>> round(alignment(steps, steps), 3), round(alignment(steps[::-1], steps), 3)
        (1.0, 0.333)
        >>> round(alignment(steps[:2], steps), 3)  # 2 * sqrt(1/2 * 1/3)
        0.816
    """
    if not -1.0 <= floor < 1.0:
        raise DataError(f"floor={floor!r} must be a cosine in [-1, 1)")
    x, a = _checked(response, response_lengths, "response")
    y, b = _checked(reference, reference_lengths, "reference")
    if not len(x) or not len(y):
        return 0.0
    if x.shape[1] != y.shape[1]:
        raise DataError(f"the response's steps have {x.shape[1]} dimensions and the reference's {y.shape[1]}")
    if len(x) > len(y):  # the loop goes over the shorter text
        x, a, y, b = y, b, x, a
    # Twice as many merges as the lengths of the texts suggest; else a terse reference could not match a detailed text.
    merges = min(max(MERGES, 2 * -(-len(y) // len(x))), len(y))
    cross = _kernel(x, y, floor)
    split = _gains(cross, _kernel(y, y, floor), a, b, merges)
    merged = [np.ascontiguousarray(gain.T) for gain in _gains(cross.T, _kernel(x, x, floor), b, a, min(merges, len(x)))]
    return float(min(1.0, _best_path(split, merged, len(x), len(y))))


def _checked(vectors: ArrayLike, lengths: ArrayLike | None, name: str) -> tuple[Array, Array]:
    """Unit vectors and shares of the length."""
    x = np.asarray(vectors, dtype=np.float64)
    if not x.size:
        return np.zeros((0, 0)), np.zeros(0)
    weights = np.ones(len(x)) if lengths is None else np.asarray(lengths, dtype=np.float64)
    if x.ndim != 2 or weights.shape != (len(x),):
        raise DataError(f"{name}: vectors of shape {x.shape} need lengths of shape [n], not {weights.shape}")
    if not (np.isfinite(x).all() and np.isfinite(weights).all() and (weights > 0).all()):
        raise DataError(f"{name}: a vector is not finite or a length is not positive: lengths {weights.tolist()!r}")
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.maximum(norms, np.finfo(np.float64).tiny), weights / weights.sum()


def _kernel(x: Array, y: Array, floor: float) -> Array:
    kernel: Array = np.clip((x @ y.T - floor) / (1.0 - floor), 0.0, 1.0)
    return kernel


def _gains(cross: Array, own: Array, a: Array, b: Array, merges: int) -> list[Array]:
    """What beads of one step of a text and 1, 2, ... `merges` steps of the other add: `[n, m]`, `[n, m - 1]`, ...

    Entry `[i, j]` of matrix `k` matches step `i` of the one, with shares `a`, with the steps `j` to `j + k` of the
    other, with shares `b`. `cross` is the kernel between the texts, `own` that within the other text.
    """
    repeats = _previous_repeat(own)
    # Prefix sums give the sum over any run of steps as a difference.
    dots = np.pad(cross * b, ((0, 0), (1, 0))).cumsum(axis=1)
    squares = np.pad(own * np.outer(b, b), (1, 0)).cumsum(axis=0).cumsum(axis=1)
    share = np.zeros(len(b))
    gains = []
    for k in range(merges):
        start = np.arange(len(b) - k)
        stop = start + k + 1
        share = share[: len(start)] + b[k:] * (repeats[k:] < start)
        square = squares[stop, stop] - 2 * squares[start, stop] + squares[start, start]
        similarity = (dots[:, k + 1 :] - dots[:, : len(start)]) / np.sqrt(np.maximum(square, 1e-12))
        gains.append(np.sqrt(a)[:, None] * np.sqrt(share) * np.minimum(similarity, 1.0))
    return gains


def _previous_repeat(own: Array) -> NDArray[np.int64]:
    """For each step the last earlier step that says the same, or -1."""
    same = np.tril(own > REPEAT, -1)
    last = len(own) - 1 - np.argmax(same[:, ::-1], axis=1)
    return np.where(same.any(axis=1), last, -1)


def _best_path(split: list[Array], merged: list[Array], n: int, m: int) -> float:
    """The largest sum of gains: `best[i, j]` is that of the first `i` and `j` steps."""
    best = np.zeros((n + 1, m + 1))
    for i in range(1, n + 1):
        row = best[i - 1].copy()  # step i unmatched
        for k, gain in enumerate(split):
            np.maximum(row[k + 1 :], best[i - 1, : m - k] + gain[i - 1], out=row[k + 1 :])
        for k, gain in enumerate(merged[1:i], start=2):
            np.maximum(row[1:], best[i - k, :m] + gain[i - k], out=row[1:])
        best[i] = np.maximum.accumulate(row)  # steps of the other text unmatched
    return float(best[n, m])
