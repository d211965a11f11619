"""Intervals and tests for accuracies that several languages share their problems for.

Resampling draws *problems*, not answers: a hard problem is hard in all languages, so that a gap between two languages
is known better than either accuracy. Everything is drawn with a fixed seed: the same samples give the same figures.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

DRAWS, SEED, LEVEL = 2_000, 0, 0.95
_FLIPS = 10_000
#: Numbers that are drawn at a time.
_AT_ONCE = 20_000_000


def matrix(values: Mapping[tuple[str, str], float], languages: Sequence[str], problems: Sequence[str]) -> Array:
    """`[problems, languages]` of the values by language and problem; NaN where a problem is not there in a language."""
    return np.array([[values.get((language, problem), np.nan) for language in languages] for problem in problems])


def resampled_means(values: Array, draws: int = DRAWS) -> Array:
    """The mean of each column in bootstrap samples of the rows: the clustered, joint bootstrap.

    Args:
        values: `[problems, languages]`; NaN where a problem is not there in a language.
        draws: how many samples.

    Returns:
        `[draws, languages]`; NaN where a sample has no problem of the language.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 (the unit drawn is the cluster).
    """
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    chance = np.random.default_rng(SEED)
    problems = len(values)
    found = []
    step = max(1, _AT_ONCE // max(1, problems))
    for first in range(0, draws, step):
        count = min(step, draws - first)
        times = chance.multinomial(problems, np.full(problems, 1.0 / problems), size=count).astype(np.float64)
        number = times @ there
        with np.errstate(invalid="ignore"):
            found.append((times @ filled) / np.where(number > 0, number, np.nan))
    return np.concatenate(found)


def interval(draws: Array) -> tuple[float, float] | None:
    """The percentile interval of bootstrap draws, at 95 %; None where there are none."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test.

    p = min(1, 2 P(X <= min(b, c))) with X binomial(b + c, 1/2)

    Args:
        first_only, second_only: b and c, the problems that only the one and only the other model solves.

    >>> round(mcnemar(1, 9), 6)
    0.021484
    """
    total = first_only + second_only
    term = tail = 1
    for k in range(1, min(first_only, second_only) + 1):
        term = term * (total - k + 1) // k  # the binomial coefficient, from the one before it
        tail += term
    return min(1.0, float(Fraction(2 * tail, 2**total)))


def sign_flips(differences: Sequence[float] | Array) -> float:
    """The two-sided p-value of a paired randomisation test: how often random signs make the mean as large.

    p = (1 + #{|mean of flipped| >= |mean|}) / (1 + 10,000), or exactly for up to 12 differences that are not 0.

    Source: Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989.

    >>> sign_flips([1.0, 1.0, 1.0])
    0.25
    """
    known = np.asarray(differences, dtype=np.float64)
    known = known[~np.isnan(known) & (known != 0)]
    if not len(known):
        return 1.0
    seen = abs(known.sum()) - 1e-9 * np.abs(known).sum()
    if len(known) <= 12:
        signs = (np.arange(2 ** len(known))[:, None] >> np.arange(len(known)) & 1) * 2.0 - 1.0
        return float(np.mean(np.abs(signs @ known) >= seen))
    chance, hits = np.random.default_rng(SEED), 0
    step = max(1, _AT_ONCE // len(known))
    for first in range(0, _FLIPS, step):
        signs = chance.integers(0, 2, size=(min(step, _FLIPS - first), len(known))) * 2.0 - 1.0
        hits += int(np.sum(np.abs(signs @ known) >= seen))
    return (1 + hits) / (1 + _FLIPS)


def holm(p_values: Mapping[Any, float]) -> dict[Any, float]:
    """Holm's step-down correction: p-values that keep the chance of any false finding in the family below the level.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

    >>> holm({"de": 0.01, "sw": 0.04, "bn": 0.03})
    {'de': 0.03, 'bn': 0.06, 'sw': 0.06}
    """
    corrected, largest = {}, 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p))
        corrected[name] = largest
    return corrected
