"""The embedding-based reward: `embed_cosine`."""

from typing import Any

from pbrlsvr.calibration.calibration import load_checked
from pbrlsvr.errors import ConfigError
from pbrlsvr.models.embedding.cards import DEFAULT_ENCODER
from pbrlsvr.models.embedding.embedder import EmbeddingOptions
from pbrlsvr.options import from_mapping
from pbrlsvr.rewards.defaults import GATED, GUARDS, LANGUAGE, SERVING, Block, Row
from pbrlsvr.rewards.reasoning import COMPONENTS, ReasoningReward
from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.rewards.scoring import ScoringOptions, cached
from pbrlsvr.rewards.similarity import EmbeddingSimilarity
from pbrlsvr.serving.options import ServingOptions


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
    batch_tokens: int | None = None,
    align: bool = False,
    align_floor: float = 0.0,
    calibration: str | None = None,
    calibration_missing: str = "error",
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    serving: Block = SERVING,
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
        model: see `pbrlsvr.models.embedding.embedder.EmbeddingOptions` for this one and the next six.
        revision: revision of the model on the hub.
        prompt: text put before each input; by default what the model's card asks for.
        max_tokens: longest piece encoded at once, in tokens.
        device: "auto" or a torch device.
        dtype: "float32", "bfloat16" or "float16".
        batch_tokens: tokens in one forward pass, padding included; by default what suits the device.
        align: match the steps of the two texts in order (`pbrlsvr.models.embedding.alignment`) instead of comparing
        them as wholes. align_floor: the cosine of unrelated steps, in [-1, 1).
        calibration: a file of `pbrlsvr calibrate`, which turns the similarity into a probability that the texts match.
        calibration_missing: "error" or "pooled": what to do with a language that the calibration lacks.
        language: the language policies of `reasoning` and `answer` (`pbrlsvr.languages.LanguagePolicy`).
        guards: `repetition` and `length` (`pbrlsvr.rewards.guards.GuardOptions`).
        combine: how `reasoning` and `answer` become one score (`pbrlsvr.rewards.combine.CombineOptions`).
        serving: where the encoder runs (`pbrlsvr.serving.options.ServingOptions`).
        reward_router_address: given by veRL when it serves a reward model; where `serving.place` is "endpoint" and
            has no URL of its own, that model gives the vectors.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1]; `similarity`, the raw cosine in [-1, 1] or the alignment in [0, 1]; `empty`, 1.0 where the
        reasoning has no letter or digit, whose similarity is 0; and what `pbrlsvr.rewards.scoring.finish` returns.

    Raises:
        DataError: the row has no `pivot_reasoning`, a `language` that does not exist, or none where one is needed.
        ConfigError: an option has a value that cannot work.
        ModelError: the model cannot be loaded, or returns something that is not a number.
        ServiceError: what serves the model failed for good, or took longer than `serving.timeout_s`.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.embed_cosine("demo/es", "17 manzanas menos 6 son 11 manzanas. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.93
    """
    reward = embed_options(
        model=model, revision=revision, prompt=prompt, max_tokens=max_tokens, device=device, dtype=dtype,
        batch_tokens=batch_tokens, align=align, align_floor=align_floor, calibration=calibration,
        calibration_missing=calibration_missing, serving=serving, language=language, guards=guards, combine=combine,
    )  # fmt: skip
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    return await reward.score(rollout, reward_router_address)


@cached
def embed_options(*, language: Any, guards: Any, combine: Any, **embedding: Any) -> ReasoningReward:
    """The reward from the keyword arguments of `embed_cosine`, checked. No model is loaded.

    Raises:
        ConfigError: a value cannot work.
    """
    return ReasoningReward(
        embedding_similarity(**embedding), ScoringOptions.of(language, guards, combine, components=COMPONENTS)
    )


def embedding_similarity(
    *,
    align: bool = False,
    align_floor: float = 0.0,
    calibration: str | None = None,
    calibration_missing: str = "error",
    serving: Any = None,
    **encoder: Any,
) -> EmbeddingSimilarity:
    """The similarity from an `embedding` block: the options of the encoder, of the alignment and of the calibration.

    Raises:
        ConfigError: a value cannot work.
    """
    if not isinstance(align, bool):
        raise ConfigError(f"align={align!r} must be true or false")
    if isinstance(align_floor, bool) or not isinstance(align_floor, int | float) or not -1 <= align_floor < 1:
        raise ConfigError(f"align_floor={align_floor!r} must be a cosine in [-1, 1)")
    encoding = from_mapping(EmbeddingOptions, {"model": DEFAULT_ENCODER, **encoder}, "an embedding")
    fitted = None
    if calibration is not None:
        fitted = load_checked(calibration, encoding, align, align_floor if align else 0.0, calibration_missing)
    return EmbeddingSimilarity(encoding, ServingOptions.of(serving), align, float(align_floor), fitted)
