"""COMET of a span of the response against the pivot's."""

from dataclasses import dataclass
from typing import Literal

from pydantic import field_validator

from pbrlsvr.models.comet.comet import comet
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr.serving.options import ServingOptions

Span = Literal["answer", "reasoning"]


class CometAnswer(CometOptions):
    """A COMET model, and what it compares."""

    source: Literal["pivot", "question"] = "pivot"
    """What COMET takes for the source: "pivot" (the pivot's text, as for the reference) or "question"."""
    scale: tuple[float, float] = (0.0, 1.0)
    """[lo, hi], the scores of the model that become 0 and 1. Models after 2020 give about [0, 1]; wmt20-comet-da gives
    z-scores."""
    serving: ServingOptions | None = None
    """What differs for this model from the reward's `serving`; null: nothing."""

    @field_validator("scale")
    @classmethod
    def _is_an_interval(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not scale[0] < scale[1]:
            raise ValueError("scale must be [lo, hi] with lo < hi: the scores that become 0 and 1")
        return scale


class CometSpan(CometAnswer):
    """A COMET model, what it compares, and on which span."""

    span: Span = "answer"
    """What is compared: the "answer" or the "reasoning"."""


@dataclass(frozen=True, slots=True)
class Measured:
    """COMET of one response: the component in [0, 1], the model's own score, and whether the span was empty."""

    comet: float
    raw: float
    empty: bool


async def measure(options: CometAnswer, serving: ServingOptions, rollout: Rollout, span: Span) -> Measured | None:
    """COMET of one span of the response against the pivot's; None where the row has no answer to compare with."""
    reference = rollout.pivot_answer() if span == "answer" else rollout.pivot_reasoning()
    if not reference:
        return None
    from_pivot = options.source == "pivot"
    src = reference if from_pivot else rollout.question()
    text = rollout.spans.answer.strip() if span == "answer" else rollout.reasoning
    if not any(character.isalnum() for character in text):
        return Measured(0.0, 0.0, True)
    # A question is not what an answer translates: it stays whole beside each segment of a long one.
    raw = await comet(options, serving, cut_source=from_pivot).score(src, text, reference)
    low, high = options.scale
    return Measured(min(max((raw - low) / (high - low), 0.0), 1.0), raw, False)
