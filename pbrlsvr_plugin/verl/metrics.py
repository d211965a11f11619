"""What a batch of rewarded responses says, per language and over all: pure arithmetic on rows.

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

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real
from statistics import fmean, stdev
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.languages import parse

#: Names that no BCP-47 code can have: "all" is Allar, "min" is Minangkabau.
OVERALL, UNKNOWN = "overall", "unknown"
PREFIX = "pbrlsvr"

#: What a standard deviation is compared with in GRPO, where it is added to it (verl/trainer/ppo/core_algos.py:326).
NO_SPREAD = 1e-6

# No language's code is longer; a row may hold anything.
_LONGEST_CODE = 64

# Beyond it, as for NaN, sums and squares are no numbers any more.
_LARGEST = 1e100

# What a reward returns beside its components.
_NO_COMPONENTS = ("score", "acc", "answered")
_LANGUAGE = "reasoning_language"
_FLOOR = "gate_floor"
_FACTORS = (f"{_LANGUAGE}_factor", "answer_language_factor")


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

    def number(self, name: str) -> float | None:
        """A number that the reward returned; None for one that is missing, no number or not finite."""
        value = self.found.get(name)
        if type(value) is float:  # as nearly all are
            return value if abs(value) < _LARGEST else None
        if not isinstance(value, Real) and not hasattr(value, "item"):
            return None
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return None
        return number if abs(number) < _LARGEST else None


def language_of(language: Any, data_source: str) -> str:
    """What a row's metrics are listed under: its language, else that of a data source `<name>/<language>`.

    >>> language_of("SW", "mgsm"), language_of(None, "mgsm/pt_BR"), language_of(None, "openai/gsm8k")
    ('sw', 'pt-BR', 'unknown')
    """
    for code in (language, data_source.rpartition("/")[2] if "/" in data_source else ""):
        if isinstance(code, str) and len(code) <= _LONGEST_CODE and (tag := _tag(code)):
            return tag
    return UNKNOWN


@lru_cache(maxsize=4096)
def _tag(code: str) -> str:
    try:
        return parse(code)
    except DataError:
        return ""


def language_metrics(responses: Iterable[Response]) -> dict[str, float]:
    """The metrics of a step, by name.

    Args:
        responses: all of a step: a mean of means would weigh its parts wrongly.

    >>> row = {"answer": 1.0, "answer_missing": 0.0, "answer_reward": 1.0, "acc": 1.0}
    >>> found = language_metrics([Response("sw", "a", 1.0, 9, found=row), Response("sw", "a", 0.0, 3)])
    >>> found["pbrlsvr/sw/component/answer"], found["pbrlsvr/sw/groups_without_spread"], found["pbrlsvr/overall/length"]
    (1.0, 0.0, 6.0)
    """
    by_language: dict[str, list[Response]] = defaultdict(list)
    for response in responses:
        by_language[response.language].append(response)
    everything = [response for rows in by_language.values() for response in rows]
    found: dict[str, float] = {}
    for language, rows in [*sorted(by_language.items()), (OVERALL, everything)]:
        if rows:
            found |= {f"{PREFIX}/{language}/{name}": value for name, value in _of(rows).items()}
    return found | {f"{PREFIX}/{OVERALL}/{name}": value for name, value in _scheduled(everything).items()}


def _scheduled(rows: Sequence[Response]) -> dict[str, float]:
    """The weights and the floor of the step: means, since an asynchronous trainer's rows may be of several steps."""
    if not any(_FLOOR in row.found for row in rows):
        return {}
    names = {_FLOOR: _FLOOR} | {f"{name}_weight": f"weight/{name}" for name in _component_names(rows)}
    found = {shown: _mean(lambda row, key=key: row.number(key), rows) for key, shown in names.items()}  # type: ignore[misc]
    return {name: value for name, value in found.items() if value is not None}


def _of(rows: Sequence[Response]) -> dict[str, float]:
    found: dict[str, float | None] = {"score": _mean(_score, rows)}
    for name in _component_names(rows):
        found[f"component/{name}"] = _mean(lambda row, name=name: _component(row, name), rows)  # type: ignore[misc]
    spreads = _spreads(rows)
    found["spread"] = fmean(spreads) if spreads else None
    found["groups_without_spread"] = fmean(spread <= NO_SPREAD for spread in spreads) if spreads else None
    for metric, value in _MEANS.items():
        found[metric] = _mean(value, rows)
    return {name: value for name, value in found.items() if value is not None} | {"rows": float(len(rows))}


def _mean(value: Callable[[Response], float | None], rows: Sequence[Response]) -> float | None:
    """Over the rows that have it."""
    values = [found for row in rows if (found := value(row)) is not None]
    return fmean(values) if values else None


def _spreads(rows: Sequence[Response]) -> list[float]:
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if abs(row.score) < _LARGEST:
            groups[row.group].append(row.score)
    return [stdev(scores) for scores in groups.values() if len(scores) > 1]


def _component_names(rows: Sequence[Response]) -> list[str]:
    """Those that a reward of ours names by `<name>_missing`; of another reward each number that it returns."""
    names = sorted({name for row in rows for name in row.found})
    ours = [name for name in names if f"{name}_missing" in names]
    return ours or [name for name in names if name not in _NO_COMPONENTS and "_language_" not in name]


def _component(row: Response, name: str) -> float | None:
    return None if row.number(f"{name}_missing") else row.number(name)


def _score(row: Response) -> float | None:
    return row.score if abs(row.score) < _LARGEST else None


def _accuracy(row: Response) -> float | None:
    # veRL itself calls the score of a reward that returns a bare number "acc".
    return row.number("acc") if row.has_truth and len(row.found) > 1 else None


def _unanswered(row: Response) -> float | None:
    answered = row.number("answered")
    return None if answered is None else 1.0 - answered


def _truncated(row: Response) -> float | None:
    return None if row.truncated is None else float(row.truncated)


def _gated(row: Response) -> float | None:
    factors = [factor for name in _FACTORS if (factor := row.number(name)) is not None]
    return float(min(factors) < 1) if factors else None


def _judged(name: str) -> Callable[[Response], float | None]:
    def value(row: Response) -> float | None:
        return None if row.number(f"{_LANGUAGE}_undetermined") else row.number(f"{_LANGUAGE}_{name}")

    return value


def _other_language(row: Response) -> float | None:
    share = _judged("share")(row)
    return None if share is None else 1.0 - share


_MEANS: Mapping[str, Callable[[Response], float | None]] = {
    "accuracy": _accuracy,
    "unanswered": _unanswered,
    "truncated": _truncated,
    "gated": _gated,
    "other_language": _other_language,
    "english": _judged("english"),
    "length": lambda row: float(row.length),
}
