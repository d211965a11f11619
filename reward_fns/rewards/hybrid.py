"""The hybrid reward of the paper: COMET on the answer, embedding or translation similarity on the reasoning."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr.models.comet.comet import DEFAULT_COMET
from pbrlsvr.models.embedding.cards import DEFAULT_ENCODER
from pbrlsvr.options import require_mapping
from pbrlsvr.responses import format as formats
from pbrlsvr.responses.format import FormatOptions
from pbrlsvr.rewards.comet_score import CometMeasure, Measured, comet_measure
from pbrlsvr.rewards.defaults import GUARDS, LANGUAGE, SERVING, TRANSLATION, Block, Row
from pbrlsvr.rewards.embed_cosine import embedding_similarity
from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.rewards.scoring import ScoringOptions, cached, finish
from pbrlsvr.rewards.similarity import Similarity
from pbrlsvr.rewards.translated import translated_bleu, translated_chrf, translated_embedding

Kind = Literal["embed_cosine", "mt_embed_cosine", "mt_chrf", "mt_bleu"]

COMPONENTS = ("answer", "comet", "reasoning", "format")
COMET: Block = {"model": DEFAULT_COMET, "serving": SERVING}
EMBEDDING: Block = {"model": DEFAULT_ENCODER, "serving": SERVING}
GATED: Block = {"rule": "gated", "weights": {"answer": 0.0, "comet": 1.0, "reasoning": 1.0, "format": 0.0}}


async def hybrid(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Row | None = None,
    *,
    similarity: Kind = "embed_cosine",
    comet: Block = COMET,
    embedding: Block = EMBEDDING,
    translation: Block = TRANSLATION,
    format: Block = {},  # noqa: A002, B006 - the name that users write; never changed
    language: Block = LANGUAGE,
    guards: Block = GUARDS,
    combine: Block = GATED,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""COMET on the final answer and a similarity on the reasoning, as in the paper.

    .. math:: \text{score} = \text{combine}(\text{answer}, \text{comet}, \text{reasoning}, \text{format})
              \cdot \prod \text{factors}

    with comet = `pbrlsvr.comet_score`'s component on the answer, reasoning = that of `pbrlsvr.embed_cosine` or one of
    the `mt_` rewards, format = `pbrlsvr.format`, and answer = 1 if the final answer is right. Source: PB-RLSVR,
    https://arxiv.org/abs/2509.25543, for the two similarities and what each is taken on. The weights, the formula and
    the rest are not known from the paper. Our choice: both similarities weigh the same, and count as far as the answer
    is right where that can be verified (a number, a choice, a formula), since neither sees a swapped digit; where it
    cannot, they count by themselves. `combine={"rule": "sum", "weights": {"answer": 0, "format": 0}}` is the two alone.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response.
        ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
        extra_info: the row's `extra_info`: `pivot_reasoning`, `pivot_answer`, and `language`, a BCP-47 code.
        similarity: "embed_cosine", "mt_embed_cosine", "mt_chrf" or "mt_bleu".
        comet: the options of `pbrlsvr.comet_score` for its model, `source`, `scale` and `serving`.
        embedding: the options of `pbrlsvr.embed_cosine` for its encoder, alignment, calibration and `serving`; for
            "embed_cosine" and "mt_embed_cosine".
        translation: the translator and its `serving`; for the `mt_` similarities.
        format: the options of `pbrlsvr.format`.
        language: the language policies of `reasoning` and `answer` (`pbrlsvr.languages.LanguagePolicy`).
        guards: `repetition` and `length` (`pbrlsvr.rewards.guards.GuardOptions`).
        combine: how the components become one score (`pbrlsvr.rewards.combine.CombineOptions`).
        reward_router_address: given by veRL when it serves a reward model; see `pbrlsvr.embed_cosine`.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1]; `similarity` and `comet_raw`, as the models gave them; `empty` and `comet_empty`, 1.0 where
        the reasoning or the answer has no letter or digit; and what `pbrlsvr.rewards.scoring.finish` returns. A row
        without any answer has no `comet`: its weight leaves the mean, and `comet_missing` is 1.0.

    Raises:
        DataError: the row has no `pivot_reasoning`, or no `language` where one is needed.
        ConfigError: an option has a value that cannot work.
        ModelError: a model cannot be loaded, or fails on a text.
        ServiceError: what serves a model failed for good, or took longer than `serving.timeout_s`.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11.", "pivot_answer": "11"}
        >>> reward = pbrlsvr.hybrid("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.9
    """
    reward = hybrid_options(
        similarity=similarity, comet=comet, embedding=embedding, translation=translation, format=format,
        language=language, guards=guards, combine=combine,
    )  # fmt: skip
    return await reward.score(Rollout.of(data_source, solution_str, ground_truth, extra_info), reward_router_address)


@dataclass(frozen=True, slots=True)
class HybridReward:
    """The options of `hybrid`, checked."""

    comet: CometMeasure
    similarity: Similarity
    form: FormatOptions
    scoring: ScoringOptions

    async def score(self, rollout: Rollout, router: str | None) -> dict[str, float]:
        rollout.pivot_reasoning()
        measured, raw = await asyncio.gather(self.comet.of(rollout), self._similarity(rollout, router))
        return await asyncio.to_thread(self._finish, rollout, measured, raw)

    async def _similarity(self, rollout: Rollout, router: str | None) -> float:
        return await self.similarity.raw(rollout, router) if rollout.has_reasoning else 0.0

    def _finish(self, rollout: Rollout, measured: Measured | None, raw: float) -> dict[str, float]:
        components = {
            "answer": rollout.verified_answer(),
            "comet": measured.comet if measured else None,
            "reasoning": self.similarity.component(raw, rollout) if rollout.has_reasoning else 0.0,
            "format": formats.check(rollout.text, self.form).score,
        }
        found = finish(rollout, components, self.scoring)
        return found | {
            "similarity": raw,
            "empty": float(not rollout.has_reasoning),
            "comet_raw": measured.raw if measured else 0.0,
            "comet_empty": float(measured.empty if measured else 0.0),
        }


@cached
def hybrid_options(
    *,
    similarity: Any,
    comet: Any,
    embedding: Any,
    translation: Any,
    format: Any,  # noqa: A002
    **scoring: Any,
) -> HybridReward:
    """The reward from the keyword arguments of `hybrid`, checked. No model is loaded.

    Raises:
        ConfigError: a value cannot work.
    """
    if similarity not in get_args(Kind):
        raise ConfigError(f"similarity={similarity!r} is not one of {list(get_args(Kind))}")
    block = require_mapping("comet", comet)
    if block.pop("span", "answer") != "answer":
        raise ConfigError("comet.span must be 'answer' in the hybrid, whose `similarity` covers the reasoning")
    return HybridReward(
        comet_measure(**block),
        _similarity(similarity, embedding, translation),
        FormatOptions.of(format),
        ScoringOptions.of(components=COMPONENTS, **scoring),
    )


def _similarity(kind: Kind, embedding: Any, translation: Any) -> Similarity:
    if kind == "mt_embed_cosine":
        return translated_embedding(translation, embedding)
    if kind == "mt_chrf":
        return translated_chrf(translation)
    if kind == "mt_bleu":
        return translated_bleu(translation)
    return embedding_similarity(**require_mapping("embedding", embedding))
