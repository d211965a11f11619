"""Components in [0, 1] -> one score in [0, 1].

A component is one thing that a reward measures: the final answer, the reasoning, the format. `Combined` makes one score
of them, and gives each on its own, for veRL's GDPO, which normalises them one by one. A component that a sample cannot
have, such as a comparison with a final answer that its row lacks, is None: not the same as 0.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, Literal

from pydantic import field_validator, model_validator
from typing_extensions import Self

from pbrlsvr.errors import ConfigError, DataError, ModelError
from pbrlsvr.options import Field, Options, rare
from pbrlsvr.scoring.schedule import ScheduleOptions, Weights

Rule = Literal["sum", "product", "gated", "log_sigmoid"]

# What float32 may be off by at the ends of [0, 1]: no reason to end a run.
_ROUNDING = 1e-6
_GRID = 4096


class CombineOptions(Options):
    r"""How components become one score.

    With :math:`c_i` = the clipped component, :math:`w_i` its weight, :math:`W = \sum_i w_i`, each sum and product over
    the components that the sample has:

    ============  ==================================================================================================
    sum           :math:`\sum_i w_i c_i / W`
    product       :math:`\prod_i c_i^{w_i / W}`: the geometric mean, so that 0 in one is 0 in all, and n components
                  score no lower than one
    gated         :math:`(w_g g + h(g) \sum_{i \ne g} w_i c_i) / W` with :math:`h(g) = f + (1 - f) g`, where
                  :math:`g` is the `gate` component and :math:`f` the `floor`: the rest counts only as far as the
                  answer is right. Where the sample has no gate component, the sum of the rest.
    log_sigmoid   :math:`\exp(\sum_i w_i \log \sigma(s (c_i - r)) / W)`, with :math:`s` = `scale` and :math:`r` =
                  `reference`: what is poor in one component counts most, what is good enough in it gains little.
                  In [:math:`\sigma(-sr)`, :math:`\sigma(s(1 - r))`], which is [0.0067, 0.9933] by default.
    ============  ==================================================================================================

    Sources: log-sigmoid of the centred reward, "Transforming and Combining Rewards for Aligning Large Language Models",
    https://arxiv.org/abs/2402.00742 (scale, mean and exponential are our choice: they keep the score in [0, 1]). Gate:
    rewards on reasoning only after success, as in Posterior-GRPO, https://arxiv.org/abs/2508.05170 (the floor and the
    gradual gate are our choice). Clipping: "On Designing Effective RL Reward at Training Time for LLM Reasoning",
    https://arxiv.org/abs/2410.15115, which bounds a learned reward from above (the lower bound and the rescaling are
    our choice).

    >>> combine({"answer": 0.0, "reasoning": 0.8}, CombineOptions(rule="gated", floor=0.25))
    0.1
    """

    BARE: ClassVar[str] = "rule"

    rule: Rule = "sum"
    """The formula: "sum", "product", "gated" (the others count as far as the answer is right, and by themselves where
    no answer can be verified) or "log_sigmoid"."""
    weights: Weights = Field(default_factory=dict)
    """What each component weighs, at least 0; 1 for one that is not named. Weight 0 measures without effect, except for
    the gate, which still gates."""
    clip: tuple[float, float] | None = None
    """[lo, hi] with 0 <= lo < hi <= 1, applied to each component first, and rescaled to [0, 1]; null for none."""
    floor: float = Field(0.1, ge=0, lt=1)
    """gated: what share the other components still earn where the gate is 0: a group without a right answer learns from
    its reasoning. 0 pays nothing for a wrong answer."""
    gate: str = rare("answer")
    """gated: the component that gates the others."""
    scale: float = rare(10.0, gt=0)
    """log_sigmoid: the slope s."""
    reference: float = rare(0.5, ge=0, le=1)
    """log_sigmoid: the value r of a component that is good enough."""
    schedule: ScheduleOptions | None = None
    """Weights and floor at a later step of training: {steps, begin, weights, floor}; null keeps them as they are."""

    @field_validator("clip")
    @classmethod
    def _is_an_interval(cls, clip: tuple[float, float] | None) -> tuple[float, float] | None:
        if clip is not None and not 0 <= clip[0] < clip[1] <= 1:
            raise ValueError("clip must be [lo, hi] with 0 <= lo < hi <= 1, or null")
        return clip

    def at(self, step: int | None) -> "CombineOptions":
        """These options at a step of training, without their schedule; at its end where no step is known."""
        if self.schedule is None:
            return self
        share, end = self.schedule.progress(step), self.schedule
        names = sorted({*self.weights, *end.weights})
        now = {name: self.weights.get(name, 1.0) for name in names}
        then = {name: end.weights.get(name, now[name]) for name in names}
        weights = {name: (1.0 - share) * now[name] + share * then[name] for name in names}
        floor = self.floor if end.floor is None else (1.0 - share) * self.floor + share * end.floor
        return self.model_copy(update={"weights": weights, "floor": floor, "schedule": None})

    @model_validator(mode="after")
    def _schedule_has_its_rule(self) -> Self:
        if self.schedule is not None and self.schedule.floor is not None and self.rule != "gated":
            raise ValueError(
                f"schedule.floor={self.schedule.floor!r}: only rule='gated' has a floor, and the rule is {self.rule!r}"
            )
        return self

    def check_names(self, known: Iterable[str]) -> None:
        """Refuses a weight or a gate for a component that the reward does not have.

        Raises:
            ConfigError: it names the component, and lists the known ones.
        """
        names = sorted(known)
        later = self.schedule.weights if self.schedule else {}
        if unknown := [name for name in (*self.weights, *later) if name not in names]:
            raise ConfigError(f"a weight is given for {unknown[0]!r}, but the components of this reward are {names}")
        if self.rule == "gated" and self.gate not in names:
            raise ConfigError(f"the gate is {self.gate!r}, but the components of this reward are {names}")

    def clipped(self, value: float) -> float:
        """The component after clipping and rescaling, in [0, 1]."""
        if self.clip is None:
            return value
        low, high = self.clip
        return (min(max(value, low), high) - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Combined:
    """Components after clipping and gating, and what multiplies them: the score and its parts come from here."""

    measured: Mapping[str, float | None]
    values: Mapping[str, float]
    options: CombineOptions
    factor: float

    @classmethod
    def of(
        cls,
        components: Mapping[str, float | None],
        options: CombineOptions,
        factors: Mapping[str, float] | None = None,
    ) -> "Combined":
        """From the components of a sample.

        Args:
            components: name -> value in [0, 1], or None where the sample has no such component: its weight then leaves
                the mean. Of a group of rollouts either all or none should lack one, as they do when the row decides it.
            options: see `CombineOptions`; of a schedule, its end counts.
            factors: name -> value in [0, 1]: what a language policy or a guard multiplies the score with.

        Raises:
            ConfigError: `options` names a component that is not among `components`.
            ModelError: a component or a factor is NaN, or not a number in [0, 1].
        """
        options.check_names(components)
        options = options.at(None)
        valid = _valid(components, "component")
        measured = {name: valid.get(name) for name in components}
        gated = _gated({name: options.clipped(value) for name, value in valid.items()}, options)
        # Sorted, since a product of floats depends on its order.
        factor = math.prod(sorted(_valid(factors or {}, "factor").values()))
        return cls(measured, gated, options, factor)

    def score(self) -> float:
        """The score in [0, 1]: the components by the rule, times every factor.

        It never falls when a component or a factor rises, and does not depend on the order of the mappings.

        Raises:
            DataError: the sample has no component whose weight is above 0, so nothing can be said about it.
        """
        weights = {name: float(self.options.weights.get(name, 1.0)) for name in self.values}
        total = math.fsum(weights.values())
        if total <= 0:
            raise DataError(
                f"no component with a weight above 0 is available: the components are {dict(self.measured)!r}, the "
                f"weights {self.options.weights!r}. Give the row what the reward compares with, or drop it."
            )
        if self.options.rule in ("sum", "gated"):
            # fsum rounds once, so that the order of the components cannot matter.
            score = math.fsum(weights[name] * value for name, value in self.values.items()) / total
        else:
            logs = {name: _log(value, self.options) for name, value in self.values.items() if weights[name]}
            score = math.exp(math.fsum(weights[name] * log for name, log in logs.items()) / total)
        return min(score, 1.0) * self.factor

    def weighing(self) -> dict[str, float]:
        """What the components weigh, as `<name>_weight`, and the gate's floor, as `gate_floor`."""
        weights = {f"{name}_weight": float(self.options.weights.get(name, 1.0)) for name in self.measured}
        return weights | {"gate_floor": self.options.floor}

    def exposed(self) -> dict[str, float]:
        r"""The components one by one, under keys that are the same for every sample, for logging and for GDPO.

        GDPO (`algorithm.adv_estimator=gdpo`, https://arxiv.org/abs/2601.05242) does not look at the score: it
        normalises within the group, and adds up, what `algorithm.gdpo_reward_keys` names. What multiplies the score
        must therefore be in each of them, and is in `<name>_reward` and `<name>_ungated`:

        .. math:: \text{reward}_i = h_i \, c_i \prod_k \text{factor}_k \qquad
                  \text{ungated}_i = c_i \prod_k \text{factor}_k

        with :math:`c_i` the clipped component and :math:`h_i` the gate of `CombineOptions`; 1 for other rules and for
        the gate itself. Normalised, components behind the gate are nearly the same vector, that of the gate: give GDPO
        the gate's reward and the others ungated. A component that the sample lacks is exactly 0.0: as a constant within
        the group it adds nothing to any advantage, while None would become NaN and spread to the whole batch.

        Returns:
            For each component: `<name>` as measured, `<name>_missing` (1.0 where it was None, and the value 0.0),
            `<name>_reward` and `<name>_ungated`; each in [0, 1], and `on_grid`.
        """
        found = {}
        for name, value in self.measured.items():
            found[name] = 0.0 if value is None else on_grid(value)
            found[f"{name}_missing"] = float(value is None)
            found[f"{name}_reward"] = on_grid(self.values.get(name, 0.0) * self.factor)
            found[f"{name}_ungated"] = on_grid(0.0 if value is None else self.options.clipped(value) * self.factor)
        return found


