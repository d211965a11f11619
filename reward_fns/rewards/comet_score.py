"""The COMET-based reward: `comet_score`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.models.comet.comet import DEFAULT_COMET, CometOptions, comet
from pbrlsvr.options import from_mapping
from pbrlsvr.rewards.defaults import GUARDS, LANGUAGE, SERVING, Block, Row
from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.rewards.scoring import ScoringOptions, cached, finish
from pbrlsvr.serving.options import ServingOptions

Span = Literal["answer", "reasoning"]
Source = Literal["pivot", "question"]

GATED: Block = {"rule": "gated", "weights": {"comet": 1.0, "answer": 0.0}}


async def comet_score(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    model: str = DEFAULT_COMET,
    revision: str | None = None,
    encoder: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_tokens: int | None = None,
    span: Span = "answer",
    source: Source = "pivot",
    scale: Sequence[float] = (0.0, 1.0),
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    serving: Block = SERVING,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""COMET of the response's final answer (or of its reasoning) against the English pivot's.

    .. math:: \text{comet} = \operatorname{clip}_{[0, 1]}
              \frac{\text{COMET}(\text{src}, \text{mt}, \text{ref}) - lo}{hi - lo}

    .. math:: \text{score} = \text{combine}(\text{comet}, \text{answer}) \cdot \prod \text{factors}

    with mt = the response's span, ref = the pivot's, and src by `source`. Source: COMET, Rei et al. 2020,
    https://aclanthology.org/2020.emnlp-main.213; PB-RLSVR's answer reward, https://arxiv.org/abs/2509.25543, which does
    not say how src, mt and ref are filled. Ours: src is the pivot's text too. COMET was trained to compare mt with a
    text of the same meaning in another language, which the pivot's is and the question is not; with the question as
    src, an answer that repeats it would be paid. What it is blind to: digits; see docs/rewards.md.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
        extra_info: the row's `extra_info`: `pivot_answer` (or a ground truth), or `pivot_reasoning`; `question`, if it
            is the source; `language`, a BCP-47 code.
        model: a COMET checkpoint; see `pbrlsvr.models.comet.comet.CometOptions` for this one and the next five.
        revision: its revision on the hub.
        encoder: where the encoder's config.json and tokenizer are; by default what the checkpoint names.
        device: "auto" or a torch device.
        dtype: "float32", "bfloat16" or "float16".
        batch_tokens: tokens in one forward pass, padding included; by default what suits the device.
        span: "answer" or "reasoning": what is compared.
        source: "pivot" or "question": what src is.
        scale: [lo, hi], the scores of the model that become 0 and 1. Models after 2020 give about [0, 1].
        language: the language policies of `reasoning` and `answer` (`pbrlsvr.languages.LanguagePolicy`).
        guards: `repetition` and `length` (`pbrlsvr.rewards.guards.GuardOptions`).
        combine: how `comet` and `answer` become one score (`pbrlsvr.rewards.combine.CombineOptions`).
        serving: where the model runs (`pbrlsvr.serving.options.ServingOptions`).
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1]; `comet_raw`, the model's own score; `empty`, 1.0 where the span has no letter or digit, whose
        comet is 0; and what `pbrlsvr.rewards.scoring.finish` returns.

    Raises:
        DataError: the row lacks what is compared with.
        ConfigError: an option has a value that cannot work.
        ModelError: the checkpoint cannot be loaded, or gives no number for a text.
        ServiceError: what serves the model failed for good, or took longer than `serving.timeout_s`.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_answer": "She has 11 apples left."}
        >>> reward = pbrlsvr.comet_score("demo/es", "17 - 6 = 11. <answer>Le quedan 11 manzanas.</answer>", "11", row)
        >>> asyncio.run(reward)["comet_raw"]  # doctest: +SKIP
        0.86
    """
    options = comet_options(
        model=model, revision=revision, encoder=encoder, device=device, dtype=dtype, batch_tokens=batch_tokens,
        span=span, source=source, scale=scale, serving=serving, language=language, guards=guards, combine=combine,
    )  # fmt: skip
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    measured = await options.measure.of(rollout)
    if measured is None:
        raise DataError(
            f"{rollout.place} has neither extra_info['pivot_answer'] nor a ground truth, so there is no answer to "
            "compare with; write one into each row, or set span=reasoning"
        )
    return await asyncio.to_thread(options.finish, rollout, measured)


@dataclass(frozen=True, slots=True)
class Measured:
    """COMET of one response: the component in [0, 1], the model's own score, and whether the span was empty."""

    comet: float
    raw: float
    empty: bool


@dataclass(frozen=True, slots=True)
class CometMeasure:
    """COMET of one span of the response against the pivot's."""

    checkpoint: CometOptions
    serving: ServingOptions
    span: Span
    source: Source
    scale: tuple[float, float]

    async def of(self, rollout: Rollout) -> Measured | None:
        """None where the row has no answer to compare with."""
        reference = rollout.pivot_answer() if self.span == "answer" else rollout.pivot_reasoning()
        if not reference:
            return None
        src = reference if self.source == "pivot" else rollout.question()
        text = rollout.spans.answer.strip() if self.span == "answer" else rollout.reasoning
        if not any(character.isalnum() for character in text):
            return Measured(0.0, 0.0, True)
        raw = await comet(self.checkpoint, self.serving).score(src, text, reference)
        low, high = self.scale
        return Measured(min(max((raw - low) / (high - low), 0.0), 1.0), raw, False)


@dataclass(frozen=True, slots=True)
class CometReward:
    """The options of `comet_score`, checked."""

    measure: CometMeasure
    scoring: ScoringOptions

    def finish(self, rollout: Rollout, measured: Measured) -> dict[str, float]:
        found = finish(rollout, {"comet": measured.comet, "answer": rollout.verified_answer()}, self.scoring)
        return found | {"comet_raw": measured.raw, "empty": float(measured.empty)}


@cached
def comet_options(*, language: Any, guards: Any, combine: Any, **measure: Any) -> CometReward:
    """The reward from the keyword arguments of `comet_score`, checked. No model is loaded.

    Raises:
        ConfigError: a value cannot work.
    """
    scoring = ScoringOptions.of(language, guards, combine, components=("comet", "answer"))
    return CometReward(comet_measure(**measure), scoring)


def comet_measure(
    *,
    span: Any = "answer",
    source: Any = "pivot",
    scale: Any = (0.0, 1.0),
    serving: Any = None,
    **checkpoint: Any,
) -> CometMeasure:
    """The measure from a `comet` block: the options of the checkpoint, of what is compared, and `serving`.

    Raises:
        ConfigError: a value cannot work.
    """
    for name, value, choices in (("span", span, get_args(Span)), ("source", source, get_args(Source))):
        if value not in choices:
            raise ConfigError(f"{name}={value!r} is not one of {list(choices)}")
    listed = isinstance(scale, Sequence) and not isinstance(scale, str) and len(scale) == 2
    if not listed or not all(isinstance(end, int | float) for end in scale) or not scale[0] < scale[1]:
        raise ConfigError(f"scale={scale!r} must be [lo, hi] with lo < hi: the scores that become 0 and 1")
    # A question is not what an answer translates: it stays whole beside each segment of a long one.
    defaults = {"model": DEFAULT_COMET, "cut_source": source == "pivot"}
    options = from_mapping(CometOptions, {**defaults, **checkpoint}, "a COMET model")
    return CometMeasure(options, ServingOptions.of(serving), span, source, (float(scale[0]), float(scale[1])))
