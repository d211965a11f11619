"""Sentence embeddings: any sentence-transformers model, long texts split and pooled, each text encoded once."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.models.embedding.alignment import alignment
from pbrlsvr.models.embedding.cards import card_prompt
from pbrlsvr.models.embedding.options import EmbeddingOptions, Unprompted
from pbrlsvr.models.embedding.pooling import Vector, checked_unit
from pbrlsvr.models.pieces import split_steps
from pbrlsvr.serving.endpoint_options import EndpointOptions
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr.serving.scorer import scorer

if TYPE_CHECKING:
    from pbrlsvr.models.embedding.model import SentenceEncoder
    from pbrlsvr.models.embedding.served import ServedEmbeddings

#: The most steps of a text that are told apart; more are joined. Bounds the work of `alignment`.
MAX_STEPS = 256

__all__ = ["Embedder", "EmbeddingOptions", "Steps", "Vector", "card_prompt", "embedder"]


@dataclass(frozen=True)
class EncoderLoader:
    """All that the vectors depend on: the options of the model, and those of the place where it is loaded."""

    model: str
    revision: str | None
    prompt: str | None
    max_tokens: int | None
    device: str
    dtype: str
    batch_tokens: int | None

    @classmethod
    def of(cls, options: EmbeddingOptions, serving: ServingOptions | None = None) -> "EncoderLoader":
        """This model in this place."""
        serving = serving or ServingOptions()
        model = (options.model, options.revision, options.prompt, options.max_tokens)
        return cls(*model, serving.device, serving.dtype, serving.batch_tokens)

    def load(self) -> "SentenceEncoder":
        """The loaded model; see `ModelOptions.load`.

        Raises:
            ConfigError: `max_tokens` leaves no room for text beside the prompt.
        """
        from pbrlsvr.models.embedding.model import SentenceEncoder

        return SentenceEncoder(self)

    def served_by(self, endpoint: EndpointOptions) -> "ServedEmbeddings":
        """The same model, behind OpenAI-compatible servers."""
        from pbrlsvr.models.embedding.served import ServedEmbeddings

        return ServedEmbeddings(self, endpoint)


@dataclass(frozen=True)
class Steps:
    """The sentences of a text: unit vectors `[n, d]` and lengths in characters `[n]`, in order."""

    vectors: Vector
    lengths: NDArray[np.float64]


def cosine(a: Vector, b: Vector) -> float:
    """The cosine of two unit vectors, in [-1, 1]."""
    return float(np.clip(np.dot(a.astype(np.float64), b.astype(np.float64)), -1.0, 1.0))


def step_alignment(a: Steps, b: Steps, floor: float) -> float:
    """How far the steps of two texts match in order, in [0, 1]; see `pbrlsvr.models.embedding.alignment`."""
    return alignment(a.vectors, b.vectors, a.lengths, b.lengths, floor=floor)


class Embedder:
    """Vectors of texts, and what rewards measure with them. Get it with `embedder(options)`, which shares it."""

    def __init__(self, options: EmbeddingOptions, serving: ServingOptions | None = None):
        self.options = options
        serving = serving or ServingOptions()
        self._scorer = scorer(EncoderLoader.of(options, serving), serving)

    async def embed(self, text: str) -> Vector:
        """The unit vector `[d]` of a text.

        Raises:
            ModelError: the model cannot be loaded, or returns something that is not a vector of numbers.
            ServiceError: where it runs does not answer.
            MissingDependencyError: sentence-transformers is not installed.
        """
        return checked_unit(await self._scorer(text), self.options.model)

    async def embed_unprompted(self, text: str) -> Vector:
        """The unit vector `[d]` of a text without the model's prompt, from the same loaded model.

        Raises:
            ModelError, ServiceError, MissingDependencyError: as `embed`.
        """
        return checked_unit(await self._scorer(Unprompted(text)), self.options.model)

    async def cosine(self, text: str, reference: str) -> float:
        """The cosine in [-1, 1] between the vectors of two texts."""
        return cosine(*await asyncio.gather(self.embed(text), self.embed(reference)))

    async def steps(self, text: str) -> Steps:
        """The sentences of a text as vectors; a sentence that was seen before is not encoded again.

        Example:
            >>> import asyncio
            >>> encoder = embedder(EmbeddingOptions(model="intfloat/multilingual-e5-small"))
            >>> asyncio.run(encoder.steps("Ana has 17 apples. She gives away 6.")).lengths  # doctest: +SKIP
            array([18., 17.])
        """
        sentences = split_steps(text, MAX_STEPS)
        vectors = await asyncio.gather(*map(self.embed, sentences))
        lengths = np.array([len(sentence) for sentence in sentences], dtype=np.float64)
        return Steps(np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32), lengths)

    async def alignment(self, text: str, reference: str, floor: float = 0.0) -> float:
        """How far the sentences of two texts match in order, in [0, 1]; see `pbrlsvr.models.embedding.alignment`."""
        return step_alignment(*await asyncio.gather(self.steps(text), self.steps(reference)), floor)


def embedder(options: EmbeddingOptions, serving: ServingOptions | None = None) -> Embedder:
    """Embeds with this model, in the place that `serving` names; embedders with the same options share it."""
    return Embedder(options, serving)
