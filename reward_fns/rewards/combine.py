"""Components in [0, 1] -> one score in [0, 1].

A component is one thing that a reward measures: the final answer, the reasoning, the format. `combine` makes one score
of them; `exposed` gives each on its own, for veRL's GDPO, which normalises them one by one. A component that a sample
cannot have, such as a comparison with a final answer that its row lacks, is None: not the same as 0.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError, DataError, ModelError
from pbrlsvr.options import from_mapping, is_number

Rule = Literal["sum", "product", "gated", "log_sigmoid"]

# What float32 may be off by at the ends of [0, 1]: no reason to end a run.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class CombineOptions:
    r"""How components become one score: the whole configuration block.

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

    Attributes:
        rule: "sum", "product", "gated" or "log_sigmoid".
        weights: component -> weight, finite and at least 0; 1 for a component that is not named. Weight 0 measures
            without effect, except for the gate, which still gates.
        clip: [lo, hi] with 0 <= lo < hi <= 1, applied to each component first, and rescaled to [0, 1]:
            c = (min(max(x, lo), hi) - lo) / (hi - lo). None for no clipping.
        gate: the component that gates the others; only with rule "gated".
        floor: f, in [0, 1): what share the gated components still earn where the gate is 0.
        scale: s, above 0 and finite; only with rule "log_sigmoid".
        reference: r, in [0, 1]: the value of a component that is good enough.

    Raises:
        ConfigError: a value is out of its range, or of the wrong type.

    >>> combine({"answer": 0.0, "reasoning": 0.8}, CombineOptions("gated", floor=0.25))
    0.1
    """

    rule: Rule = "sum"
    weights: Mapping[str, float] = field(default_factory=dict)
    clip: Sequence[float] | None = None
    gate: str = "answer"
    floor: float = 0.0
    scale: float = 10.0
    reference: float = 0.5

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise ConfigError(f"a combination's rule is one of {list(get_args(Rule))}, not {self.rule!r}")
        if not isinstance(self.weights, Mapping):
            raise ConfigError(f"a combination's weights map components to numbers, not {self.weights!r}")
        object.__setattr__(self, "weights", dict(self.weights))
        for name, weight in self.weights.items():
            if not is_number(weight) or weight < 0:
                raise ConfigError(f"the weight of {name!r} is a finite number of at least 0, not {weight!r}")
        if self.clip is not None:
            object.__setattr__(self, "clip", _bounds(self.clip))
        if not isinstance(self.gate, str):
            raise ConfigError(f"a combination's gate is the name of a component, not {self.gate!r}")
        if not is_number(self.floor) or not 0 <= self.floor < 1:
            raise ConfigError(f"a combination's floor is a number in [0, 1), not {self.floor!r}")
        if not is_number(self.scale) or self.scale <= 0:
            raise ConfigError(f"a combination's scale is a finite number above 0, not {self.scale!r}")
        if not is_number(self.reference) or not 0 <= self.reference <= 1:
            raise ConfigError(f"a combination's reference is a number in [0, 1], not {self.reference!r}")

    @classmethod
    def of(cls, value: "str | Mapping[str, Any] | CombineOptions") -> "CombineOptions":
        """Options from a rule (`"gated"`), from a mapping of this class's fields, or as they are.

        Raises:
            ConfigError: it is none of these, or a field does not exist or has a value that cannot work.
        """
        if isinstance(value, CombineOptions):
            return value
        if isinstance(value, str):
            return cls(value)  # type: ignore[arg-type]
        if not isinstance(value, Mapping):
            raise ConfigError(f"a combination is one of {list(get_args(Rule))} or a mapping, not {value!r}")
        return from_mapping(cls, value, "a combination")

    def check_names(self, known: Iterable[str]) -> None:
        """Refuses a weight or a gate for a component that the reward does not have.

        Raises:
            ConfigError: it names the component, and lists the known ones.
        """
        names = sorted(known)
        if unknown := [name for name in self.weights if name not in names]:
            raise ConfigError(f"a weight is given for {unknown[0]!r}, but the components of this reward are {names}")
        if self.rule == "gated" and self.gate not in names:
            raise ConfigError(f"the gate is {self.gate!r}, but the components of this reward are {names}")

    def clipped(self, value: float) -> float:
        """The component after clipping and rescaling, in [0, 1]."""
        if self.clip is None:
            return value
        low, high = self.clip
        return (min(max(value, low), high) - low) / (high - low)


def combine(
    components: Mapping[str, float | None], options: CombineOptions, factors: Mapping[str, float] | None = None
) -> float:
    """The score: the components by `options.rule`, times every factor.

    It never falls when a component or a factor rises, and does not depend on the order of the mappings.

    Args:
        components: name -> value in [0, 1], or None where the sample has no such component: its weight then leaves the
            mean. Of a group of rollouts either all or none should lack one, as they do when the row decides it.
        options: see `CombineOptions`.
        factors: name -> value in [0, 1]: what a language policy or a guard multiplies the score with.

    Returns:
        The score, in [0, 1].

    Raises:
        ConfigError: `options` names a component that is not among `components`.
        ModelError: a component or a factor is NaN, or not a number in [0, 1].
        DataError: the sample has no component whose weight is above 0, so nothing can be said about it.

    >>> combine({"answer": 1.0, "reasoning": 0.5}, CombineOptions("sum", weights={"answer": 3}))
    0.875
    >>> combine({"answer": None, "reasoning": 0.5}, CombineOptions("gated"), {"language": 0.5})
    0.25
    """
    options.check_names(components)
    values = {name: options.clipped(value) for name, value in _valid(components, "component").items()}
    weights = {name: float(options.weights.get(name, 1.0)) for name in values}
    total = math.fsum(weights.values())
    if total <= 0:
        raise DataError(
            f"no component with a weight above 0 is available: the components are {dict(components)!r}, the weights "
            f"{dict(options.weights)!r}. Give the row what the reward compares with, or drop it."
        )
    if options.rule in ("sum", "gated"):
        # fsum rounds once, so that the order of the components cannot matter.
        score = math.fsum(weights[name] * value for name, value in _gated(values, options).items()) / total
    else:
        logs = {name: _log(value, options) for name, value in values.items() if weights[name]}
        score = math.exp(math.fsum(weights[name] * log for name, log in logs.items()) / total)
    return min(score, 1.0) * _product(factors)


def exposed(
    components: Mapping[str, float | None], options: CombineOptions, factors: Mapping[str, float] | None = None
) -> dict[str, float]:
    r"""The components one by one, as floats under keys that are the same for every sample, for logging and for GDPO.

    GDPO (`algorithm.adv_estimator=gdpo`, https://arxiv.org/abs/2601.05242) does not look at the score: it normalises
    within the group, and adds up, what `algorithm.gdpo_reward_keys` names. What multiplies the score must therefore be
    in each of them, and is in `<name>_reward`:

    .. math:: \text{reward}_i = h_i \, c_i \prod_k \text{factor}_k

    with :math:`c_i` the clipped component and :math:`h_i` the gate of `CombineOptions`; 1 for other rules and for the
    gate itself. A component that the sample lacks is exactly 0.0: as a constant within the group it adds nothing to any
    advantage, while None would become NaN and spread to the whole batch.

    Returns:
        For each component: `<name>` as measured, `<name>_missing` (1.0 where it was None, and the value 0.0), and
        `<name>_reward`; each in [0, 1].

    Raises:
        ConfigError: `options` names a component that is not among `components`.
        ModelError: a component or a factor is NaN, or not a number in [0, 1].

    >>> found = exposed({"answer": 1.0, "reasoning": None}, CombineOptions(), {"language": 0.5})
    >>> found["answer"], found["answer_reward"], found["reasoning_reward"], found["reasoning_missing"]
    (1.0, 0.5, 0.0, 1.0)
    """
    options.check_names(components)
    values = _valid(components, "component")
    gated = _gated({name: options.clipped(value) for name, value in values.items()}, options)
    factor = _product(factors)
    found = {}
    for name in components:
        found[name] = values.get(name, 0.0)
        found[f"{name}_missing"] = float(name not in values)
        found[f"{name}_reward"] = gated.get(name, 0.0) * factor
    return found


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


def _product(factors: Mapping[str, float] | None) -> float:
    # Sorted, since a product of floats depends on its order.
    return math.prod(sorted(_valid(factors or {}, "factor").values()))


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


def _bounds(clip: Any) -> tuple[float, float]:
    listed = isinstance(clip, Sequence) and not isinstance(clip, str)
    if not listed or len(clip) != 2 or not all(is_number(bound) for bound in clip) or not 0 <= clip[0] < clip[1] <= 1:
        raise ConfigError(f"a combination's clip is [lo, hi] with 0 <= lo < hi <= 1, or null, not {clip!r}")
    return float(clip[0]), float(clip[1])
