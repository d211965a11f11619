"""The embedding-based reward: `embed_cosine`."""

import asyncio
from dataclasses import dataclass
from typing import Any

from pbrlsvr.calibration import Calibration, load_checked
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.functions.defaults import GATED, GUARDS, LANGUAGE, Block, Row
from pbrlsvr.rollout import Rollout
from pbrlsvr.scorers.embedding import EmbeddingOptions, embedder
from pbrlsvr.scorers.encoders import DEFAULT_ENCODER
from pbrlsvr.scoring import ScoringOptions, cached, finish


async def embed_cosine(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    model: str = DEFAULT_ENCODER,
    revision: str | None = None,
    prompt: str | None = None,
    max_tokens: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    cache_size: int = 100_000,
    align: bool = False,
    align_floor: float = 0.0,
    calibration: str | None = None,
    calibration_missing: str = "error",
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""Cosine between the response's reasoning and the English pivot's reasoning, in a multilingual embedding space.

    .. math:: \text{reasoning} = \max(0, \cos(e(\text{response's reasoning}), e(\text{pivot's reasoning})))

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    where :math:`e` is a sentence encoder that maps a text and its translation to nearby vectors, so that no
    annotation in the response's language is needed. By default the reasoning counts where the final answer is that of
    the ground truth or of the pivot (`combine.rule="gated"`), and by itself where the row has neither; the factors are
    a language policy, which halves the score of reasoning in another language, and a guard against loops. Source: the
    embedding-based reward of PB-RLSVR, https://arxiv.org/abs/2509.25543; the encoder, the clipping at zero, the gate
    and the factors are our choice. `combine={"rule": "sum", "weights": {"answer": 0}}` is the plain cosine.

    What it is blind to: in the reasoning, most encoders hardly see a changed digit; see docs/rewards.md.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
        extra_info: the row's `extra_info`: `pivot_reasoning`, the English reference; `language`, a BCP-47 code.
        model: see `pbrlsvr.scorers.embedding.EmbeddingOptions` for this one and the next seven.
        revision: revision of the model on the hub.
        prompt: text put before each input; by default what the model's card asks for.
        max_tokens: longest piece encoded at once, in tokens.
        device: "auto" or a torch device.
        dtype: "float32", "bfloat16" or "float16".
        batch_size: pieces in one forward pass.
        cache_size: vectors kept in memory.
        align: match the steps of the two texts in order (`pbrlsvr.alignment`) instead of comparing them as wholes.
        align_floor: the cosine of unrelated steps, in [-1, 1).
        calibration: a file of `pbrlsvr calibrate`, which turns the similarity into a probability that the texts match.
        calibration_missing: "error" or "pooled": what to do with a language that the calibration lacks.
        language: the language policies of `reasoning` and `answer` (`pbrlsvr.languages.LanguagePolicy`).
        guards: `repetition` and `length` (`pbrlsvr.guards.GuardOptions`).
        combine: how `reasoning` and `answer` become one score (`pbrlsvr.combine.CombineOptions`).
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1]; `similarity`, the raw cosine in [-1, 1] or the alignment in [0, 1]; `empty`, 1.0 where the
        reasoning has no letter or digit, whose similarity is 0; and what `pbrlsvr.scoring.finish` returns.

    Raises:
        DataError: the row has no `pivot_reasoning`, a `language` that does not exist, or none where one is needed.
        ConfigError: an option has a value that cannot work.
        ModelError: the model cannot be loaded, or returns something that is not a number.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.embed_cosine("demo/es", "17 manzanas menos 6 son 11 manzanas. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.93
    """
    options = embed_options(
        model=model, revision=revision, prompt=prompt, max_tokens=max_tokens, device=device, dtype=dtype,
        batch_size=batch_size, cache_size=cache_size, align=align, align_floor=align_floor, calibration=calibration,
        calibration_missing=calibration_missing, language=language, guards=guards, combine=combine,
    )  # fmt: skip
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    reference = rollout.pivot_reasoning()
    similarity = await options.similarity(rollout, reference) if rollout.has_reasoning else 0.0
    # Reading an answer and finding out a language take milliseconds: off the event loop.
    found = await asyncio.to_thread(options.finish, rollout, similarity)
    return found | {"similarity": similarity, "empty": float(not rollout.has_reasoning)}


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """The options of `embed_cosine`, checked."""

    encoding: EmbeddingOptions
    align: bool
    align_floor: float
    calibration: Calibration | None
    scoring: ScoringOptions

    async def similarity(self, rollout: Rollout, reference: str) -> float:
        """The cosine in [-1, 1] of the reasoning and its reference, or their alignment in [0, 1]."""
        encoder, reasoning = embedder(self.encoding), rollout.spans.reasoning.strip()
        if self.align:
            return await encoder.alignment(reasoning, reference, self.align_floor)
        return await encoder.cosine(reasoning, reference)

    def finish(self, rollout: Rollout, similarity: float) -> dict[str, float]:
        components = {"reasoning": self.reasoning(similarity, rollout), "answer": rollout.verified_answer()}
        return finish(rollout, components, self.scoring)

    def reasoning(self, similarity: float, rollout: Rollout) -> float:
        """The component: the similarity clipped at 0, or the probability that the texts match."""
        if not rollout.has_reasoning:
            return 0.0
        if self.calibration is None:
            return max(0.0, similarity)
        if rollout.language is None:
            raise DataError(f"{rollout.place} has no extra_info['language'], which the calibration needs")
        return self.calibration.score(similarity, rollout.spans.reasoning, rollout.language)


@cached
def embed_options(
    *,
    align: bool,
    align_floor: float,
    calibration: str | None,
    calibration_missing: str,
    language: Any,
    guards: Any,
    combine: Any,
    **encoder: Any,
) -> EmbedOptions:
    """The options of `embed_cosine` from its keyword arguments. No model is loaded.

    Raises:
        ConfigError: a value cannot work.
    """
    if not isinstance(align, bool):
        raise ConfigError(f"align={align!r} must be true or false")
    if isinstance(align_floor, bool) or not isinstance(align_floor, int | float) or not -1 <= align_floor < 1:
        raise ConfigError(f"align_floor={align_floor!r} must be a cosine in [-1, 1)")
    embedding = EmbeddingOptions(**encoder)
    fitted = None
    if calibration is not None:
        fitted = load_checked(calibration, embedding, align, align_floor if align else 0.0, calibration_missing)
    scoring = ScoringOptions.of(language, guards, combine, components=("reasoning", "answer"))
    return EmbedOptions(embedding, align, float(align_floor), fitted, scoring)
