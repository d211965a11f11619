"""Warnings while a run trains: what has gone wrong, in which languages, and what to do about it.

They look at the metrics of `pbrlsvr_plugin.verl.metrics`, per language and over all. A value is the mean of the last
`WINDOW` steps in which the language occurs, weighted by its rows; a language with fewer than `FEWEST` rows in them says
nothing. "At first" is that mean over the first `WINDOW` steps of this process: a resumed run begins anew.

=========  =============================================================================================================
spread     80 % of the groups are without spread; or the mean spread is a quarter of what it was at first
language   30 % of the reasoning is in another language than the row's; or 15 points more than at first
length     responses of at least 64 tokens are twice as long as `EARLIER` steps ago; or 30 % of them are truncated
gaming     the score is higher and the accuracy lower than when the accuracy was highest, both means over 10 steps: both
           by at least 0.02, and by four standard errors
=========  =============================================================================================================

What is said of a language is said again after `AGAIN` steps, if it still holds.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean, variance

from pbrlsvr_plugin.verl.metrics import OVERALL, PREFIX

WINDOW = 5
FEWEST = 40
AGAIN = 50
EARLIER = 20

LITTLE_SPREAD, SPREAD_LEFT = 0.8, 0.25
MUCH_ELSEWHERE, MORE_ELSEWHERE = 0.3, 0.15
TIMES_AS_LONG, SHORT, MUCH_TRUNCATED = 2.0, 64, 0.3
GAMING_WINDOW, GAMING_BY, STANDARD_ERRORS = 10, 0.02, 4.0

_ADVICE = {
    "spread": "All responses to a prompt score about the same, which teaches nothing. Are the prompts too hard or too "
    "easy, or a component's weight 0? More responses per prompt (actor_rollout_ref.rollout.n) or a higher temperature "
    "help; algorithm.filter_groups.enable=true leaves such groups out.",
    "language": "The reasoning is leaving the row's language. Raise language.reasoning.weight, or set "
    "language.reasoning.mode=gate; a larger actor_rollout_ref.actor.kl_loss_coef holds the policy where it began.",
    "length": "The responses grow. Look at some: if they loop or ramble, set guards.length=true or a smaller "
    "data.max_response_length; if they are cut off while they reason well, raise data.max_response_length.",
    "gaming": "The reward may be what is being trained, not what it stands for: read the responses with the highest "
    "scores. More weight on `answer`, combine.rule=gated, or an earlier checkpoint.",
}


@dataclass(slots=True)
class _Mean:
    """A metric of one language: its mean of late, and at first, weighted by rows."""

    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    means: deque[float] = field(default_factory=lambda: deque(maxlen=EARLIER + 1))
    at_first: float | None = None

    def add(self, value: float, rows: float) -> None:
        self.recent.append((value, rows))
        if (now := self.now) is not None:
            self.means.append(now)
            self.at_first = now if self.at_first is None else self.at_first

    @property
    def now(self) -> float | None:
        rows = sum(weight for _, weight in self.recent)
        if len(self.recent) < WINDOW or rows < FEWEST:
            return None
        return sum(value * weight for value, weight in self.recent) / rows

    @property
    def earlier(self) -> float | None:
        return self.means[0] if self.means else None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The score and the accuracy of some steps: means, and the squares of their standard errors."""

    step: int
    score: float
    accuracy: float
    score_error: float
    accuracy_error: float


@dataclass(slots=True)
class _Gaming:
    """Whether the score has risen, and the accuracy fallen, since the accuracy was at its highest."""

    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=GAMING_WINDOW))
    best: _Stretch | None = None

    def add(self, step: int, score: float, accuracy: float) -> str | None:
        self.recent.append((score, accuracy))
        if len(self.recent) < GAMING_WINDOW:
            return None
        scores, accuracies = zip(*self.recent, strict=True)
        errors = (variance(series) / GAMING_WINDOW for series in (scores, accuracies))
        now = _Stretch(step, fmean(scores), fmean(accuracies), *errors)
        if self.best is None or now.accuracy >= self.best.accuracy:
            self.best = now
            return None
        if not (
            _above(now.score, self.best.score, now.score_error + self.best.score_error)
            and _above(self.best.accuracy, now.accuracy, now.accuracy_error + self.best.accuracy_error)
        ):
            return None
        return (
            f"accuracy {self.best.accuracy:.2f} -> {now.accuracy:.2f}, score {self.best.score:.2f} -> {now.score:.2f} "
            f"since step {self.best.step}"
        )


