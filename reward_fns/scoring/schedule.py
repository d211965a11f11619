"""Weights that change with the step of training."""

from typing import Annotated

from pydantic import AfterValidator, model_validator
from typing_extensions import Self

from pbrlsvr.options import Field, Options


def _not_negative(weights: dict[str, float]) -> dict[str, float]:
    if negative := [name for name, weight in weights.items() if weight < 0]:
        raise ValueError(f"the weight of {negative[0]!r} must be a number of 0 or more")
    return weights


#: What components weigh, each 0 or more.
Weights = Annotated[dict[str, float], AfterValidator(_not_negative)]


class ScheduleOptions(Options):
    r"""Weights and a floor that change with the training step, linearly: from those of `combine` to those here.

    With :math:`t` = the step, :math:`p` = its share of the way, :math:`a` a weight or the floor of `combine` and
    :math:`b` that of the schedule:

    .. math:: p = \min\left(1, \max\left(0, \frac{t - \text{begin}}{\text{steps}}\right)\right) \qquad
              a_t = (1 - p) \, a + p \, b

    The paper names such a reward, which leans on the pivot early and on the verified answer late, as future work
    (https://arxiv.org/abs/2509.25543); that it is linear is our choice. All responses of a group have the same step.

    >>> from pbrlsvr.scoring.combine import CombineOptions
    >>> options = CombineOptions(rule="gated", floor=0.5, schedule={"steps": 100, "floor": 0.0})
    >>> options.at(0).floor, options.at(50).floor, options.at(1000).floor
    (0.5, 0.25, 0.0)
    """

    steps: int = Field(ge=1, examples=[200])
    """How many steps of training the change takes."""
    begin: int = Field(0, ge=0)
    """The step after which it begins."""
    weights: Weights = Field(default_factory=dict)
    """The weights at its end, at least 0; a component that is not named keeps its own."""
    floor: float | None = Field(None, ge=0, lt=1)
    """gated: the floor at its end; null keeps it."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.weights and self.floor is None:
            raise ValueError("a schedule needs weights or a floor: what stands at its end")
        return self

    def progress(self, step: int | None) -> float:
        """The share of the way in [0, 1]; 1 where no step is known."""
        return 1.0 if step is None else min(1.0, max(0.0, (step - self.begin) / self.steps))
