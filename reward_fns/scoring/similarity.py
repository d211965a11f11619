"""How alike a response's reasoning and the English pivot's are: across languages, or in English after translation.

embed_cosine      cos(e(reasoning), e(pivot))            e: a multilingual sentence encoder
mt_embed_cosine   cos(e(t(reasoning)), e(pivot))         t: translation into English, e: any sentence encoder
mt_chrf, mt_bleu  chrF or BLEU(t(reasoning), pivot)      overlap of characters or words
"""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from pbrlsvr.calibration.calibration import Calibration, load_checked
from pbrlsvr.errors import DataError
from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.models.translation.translator import translator
from pbrlsvr.options import Field
from pbrlsvr.scoring import overlap
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr.serving.options import ServingOptions


class AlignedEmbedding(EmbeddingOptions):
    """An encoder, and how the vectors of two texts are compared."""

    align: bool = False
    """true matches the steps of the two texts in order (`pbrlsvr.models.embedding.alignment`) instead of comparing them
    as wholes: right steps in the wrong order then score lower."""
    align_floor: float = Field(0.0, ge=-1, lt=1)
    """With align: the cosine of steps that have nothing to do with each other; near 0 for LaBSE, above 0.7 for E5."""
    serving: ServingOptions | None = None
    """What differs for this model from the reward's `serving`; null: nothing."""


class CalibratedEmbedding(AlignedEmbedding):
    """An encoder, how two vectors are compared, and what the similarity says about a pair of texts."""

    calibration: str | None = Field(None, min_length=1)
    """A file made by `pbrlsvr calibrate`: the similarity becomes a probability that the texts match, which no longer
    depends on the language. null keeps the similarity."""
    calibration_missing: Literal["error", "pooled"] = "error"
    """A language that the calibration lacks: "error" stops, "pooled" takes the mean over the languages."""

    def calibrated(self) -> Calibration | None:
        """The calibration, checked against this encoder; None without one.

        Raises:
            ConfigError: it cannot be read, or was fitted with another encoder.
        """
        if self.calibration is None:
            return None
        floor = self.align_floor if self.align else 0.0
        return load_checked(self.calibration, self, self.align, floor, self.calibration_missing)


class TranslationBlock(TranslationOptions):
    """What translates the reasoning into English."""

    serving: ServingOptions | None = None
    """What differs for this model from the reward's `serving`; null: nothing."""


class Similarity(Protocol):
    """A way to compare a reasoning that is not empty with its reference."""

    async def raw(self, rollout: Rollout) -> float:
        """The similarity as measured."""

    def component(self, raw: float, rollout: Rollout) -> float:
        """What of it counts, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class EmbeddingSimilarity:
    """The cosine of two texts' vectors, or the alignment of their steps; optionally calibrated."""

    options: AlignedEmbedding
    serving: ServingOptions
    calibration: Calibration | None = None

    async def raw(self, rollout: Rollout) -> float:
        return await self.between(rollout.reasoning, rollout)

    async def between(self, text: str, rollout: Rollout) -> float:
        """A text beside the reference: the cosine in [-1, 1], or the alignment in [0, 1]."""
        encoder = embedder(self.options, self.serving.at(rollout.served_at))
        if self.options.align:
            return await encoder.alignment(text, rollout.pivot_reasoning(), self.options.align_floor)
        return await encoder.cosine(text, rollout.pivot_reasoning())

    def component(self, raw: float, rollout: Rollout) -> float:
        if self.calibration is None:
            return max(0.0, raw)
        if rollout.language is None:
            raise DataError(f"{rollout.place} has no extra_info['language'], which the calibration needs")
        return self.calibration.score(raw, rollout.reasoning, rollout.language)


@dataclass(frozen=True, slots=True)
class Translated:
    """The reasoning in English."""

    options: TranslationOptions
    serving: ServingOptions

    async def reasoning(self, rollout: Rollout) -> str:
        if rollout.language is None:
            raise DataError(
                f"{rollout.place} has no extra_info['language'], from which its reasoning is to be translated. Write "
                "the BCP-47 code into each row."
            )
        place = self.serving.at(rollout.served_at)
        return await translator(self.options, place).translate(rollout.reasoning, rollout.language)


@dataclass(frozen=True, slots=True)
class TranslatedEmbeddingSimilarity:
    """The cosine of the vectors of the translated reasoning and the reference."""

    translated: Translated
    embedding: EmbeddingSimilarity

    async def raw(self, rollout: Rollout) -> float:
        return await self.embedding.between(await self.translated.reasoning(rollout), rollout)

    def component(self, raw: float, rollout: Rollout) -> float:
        return max(0.0, raw)


@dataclass(frozen=True, slots=True)
class TranslatedOverlap:
    """The overlap in [0, 1] of the translated reasoning with the reference, by chrF or BLEU."""

    translated: Translated
    metric: Literal["chrf", "bleu"]
    word_order: int = 0

    async def raw(self, rollout: Rollout) -> float:
        english = await self.translated.reasoning(rollout)
        return await asyncio.to_thread(self._overlap, english, rollout.pivot_reasoning())

    def _overlap(self, english: str, reference: str) -> float:
        if self.metric == "bleu":
            return overlap.bleu(english, reference)
        return overlap.chrf(english, reference, word_order=self.word_order)

    def component(self, raw: float, rollout: Rollout) -> float:
        return raw
