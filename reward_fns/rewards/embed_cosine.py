"""The embedding reward: the response's reasoning beside the English pivot's, across languages."""

from collections.abc import Mapping
from typing import ClassVar

from pbrlsvr.scoring.base import verl_function
from pbrlsvr.scoring.reasoning import ReasoningReward
from pbrlsvr.scoring.similarity import CalibratedEmbedding, EmbeddingSimilarity
from pbrlsvr.serving.options import MOVED_TO_SERVING


class EmbedCosine(ReasoningReward):
    r"""Cosine between the response's reasoning and the English pivot's reasoning, in a multilingual embedding space.

    .. math:: \text{reasoning} = \max(0, \cos(e(\text{response's reasoning}), e(\text{pivot's reasoning})))

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    where :math:`e` is a sentence encoder that maps a text and its translation to nearby vectors, so that no
    annotation in the response's language is needed. By default the reasoning counts where the final answer is that of
    the ground truth or of the pivot (`combine.rule="gated"`), a tenth where it is not, and by itself where the row has
    neither; the factors are a language policy, which halves the score of reasoning in another language, and a guard
    against loops. Source: the embedding-based reward of PB-RLSVR, https://arxiv.org/abs/2509.25543; the encoder, the
    clipping at zero, the gate and the factors are our choice. `combine={"rule": "sum", "weights": {"answer": 0}}` is
    the plain cosine.

    What it is blind to: in the reasoning, most encoders hardly see a changed digit; see docs/rewards.md.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.embed_cosine("demo/es", "17 manzanas menos 6 son 11 manzanas. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.93
    """

    MOVED: ClassVar[Mapping[str, str]] = {
        **{name: f"embedding.{name}" for name in CalibratedEmbedding.model_fields},
        **MOVED_TO_SERVING,
    }

    embedding: CalibratedEmbedding = CalibratedEmbedding()
    """The encoder, and how two vectors are compared."""

    def similarity(self) -> EmbeddingSimilarity:
        return EmbeddingSimilarity(self.embedding, self.place(self.embedding), self.embedding.calibrated())


embed_cosine = verl_function(EmbedCosine)