def on_grid(value: float) -> float:
    """The nearest multiple of 2^-12, at most 0.00013 away: what leaves a reward.

    The mean of up to 2,048 equal scores is then exact in float32. Of other scores it is not, and what it is off by,
    about 1e-8, becomes an advantage of up to 0.1 where GRPO divides by a spread of 0 + 1e-6.

    >>> on_grid(0.8), on_grid(1.0)
    (0.800048828125, 1.0)
    """
    return round(value * _GRID) / _GRID


def combine(
    components: Mapping[str, float | None], options: CombineOptions, factors: Mapping[str, float] | None = None
) -> float:
    """The score of these components, in [0, 1]: `Combined.of(components, options, factors).score()`.

    >>> combine({"answer": 1.0, "reasoning": 0.5}, CombineOptions(rule="sum", weights={"answer": 3}))
    0.875
    >>> combine({"answer": None, "reasoning": 0.5}, CombineOptions(rule="gated"), {"language": 0.5})
    0.25
    """
    return Combined.of(components, options, factors).score()


def _gated(values: dict[str, float], options: CombineOptions) -> dict[str, float]:
    """The values, with those behind the gate times what it lets through."""
    if options.rule != "gated" or options.gate not in values:
        return values
    passed = options.floor + (1 - options.floor) * values[options.gate]
    return {name: value if name == options.gate else passed * value for name, value in values.items()}


def _log(value: float, options: CombineOptions) -> float:
    """The logarithm of what a component contributes as a factor, at most 0."""
    if options.rule == "product":
        return math.log(value) if value > 0 else -math.inf
    logit = options.scale * (value - options.reference)
    # Of the two forms of log sigma, the one whose exponential cannot overflow.
    return -math.log1p(math.exp(-logit)) if logit >= 0 else logit - math.log1p(math.exp(logit))


def _valid(values: Mapping[str, float | None], kind: str) -> dict[str, float]:
    """The values that are there, after a check of each."""
    valid: dict[str, float] = {}
    for name, value in values.items():
        if value is None and kind == "component":
            continue
        if not isinstance(value, Real) or not -_ROUNDING <= value <= 1 + _ROUNDING:
            raise ModelError(f"the {kind} {name!r} is {value!r}, not a number in [0, 1]; all: {dict(values)!r}")
        valid[name] = min(max(float(value), 0.0), 1.0)
    return valid
