"""What the rewards of a file were, per language: means and standard deviations, in flat memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite, sqrt
from typing import Any

from rich.table import Table

from pbrlsvr.languages import english_name, known_tag

#: What a reward returns for veRL's sake, beside the value itself.
_BESIDE = ("_reward", "_missing", "_undetermined")
#: Components in the table on the screen; the JSON has all.
_SHOWN = 7


@dataclass
class Moments:
    """Count, mean and standard deviation of a stream of numbers (Welford's method).

    >>> moments = Moments()
    >>> for value in (1.0, 2.0, 3.0):
    ...     moments.add(value)
    >>> moments.count, moments.mean, moments.sd
    (3, 2.0, 1.0)
    """

    count: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self._squares += step * (value - self.mean)

    @property
    def sd(self) -> float:
        """Of the sample (n - 1); 0.0 for one number."""
        return sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0


@dataclass
class Tally:
    """One language."""

    rows: int = 0
    failed: int = 0
    #: "score" or a component -> its moments.
    values: dict[str, Moments] = field(default_factory=dict)


class Summary:
    """Per language, and over all rows ("all")."""

    def __init__(self) -> None:
        self.languages: dict[str, Tally] = {}
        self.all = Tally()

    def add(self, language: str, result: Mapping[str, Any] | None) -> None:
        """Counts a row; `None` is a row without a score."""
        for tally in (self.languages.setdefault(language, Tally()), self.all):
            tally.rows += 1
            tally.failed += result is None
            for name, value in (result or {}).items():
                if isinstance(value, int | float) and isfinite(value):
                    tally.values.setdefault(name, Moments()).add(float(value))

    def as_json(self) -> dict[str, Any]:
        """{"all": ..., "languages": {"sw": {"rows", "failed", "mean": {...}, "sd": {...}}}}"""
        return {"all": _as_json(self.all), "languages": {tag: _as_json(one) for tag, one in self._sorted()}}

    def table(self, first: Iterable[str] = ()) -> Table:
        """Languages x score and components, those in `first` before others."""
        shown = self._shown(first)
        made = Table("language", box=None, header_style="bold", pad_edge=False)
        for column in ("rows", "no score", "score", "sd", *shown):
            made.add_column(column, justify="right")
        lines = [(f"{tag} {english_name(tag)}" if known_tag(tag) else tag, tally) for tag, tally in self._sorted()]
        for name, tally in [*lines, *([("all", self.all)] if len(lines) > 1 else [])]:
            score = tally.values.get("score", Moments())
            cells = [f"{score.mean:.3f}", f"{score.sd:.3f}"] if score.count else ["-", "-"]
            means = [f"{tally.values[key].mean:.3f}" if key in tally.values else "-" for key in shown]
            made.add_row(name, f"{tally.rows:,}", f"{tally.failed:,}" if tally.failed else "", *cells, *means)
        return made

    def _shown(self, first: Iterable[str]) -> list[str]:
        values = self.all.values
        wanted = [name for name in (*first, "acc") if name in values]
        # What is the same in every row says little on a screen.
        others = [name for name, moments in values.items()
                  if name != "score" and moments.sd > 0 and not name.endswith(_BESIDE)]  # fmt: skip
        return list(dict.fromkeys([*wanted, *others]))[:_SHOWN]

    def _sorted(self) -> list[tuple[str, Tally]]:
        return sorted(self.languages.items())


def _as_json(tally: Tally) -> dict[str, Any]:
    return {
        "rows": tally.rows,
        "failed": tally.failed,
        "mean": {name: moments.mean for name, moments in tally.values.items()},
        "sd": {name: moments.sd for name, moments in tally.values.items()},
    }