def _above(high: float, low: float, squared_error: float) -> bool:
    return high - low >= max(GAMING_BY, STANDARD_ERRORS * math.sqrt(squared_error))


class Watch:
    """Reads the metrics of each step, and says what should worry.

    >>> watch = Watch()
    >>> said = [watch.look(step, {"pbrlsvr/sw/rows": 64, "pbrlsvr/sw/other_language": 0.5}) for step in range(1, 7)]
    >>> [len(texts) for texts in said]
    [0, 0, 0, 0, 1, 0]
    """

    def __init__(self) -> None:
        self._means: dict[tuple[str, str], _Mean] = {}
        self._gaming: dict[str, _Gaming] = {}
        self._said: dict[tuple[str, str], int] = {}

    def look(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """A text for each kind of trouble that there is news of; metrics of others than ours are passed over."""
        by_language: dict[str, dict[str, float]] = {}
        for name, value in metrics.items():
            prefix, _, rest = name.partition("/")
            language, _, metric = rest.partition("/")
            if prefix == PREFIX and metric:
                by_language.setdefault(language, {})[metric] = value
        found: dict[str, dict[str, str]] = {}
        for language, values in by_language.items():
            for kind, text in self._troubles(step, language, values):
                found.setdefault(kind, {})[language] = text
        texts = (self._text(step, kind, places) for kind, places in found.items())
        return [text for text in texts if text]

    def _troubles(self, step: int, language: str, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        means: dict[str, _Mean] = {}
        for metric in _WATCHED:
            mean = means[metric] = self._means.setdefault((language, metric), _Mean())
            if metric in values:
                mean.add(values[metric], values.get("rows", 0.0))
        for kind, look in _LOOKS.items():
            if found := look(means):
                yield kind, found
        if "accuracy" in values and "score" in values:
            gaming = self._gaming.setdefault(language, _Gaming())
            if gamed := gaming.add(step, values["score"], values["accuracy"]):
                yield "gaming", gamed

    def _text(self, step: int, kind: str, places: Mapping[str, str]) -> str | None:
        """One text of a kind of trouble, if it is new somewhere; it then names each place."""
        new = [place for place in places if step - self._said.get((kind, place), -AGAIN) >= AGAIN]
        if not new:
            return None
        self._said.update({(kind, place): step for place in places})
        # Over all first, and then the languages.
        listed = sorted(places, key=lambda place: (place != OVERALL, place))
        return f"step {step}, {kind}: {'; '.join(f'{place}: {places[place]}' for place in listed)}. {_ADVICE[kind]}"


_Means = Mapping[str, _Mean]


def _spread(means: _Means) -> str | None:
    without, spread = means["groups_without_spread"].now, means["spread"]
    if without is not None and without >= LITTLE_SPREAD:
        return f"{without:.0%} of the groups have no spread"
    if spread.now is not None and spread.at_first and spread.now <= SPREAD_LEFT * spread.at_first:
        return f"the spread within a group fell from {spread.at_first:.3g} to {spread.now:.3g}"
    return None


def _language(means: _Means) -> str | None:
    other, english = means["other_language"], means["english"].now
    if other.now is None:
        return None
    if other.now < MUCH_ELSEWHERE and (other.at_first is None or other.now < other.at_first + MORE_ELSEWHERE):
        return None
    of_it = "" if english is None else f", {english:.0%} in English"
    at_first = "" if other.at_first is None else f" ({other.at_first:.0%} at first)"
    return f"{other.now:.0%} of the reasoning in another language{of_it}{at_first}"


def _length(means: _Means) -> str | None:
    length, truncated = means["length"], means["truncated"].now
    if truncated is not None and truncated >= MUCH_TRUNCATED:
        return f"{truncated:.0%} of the responses are cut off at data.max_response_length"
    if length.now is None or not length.earlier or length.now < max(SHORT, TIMES_AS_LONG * length.earlier):
        return None
    return f"{length.now:.0f} tokens, {length.earlier:.0f} up to {EARLIER} steps before"


_LOOKS: Mapping[str, Callable[[_Means], str | None]] = {"spread": _spread, "language": _language, "length": _length}
_WATCHED = ("spread", "groups_without_spread", "other_language", "english", "length", "truncated")
