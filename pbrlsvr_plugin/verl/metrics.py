"""What a batch of rewarded responses says, per language and over all: pure arithmetic on columns of rows.

Each metric is named `pbrlsvr/<language>/<metric>`, with the row's BCP-47 code, `unknown` for rows that name no
language, and `overall` for all of them. A group is the responses to one prompt. A value that is not finite is left out,
and so is a metric that has nothing to be taken over: none is NaN, or a 0 that stands for "not known".

========================  ============================================================================================
score                     mean of the score, after whatever veRL's reward manager adds to the reward
component/<name>          mean of a component, over the responses that have it
spread                    mean over the groups of :math:`\\sqrt{\\sum_i (s_i - \\bar s)^2 / (n - 1)}`, GRPO's divisor
groups_without_spread     share of the groups in which it is at most 1e-6: their advantages are 0, they teach nothing
accuracy                  mean of the reward's `acc`, over the responses to prompts with a known right answer
unanswered                share of the responses in which no final answer was found
truncated                 share of the responses as long as `data.max_response_length` lets them be
gated                     share of the responses whose score the language policies lowered
other_language            mean share of the reasoning's letters in another language than the row's, where it was judged
english                   mean share of the reasoning's letters in English, where another language was asked for
length                    mean length of a response in tokens
rows                      number of responses
========================  ============================================================================================

The first four and `length`, `rows` are there for any reward; the others as far as the reward returns what they are made
of: those of pbrlsvr all do, as far as they look at it. Of a reward that is not ours each number is a component.

With a schedule (`combine.schedule`), `pbrlsvr/overall/weight/<name>` is what a component weighs in this step, and
`pbrlsvr/overall/gate_floor` the floor of its gate.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.languages import known_tag

Array = NDArray[np.float64]
#: (metric, language) -> sum of the values, and how many there are; `overall` is a language here.
Totals = Mapping[tuple[str, str], tuple[float, float]]

#: Names that no BCP-47 code can have: "all" is Allar, "min" is Minangkabau.
OVERALL, UNKNOWN = "overall", "unknown"
PREFIX = "pbrlsvr"

#: What a standard deviation is compared with in GRPO, where it is added to it (verl/trainer/ppo/core_algos.py:326).
NO_SPREAD = 1e-6


# Beyond it, as for NaN, sums and squares are no numbers any more.
_LARGEST = 1e100

# What a reward returns beside its components.
_NO_COMPONENTS = ("score", "acc", "answered")
_LANGUAGE = "reasoning_language"
_FLOOR = "gate_floor"
_NUMBERS = {float, int, bool, type(None)}


@dataclass(frozen=True, slots=True)
class Response:
    """One rewarded response.

    Attributes:
        language: what its metrics are listed under.
        group: names its prompt, within the step.
        score: what it is trained on.
        length: in tokens.
        truncated: it is as long as it may be; None where that limit is not known.
        has_truth: the row knows the right final answer.
        found: what the reward returned.
    """

    language: str
    group: str
    score: float
    length: int
    truncated: bool | None = None
    has_truth: bool = False
    found: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, line: Mapping[str, Any], found: Mapping[str, Any]) -> "Response":
        """From the fields of a line of `pbrlsvr_plugin.verl.dump`, and what the reward returned."""
        return cls(
            language=line["language"],
            group=line["group"],
            score=line["score"],
            length=line["response_length"],
            truncated=line["truncated"],
            has_truth=any(line[name] is not None and str(line[name]) for name in ("gts", "pivot_answer")),
            found=found,
        )


def language_of(language: Any, data_source: str) -> str:
    """What a row's metrics are listed under: its language, else that of a data source `<name>/<language>`.

    >>> language_of("SW", "mgsm"), language_of(None, "mgsm/pt_BR"), language_of(None, "openai/gsm8k")
    ('sw', 'pt-BR', 'unknown')
    """
    for code in (language, data_source.rpartition("/")[2] if "/" in data_source else ""):
        if tag := known_tag(code):
            return tag
    return UNKNOWN


def language_metrics(responses: Iterable[Response]) -> dict[str, float]:
    """The metrics of a step, by name.

    Args:
        responses: all of a step: a mean of means would weigh its parts wrongly.

    >>> row = {"answer": 1.0, "answer_missing": 0.0, "answer_reward": 1.0, "acc": 1.0}
    >>> found = language_metrics([Response("sw", "a", 1.0, 9, found=row), Response("sw", "a", 0.0, 3)])
    >>> found["pbrlsvr/sw/component/answer"], found["pbrlsvr/sw/groups_without_spread"], found["pbrlsvr/overall/length"]
    (1.0, 0.0, 6.0)
    """
    rows = list(responses)
    names = sorted({name for row in rows for name in row.found})
    components = component_names(names)

    def of(name: str) -> Array:
        return numbers([row.found.get(name) for row in rows])

    values = row_metrics(
        of,
        components,
        score=numbers([row.score for row in rows]),
        # veRL itself calls the score of a reward that returns a bare number "acc".
        has_truth=np.array([row.has_truth and len(row.found) > 1 for row in rows], dtype=bool),
        truncated=numbers([row.truncated for row in rows]),
        length=numbers([row.length for row in rows]),
    )
    sums = Sums()
    groups = np.array([hash(row.group) for row in rows], dtype=np.int64)
    sums.add([row.language for row in rows], values, groups)
    found = named(sums.totals())
    if _FLOOR in names:
        # Means, since an asynchronous trainer's rows may be of several steps.
        weighing = {_FLOOR: of(_FLOOR)} | {f"weight/{name}": of(f"{name}_weight") for name in components}
        found |= {f"{PREFIX}/{OVERALL}/{name}": float(np.nanmean(each)) for name, each in weighing.items()
                  if not np.isnan(each).all()}  # fmt: skip
    return found


def component_names(names: Collection[str]) -> list[str]:
    """Those that a reward of ours names by `<name>_missing`; of another reward each number that it returns."""
    ours = [name for name in names if f"{name}_missing" in names]
    return ours or [name for name in names if name not in _NO_COMPONENTS and "_language_" not in name]


def row_metrics(
    of: Callable[[str], Array],
    components: Iterable[str],
    *,
    score: Array,
    has_truth: NDArray[np.bool_],
    truncated: Array,
    length: Array,
) -> dict[str, Array]:
    """The values of each metric, one for each row: NaN where a row has none. `of` gives a number of the reward's."""
    undetermined = np.nan_to_num(of(f"{_LANGUAGE}_undetermined")) != 0
    factors = np.fmin(of(f"{_LANGUAGE}_factor"), of("answer_language_factor"))
    missing = {name: np.nan_to_num(of(f"{name}_missing")) != 0 for name in components}
    return {
        "score": score,
        **{f"component/{name}": np.where(lacks, np.nan, of(name)) for name, lacks in missing.items()},
        "accuracy": np.where(has_truth, of("acc"), np.nan),
        "unanswered": 1 - of("answered"),
        "truncated": truncated,
        "gated": np.where(np.isnan(factors), np.nan, factors < 1),
        "other_language": np.where(undetermined, np.nan, 1 - of(f"{_LANGUAGE}_share")),
        "english": np.where(undetermined, np.nan, of(f"{_LANGUAGE}_english")),
        "length": length,
    }


