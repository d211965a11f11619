"""How alike a response's reasoning and the English pivot's are: across languages, or in English after translation.

embed_cosine      cos(e(reasoning), e(pivot))            e: a multilingual sentence encoder
mt_embed_cosine   cos(e(t(reasoning)), e(pivot))         t: translation into English, e: any sentence encoder
mt_chrf, mt_bleu  chrF or BLEU(t(reasoning), pivot)      overlap of characters or words
"""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from pbrlsvr.calibration.calibration import Calibration
from pbrlsvr.errors import DataError
from pbrlsvr.models.embedding.embedder import EmbeddingOptions, embedder
from pbrlsvr.models.translation.translator import TranslationOptions, translator
from pbrlsvr.rewards import overlap
from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.serving.options import ServingOptions


class Similarity(Protocol):
    """A way to compare a reasoning that is not empty with its reference."""

    async def raw(self, rollout: Rollout, router: str | None) -> float:
        """The similarity as measured; `router` is the address of the reward model that veRL serves, if it does."""

    def component(self, raw: float, rollout: Rollout) -> float:
        """What of it counts, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class EmbeddingSimilarity:
    """The cosine of two texts' vectors, or the alignment of their steps; optionally calibrated."""

    encoding: EmbeddingOptions
    serving: ServingOptions
    align: bool = False
    align_floor: float = 0.0
    calibration: Calibration | None = None

    async def raw(self, rollout: Rollout, router: str | None) -> float:
        return await self.between(rollout.reasoning, rollout.pivot_reasoning(), router)

    async def between(self, text: str, reference: str, router: str | None) -> float:
        """The cosine in [-1, 1], or the alignment in [0, 1]."""
        encoder = embedder(self.encoding, self.serving.at(router))
        if self.align:
            return await encoder.alignment(text, reference, self.align_floor)
        return await encoder.cosine(text, reference)

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
        return await translator(self.options, self.serving).translate(rollout.reasoning, rollout.language)


@dataclass(frozen=True, slots=True)
class TranslatedEmbeddingSimilarity:
    """The cosine of the vectors of the translated reasoning and the reference."""

    translated: Translated
    embedding: EmbeddingSimilarity

    async def raw(self, rollout: Rollout, router: str | None) -> float:
        return await self.embedding.between(await self.translated.reasoning(rollout), rollout.pivot_reasoning(), router)

    def component(self, raw: float, rollout: Rollout) -> float:
        return max(0.0, raw)


@dataclass(frozen=True, slots=True)
class TranslatedOverlap:
    """The overlap in [0, 1] of the translated reasoning with the reference, by chrF or BLEU."""

    translated: Translated
    metric: Literal["chrf", "bleu"]
    word_order: int = 0

    async def raw(self, rollout: Rollout, router: str | None) -> float:
        english = await self.translated.reasoning(rollout)
        return await asyncio.to_thread(self._overlap, english, rollout.pivot_reasoning())

    def _overlap(self, english: str, reference: str) -> float:
        if self.metric == "bleu":
            return overlap.bleu(english, reference)
        return overlap.chrf(english, reference, word_order=self.word_order)

    def component(self, raw: float, rollout: Rollout) -> float:
        return raw
