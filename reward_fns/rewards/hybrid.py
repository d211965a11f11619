"""The hybrid reward of the paper: COMET on the answer, embedding or translation similarity on the reasoning."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Literal

from pbrlsvr.errors import ConfigError
from pbrlsvr.responses import format as formats
from pbrlsvr.responses.format import FormatOptions
from pbrlsvr.scoring.base import RIGHT_ANSWER, SemanticReward, verl_function
from pbrlsvr.scoring.combine import CombineOptions
from pbrlsvr.scoring.comet_component import CometBlock, Measured, measure
from pbrlsvr.scoring.references import nearest
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr.scoring.similarity import (
    CalibratedEmbedding,
    EmbeddingSimilarity,
    Similarity,
    Translated,
    TranslatedEmbeddingSimilarity,
    TranslatedOverlap,
    TranslationBlock,
)


class Hybrid(SemanticReward):
    r"""COMET on the final answer and a similarity on the reasoning, as in the paper.

    .. math:: \text{score} = \text{combine}(\text{answer}, \text{comet}, \text{reasoning}, \text{format})
              \cdot \prod \text{factors}

    with comet = `pbrlsvr.comet_score`'s component, on the sentence that states the answer, reasoning = that of
    `pbrlsvr.embed_cosine` or one of the `mt_` rewards, format = `pbrlsvr.format`, and answer = 1 if the final answer
    is right. Source: PB-RLSVR, https://arxiv.org/abs/2509.25543, for the two similarities and what each is taken on.
    The weights, the formula and the rest are not known from the paper. Our choice: both similarities weigh the same,
    and count where the answer is right, a tenth where it is wrong, if that can be verified (a number, a choice, a
    formula), since neither sees a swapped digit; where it cannot, they count by themselves.
    `combine={"rule": "sum", "weights": {"answer": 0, "format": 0}}` is the two alone.

    Returns:
        `score` in [0, 1]; `similarity` and `comet_raw`, as the models gave them; `empty` and `comet_empty`, 1.0 where
        the reasoning or the answer has no letter or digit; and what `pbrlsvr.scoring.finish.finish` returns. A row
        without any answer has no `comet`: its weight leaves the mean, and `comet_missing` is 1.0.

    Raises:
        DataError: the row has no `pivot_reasoning`, or no `language` where one is needed.
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

    COMPONENTS: ClassVar[Mapping[str, str]] = {
        "answer": RIGHT_ANSWER,
        "comet": "COMET of the answer's statement, scaled to [0, 1].",
        "reasoning": "The similarity of the reasoning.",
        "format": "1 where the response has the format.",
    }

    similarity: Literal["embed_cosine", "mt_embed_cosine", "mt_chrf", "mt_bleu"] = "embed_cosine"
    """How the reasoning is compared: "embed_cosine", or after translation "mt_embed_cosine", "mt_chrf" or "mt_bleu"."""
    comet: CometBlock = CometBlock()
    """The COMET model, and what it compares."""
    embedding: CalibratedEmbedding = CalibratedEmbedding()
    """What compares the reasoning, for "embed_cosine" and "mt_embed_cosine"."""
    translation: TranslationBlock = TranslationBlock()
    """What translates the reasoning, for "mt_embed_cosine", "mt_chrf" and "mt_bleu"."""
    format: FormatOptions = FormatOptions()
    """What a response must look like; its score is a component of weight 0."""
    combine: CombineOptions = CombineOptions(
        rule="gated", weights={"answer": 0.0, "comet": 1.0, "reasoning": 1.0, "format": 0.0}
    )
    """How the components become one score. By default COMET and the similarity count where the final answer is right,
    and a tenth where it is wrong, if that can be verified, and by themselves where it cannot."""

    def check(self) -> None:
        self.reasoning()

    def reasoning(self) -> Similarity:
        """How alike the response's reasoning and the pivot's are."""
        if self.similarity == "embed_cosine":
            return EmbeddingSimilarity(self.embedding, self.place(self.embedding), self.embedding.calibrated())
        translated = Translated(self.translation, self.place(self.translation))
        if self.similarity == "mt_embed_cosine":
            if self.embedding.calibration is not None:
                raise ConfigError(
                    f"embedding.calibration={self.embedding.calibration!r} was fitted on texts in their own languages, "
                    "and here the texts are translated first; set it to null"
                )
            embedding = EmbeddingSimilarity(self.embedding, self.place(self.embedding))
            return TranslatedEmbeddingSimilarity(translated, embedding)
        return TranslatedOverlap(translated, "chrf" if self.similarity == "mt_chrf" else "bleu")

    async def measure(self, rollout: Rollout) -> tuple[Measured | None, float]:
        rollout.pivot_reasoning()
        comet = measure(self.comet, self.place(self.comet), rollout)
        return await asyncio.gather(comet, self._similarity(rollout))

    async def nearest(self, rollout: Rollout) -> tuple[Rollout, tuple[Measured | None, float]]:
        if len(rollout.beside_each()) == 1:
            return rollout, await self.measure(rollout)
        # The reasoning says which reference a response is near; COMET then takes one pass, as with a single one.
        beside, raw = await nearest(rollout, self._similarity, float)
        return beside, (await measure(self.comet, self.place(self.comet), beside), raw)

    async def _similarity(self, rollout: Rollout) -> float:
        return await self.reasoning().raw(rollout) if rollout.has_reasoning else 0.0

    def components(self, rollout: Rollout, measured: tuple[Measured | None, float]) -> dict[str, float | None]:
        comet, raw = measured
        return {
            "answer": rollout.verified_answer(),
            "comet": comet.comet if comet else None,
            "reasoning": self.reasoning().component(raw, rollout) if rollout.has_reasoning else 0.0,
            "format": formats.check(rollout.text, self.format).score,
        }

    def logged(self, rollout: Rollout, measured: tuple[Measured | None, float]) -> dict[str, float]:
        comet, raw = measured
        return {
            "similarity": raw,
            "empty": float(not rollout.has_reasoning),
            "comet_raw": comet.raw if comet else 0.0,
            "comet_empty": float(comet.empty if comet else 0.0),
        }


hybrid = verl_function(Hybrid)
