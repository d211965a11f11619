"""The translation-based rewards: the reasoning is translated into English and compared there with the pivot's."""

from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.models.translation.translator import TranslationOptions
from pbrlsvr.options import from_mapping, require_mapping
from pbrlsvr.rewards.defaults import (
    ENGLISH_EMBEDDING,
    GATED,
    GUARDS,
    LANGUAGE,
    TRANSLATION,
    Block,
    Row,
)
from pbrlsvr.rewards.embed_cosine import embedding_similarity
from pbrlsvr.rewards.reasoning import COMPONENTS, ReasoningReward
from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.rewards.scoring import ScoringOptions, cached
from pbrlsvr.rewards.similarity import Similarity, Translated, TranslatedEmbeddingSimilarity, TranslatedOverlap
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.options import ServingOptions


async def mt_embed_cosine(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    translation: Block = TRANSLATION,
    embedding: Block = ENGLISH_EMBEDDING,
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""Cosine between the response's reasoning, translated into English, and the English pivot's reasoning.

    .. math:: \text{reasoning} = \max(0, \cos(e(t(\text{response's reasoning})), e(\text{pivot's reasoning})))

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    with a translator :math:`t` and a sentence encoder :math:`e`, which needs no language but English. Source: the
    translation-based reward of PB-RLSVR, https://arxiv.org/abs/2509.25543; the direction, the translator, the encoder,
    the gate and the factors are our choice. Reasoning that is English already stays as it is: the language policy is
    what holds against it.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
        extra_info: the row's `extra_info`: `pivot_reasoning`, the English reference; `language`, a BCP-47 code.
        translation: the translator (`pbrlsvr.models.translation.translator.TranslationOptions`), and its `serving`.
        embedding: the encoder, as the options of `pbrlsvr.embed_cosine`, and its `serving`.
        language: the language policies of `reasoning` and `answer` (`pbrlsvr.languages.LanguagePolicy`).
        guards: `repetition` and `length` (`pbrlsvr.rewards.guards.GuardOptions`).
        combine: how `reasoning` and `answer` become one score (`pbrlsvr.rewards.combine.CombineOptions`).
        reward_router_address: given by veRL when it serves a reward model; see `pbrlsvr.embed_cosine`.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        The keys of `pbrlsvr.embed_cosine`.

    Raises:
        DataError: the row has no `pivot_reasoning` or no `language`, or a language that the translator lacks.
        ConfigError: an option has a value that cannot work.
        ModelError: a model cannot be loaded, or fails on a text.
        ServiceError: what serves a model failed for good, or took longer than `serving.timeout_s`.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.mt_embed_cosine("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.94
    """
    reward = mt_embed_options(
        translation=translation, embedding=embedding, language=language, guards=guards, combine=combine
    )
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    return await reward.score(rollout, reward_router_address)


async def mt_chrf(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    translation: Block = TRANSLATION,
    word_order: int = 0,
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""chrF between the response's reasoning, translated into English, and the English pivot's reasoning.

    .. math:: \text{reasoning} = \text{chrF}(t(\text{response's reasoning}), \text{pivot's reasoning})

    The score is `combine(reasoning, answer)` times the factors of the language policy and the guards, in [0, 1].
    chrF (Popović 2015, https://aclanthology.org/W15-3049) counts common runs of characters (`pbrlsvr.rewards.overlap`):
    it rewards the pivot's wording, and a right solution in other words scores low. Source: PB-RLSVR's translation-based
    reward, https://arxiv.org/abs/2509.25543; that the measure is chrF is our choice.

    Args:
        data_source: as in `pbrlsvr.mt_embed_cosine`; so are the others that are not named here.
        solution_str: the response.
        ground_truth: the right final answer, or empty.
        extra_info: the row's `extra_info`.
        translation: the translator, and its `serving`.
        word_order: 0 for chrF, 2 for chrF++, which counts words and pairs of words too.
        language: the language policies.
        guards: the guards.
        combine: how `reasoning` and `answer` become one score.
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        The keys of `pbrlsvr.embed_cosine`; `similarity` is chrF in [0, 1].

    Raises:
        PbrlsvrError: as `pbrlsvr.mt_embed_cosine`.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.mt_chrf("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.58
    """
    reward = mt_chrf_options(
        translation=translation, word_order=word_order, language=language, guards=guards, combine=combine
    )
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    return await reward.score(rollout, reward_router_address)


async def mt_bleu(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    translation: Block = TRANSLATION,
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""BLEU between the response's reasoning, translated into English, and the English pivot's reasoning.

    .. math:: \text{reasoning} = \text{BLEU}(t(\text{response's reasoning}), \text{pivot's reasoning})

    The score is `combine(reasoning, answer)` times the factors of the language policy and the guards, in [0, 1].
    BLEU (Papineni et al. 2002, https://aclanthology.org/P02-1040) of single texts, smoothed as in
    `pbrlsvr.rewards.overlap`, is near 0 for most right solutions in other words: prefer `pbrlsvr.mt_chrf`, and take
    this one for comparisons. Source: PB-RLSVR's translation-based reward, https://arxiv.org/abs/2509.25543; that the
    measure is BLEU is our choice.

    Args:
        data_source: as in `pbrlsvr.mt_embed_cosine`; so are the others.
        solution_str: the response.
        ground_truth: the right final answer, or empty.
        extra_info: the row's `extra_info`.
        translation: the translator, and its `serving`.
        language: the language policies.
        guards: the guards.
        combine: how `reasoning` and `answer` become one score.
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        The keys of `pbrlsvr.embed_cosine`; `similarity` is BLEU in [0, 1].

    Raises:
        PbrlsvrError: as `pbrlsvr.mt_embed_cosine`.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.mt_bleu("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.23
    """
    reward = mt_bleu_options(translation=translation, language=language, guards=guards, combine=combine)
    rollout = Rollout.of(data_source, solution_str, ground_truth, extra_info)
    return await reward.score(rollout, reward_router_address)


@cached
def mt_embed_options(*, translation: Any, embedding: Any, **scoring: Any) -> ReasoningReward:
    """The reward `mt_embed_cosine` from its keyword arguments, checked; `ConfigError` where a value cannot work."""
    return _reward(translated_embedding(translation, embedding), **scoring)


@cached
def mt_chrf_options(*, translation: Any, word_order: Any, **scoring: Any) -> ReasoningReward:
    """The reward `mt_chrf` from its keyword arguments, checked; `ConfigError` where a value cannot work."""
    return _reward(translated_chrf(translation, word_order), **scoring)


@cached
def mt_bleu_options(*, translation: Any, **scoring: Any) -> ReasoningReward:
    """The reward `mt_bleu` from its keyword arguments, checked; `ConfigError` where a value cannot work."""
    return _reward(translated_bleu(translation), **scoring)


def translated_embedding(translation: Any, embedding: Any) -> TranslatedEmbeddingSimilarity:
    """The similarity from the blocks `translation` and `embedding`."""
    block = require_mapping("embedding", embedding)
    if block.get("calibration") is not None:
        raise ConfigError(
            f"embedding.calibration={block['calibration']!r} was fitted on texts in their own languages, and here the "
            "texts are translated first; set it to null"
        )
    return TranslatedEmbeddingSimilarity(_translated(translation), embedding_similarity(**block))


def translated_chrf(translation: Any, word_order: Any = 0) -> TranslatedOverlap:
    """The similarity from the block `translation`, by chrF."""
    if isinstance(word_order, bool) or not isinstance(word_order, int) or word_order < 0:
        raise ConfigError(f"word_order={word_order!r} must be 0 (chrF) or a number of words; 2 is chrF++")
    return TranslatedOverlap(_translated(translation), "chrf", word_order)


def translated_bleu(translation: Any) -> TranslatedOverlap:
    """The similarity from the block `translation`, by BLEU."""
    return TranslatedOverlap(_translated(translation), "bleu")


def _translated(translation: Any) -> Translated:
    block = require_mapping("translation", translation)
    serving = ServingOptions.of(block.pop("serving", None))
    if block.get("endpoint") is not None:
        endpoint = require_mapping("translation.endpoint", block["endpoint"])
        block["endpoint"] = from_mapping(EndpointOptions, endpoint, "translation.endpoint")
    options = from_mapping(TranslationOptions, {**TRANSLATION, **block}, "a translation")
    if options.target_language != "en":
        raise ConfigError(
            f"translation.target_language={options.target_language!r}: the pivot is English, so the target is 'en'"
        )
    return Translated(options, serving)


def _reward(similarity: Similarity, *, language: Any, guards: Any, combine: Any) -> ReasoningReward:
    return ReasoningReward(similarity, ScoringOptions.of(language, guards, combine, components=COMPONENTS))
