"""What was exported, counted: for the data card and its picture."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from pbrlsvr_plugin.prepare.stage import Row


class Tally:
    """Counts and lengths of the exported rows, 8 bytes for each length.

    Attributes:
        unit: of the lengths: "tokens" or "characters".
        rows: how many rows there are.
        prompts: (split, language) -> lengths of the prompts.
        references: lengths of the references, in the unit.
        counts: "source", "engine", "pivot_model" -> value -> rows.
    """

    def __init__(self, unit: str):
        self.unit = unit
        self.rows = 0
        self.prompts: dict[tuple[str, str], array[int]] = defaultdict(lambda: array("L"))
        self.references: array[int] = array("L")
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._problems: dict[str, set[int]] = defaultdict(set)

    def add(self, row: Row, split: str, prompt: int, reference: int) -> None:
        """Counts a row with the lengths of its prompt and its reference."""
        self.rows += 1
        self.prompts[split, row["language"]].append(prompt)
        self.references.append(reference)
        self._problems[split].add(hash(row["problem"]))
        for name in ("source", "engine", "pivot_model"):
            self.counts[name][row[name]] += 1

    def problems(self, split: str) -> int:
        """How many different problems a split has."""
        return len(self._problems[split])

    @property
    def languages(self) -> list[str]:
        """The languages, the one with the most rows first."""
        rows: Counter[str] = Counter()
        for (_, language), lengths in self.prompts.items():
            rows[language] += len(lengths)
        return sorted(rows, key=lambda language: (-rows[language], language))

    def count(self, split: str, language: str) -> int:
        """The rows of a language in a split."""
        return len(self.prompts.get((split, language), ()))

    def of_language(self, language: str) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """The lengths of a language's prompts, of both splits."""
        return np.array([n for (_, each), lengths in self.prompts.items() if each == language for n in lengths])


def quantiles(lengths: Iterable[int], *shares: float) -> list[int]:
    """Quantiles of lengths, rounded; zeros where there are none.

    >>> quantiles([1, 2, 3, 4, 100], 0.5, 1)
    [3, 100]
    """
    values = np.fromiter(lengths, np.int64)
    return [round(each) for each in np.quantile(values, shares)] if len(values) else [0] * len(shares)
