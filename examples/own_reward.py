"""A reward of your own, made of pbrlsvr's parts: does the response conclude what the pivot concludes?

reward_fn: examples/own_reward.py:conclusion_cosine     # in the body of a veRL config; options as with ours
"""

from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.pieces import split_steps
from pbrlsvr.scoring.base import RIGHT_ANSWER, SemanticReward, verl_function
from pbrlsvr.scoring.combine import CombineOptions
from pbrlsvr.scoring.similarity import AlignedEmbedding


class ConclusionCosine(SemanticReward):
    r"""score = combine(max(0, cos(e(last sentence), e(pivot's last sentence))), answer) * factors, in [0, 1]."""

    COMPONENTS = {"conclusion": "The similarity of the last sentences.", "answer": RIGHT_ANSWER}  # noqa: RUF012
    embedding: AlignedEmbedding = AlignedEmbedding()
    combine: CombineOptions = CombineOptions(rule="sum", weights={"conclusion": 0.5, "answer": 1.0})

    async def measure(self, rollout):
        ends = [split_steps(text, 256)[-1:] for text in (rollout.reasoning, rollout.pivot_reasoning())]
        encoder = embedder(self.embedding, self.place(self.embedding))
        return await encoder.cosine(*ends[0], *ends[1]) if all(ends) else 0.0

    def components(self, rollout, measured):
        return {"conclusion": max(0.0, measured), "answer": rollout.verified_answer()}


conclusion_cosine = verl_function(ConclusionCosine)
