"""Train or test, decided by problem: all languages of a problem are on the same side, whatever order they come in.

A problem's place is a number in [0, 1) from a hash of the seed and its name. A fraction f takes the problems below f,
so that adding rows moves none of the old ones; a count takes the problems with the smallest numbers.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from pbrlsvr.errors import DataError
from pbrlsvr_plugin.prepare.export.minhash import hash_of
from pbrlsvr_plugin.prepare.export.options import SplitOptions

Split = Literal["train", "test"]


class Splitter:
    """problem -> "train" or "test".

    >>> split = Splitter(SplitOptions(test=2), ["a", "b", "c"], seed=0)
    >>> sorted(split(problem) for problem in "abc")
    ['test', 'test', 'train']
    """

    def __init__(self, options: SplitOptions, problems: Iterable[str], seed: int):
        """
        Raises:
            DataError: there are not more problems than should be in the test set.
        """
        self._seed = seed
        self._below = float(options.test)
        if isinstance(options.test, int) and options.test > 0:
            places = np.unique(np.fromiter(map(self._place, problems), np.float64))
            if len(places) <= options.test:
                raise DataError(
                    f"split.test={options.test!r} problems are for the test set, but there are only {len(places)} "
                    "problems; give a smaller number, or a fraction"
                )
            self._below = float(places[options.test])

    def __call__(self, problem: str) -> Split:
        """The side of a problem."""
        return "test" if self._place(problem) < self._below else "train"

    def _place(self, problem: str) -> float:
        # 53 bits: a float holds them all.
        return (hash_of(f"{self._seed}\0{problem}") >> 11) / 2**53
