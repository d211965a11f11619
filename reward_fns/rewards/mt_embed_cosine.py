"""The translation reward with embeddings: the reasoning is translated into English and embedded there."""

from pbrlsvr.options import Field
from pbrlsvr.scoring.base import verl_function
from pbrlsvr.scoring.reasoning import ReasoningReward
from pbrlsvr.scoring.similarity import (
    AlignedEmbedding,
    EmbeddingSimilarity,
    Translated,
    TranslatedEmbeddingSimilarity,
    TranslationBlock,
)


class EnglishEmbedding(AlignedEmbedding):
    """An encoder of English, and how the vectors of two texts are compared."""

    #: Only English is compared once the reasoning is translated: a small English encoder, Apache-2.0.
    model: str = Field("sentence-transformers/all-MiniLM-L6-v2", pattern=r"\S")
    """A sentence-transformers model: a folder, or a name on the Hugging Face hub. It needs to know English only."""


class MtEmbedCosine(ReasoningReward):
    r"""Cosine between the response's reasoning, translated into English, and the English pivot's reasoning.

    .. math:: \text{reasoning} = \max(0, \cos(e(t(\text{response's reasoning})), e(\text{pivot's reasoning})))

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    with a translator :math:`t` and a sentence encoder :math:`e`, which needs no language but English. Source: the
    translation-based reward of PB-RLSVR, https://arxiv.org/abs/2509.25543; the direction, the translator, the encoder,
    the gate and the factors are our choice. Reasoning that is English already stays as it is: the language policy is
    what holds against it.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.mt_embed_cosine("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.94
    """

    translation: TranslationBlock = TranslationBlock()
    """What translates the reasoning into English."""
    embedding: EnglishEmbedding = EnglishEmbedding()
    """The encoder, and how two vectors are compared."""

    def similarity(self) -> TranslatedEmbeddingSimilarity:
        translated = Translated(self.translation, self.place(self.translation))
        return TranslatedEmbeddingSimilarity(
            translated, EmbeddingSimilarity(self.embedding, self.place(self.embedding))
        )


mt_embed_cosine = verl_function(MtEmbedCosine)