def numbers(values: Sequence[Any]) -> Array:
    """The values as floats; NaN for what is no number, not finite, or beyond any score."""
    found = None
    if set(map(type, values)) <= _NUMBERS:
        try:
            found = np.array(values, dtype=np.float64)
        except OverflowError:
            found = None
    if found is None:
        found = np.array([_number(value) for value in values], dtype=np.float64)
    found[~(np.abs(found) < _LARGEST)] = np.nan
    return found


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) or hasattr(value, "item") else np.nan
    except (TypeError, ValueError, OverflowError):
        return np.nan


class Sums:
    """Sums per metric and language over some rows at a time, and the spread within the groups of all."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sums: dict[tuple[str, str], list[float]] = {}
        self._scored: list[tuple[NDArray[np.int64], NDArray[np.int64], Array]] = []

    def add(self, languages: Sequence[str], values: Mapping[str, Array], groups: NDArray[np.int64]) -> None:
        """Some rows: their languages, the values of `row_metrics`, and a number for the prompt of each."""
        place = np.array([self._places.setdefault(each, len(self._places)) for each in languages], dtype=np.int64)
        names = list(self._places)
        for metric, column in [*values.items(), ("rows", np.ones(len(place)))]:
            there = ~np.isnan(column)
            if not there.any():
                continue
            counts = np.bincount(place[there], minlength=len(names))
            totals = np.bincount(place[there], weights=column[there], minlength=len(names))
            for language, total, count in zip(names, totals.tolist(), counts.tolist(), strict=True):
                if count:
                    self._add(metric, language, total, count)
                    self._add(metric, OVERALL, total, count)
        there = ~np.isnan(values["score"])
        self._scored.append((place[there], groups[there], values["score"][there]))

    def _add(self, metric: str, language: str, total: float, count: float) -> None:
        sums = self._sums.setdefault((metric, language), [0.0, 0.0])
        sums[0] += total
        sums[1] += count

    def totals(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Those of all rows so far; to be asked for once."""
        if self._scored:
            place, group, score = (np.concatenate(parts) for parts in zip(*self._scored, strict=True))
            names = list(self._places)
            for which, spreads in _spreads(place, group, score):
                self._add_spread(names[which], spreads)
            for _, spreads in _spreads(np.zeros_like(place), group, score):
                self._add_spread(OVERALL, spreads)
        return {key: (total, count) for key, (total, count) in self._sums.items()}

    def _add_spread(self, language: str, spreads: Array) -> None:
        self._add("spread", language, float(spreads.sum()), len(spreads))
        self._add("groups_without_spread", language, float((spreads <= NO_SPREAD).sum()), len(spreads))


def named(totals: Totals) -> dict[str, float]:
    """Means by `pbrlsvr/<language>/<metric>`, and the numbers of rows."""
    return {
        f"{PREFIX}/{language}/{metric}": total if metric == "rows" else total / count
        for (metric, language), (total, count) in totals.items()
        if count
    }


def _spreads(place: NDArray[np.int64], group: NDArray[np.int64], score: Array) -> Iterator[tuple[int, Array]]:
    """For each language the standard deviations of the scores in its groups of two or more."""
    order = np.lexsort((group, place))
    place, group, score = place[order], group[order], score[order]
    if not len(place):
        return
    new = np.concatenate([[True], (place[1:] != place[:-1]) | (group[1:] != group[:-1])])
    which = np.cumsum(new) - 1
    sizes = np.bincount(which)
    means = np.bincount(which, weights=score) / sizes
    squares = np.bincount(which, weights=(score - means[which]) ** 2)
    several = sizes > 1
    spreads = np.sqrt(squares[several] / (sizes[several] - 1))
    owners = place[new][several]
    for language in np.unique(owners):
        yield int(language), spreads[owners == language]
