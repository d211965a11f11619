"""What the rewards on the reasoning share: a similarity to the pivot's reasoning, behind the final answer."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pbrlsvr.scoring.base import RIGHT_ANSWER, SemanticReward
from pbrlsvr.scoring.combine import CombineOptions
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr.scoring.similarity import Similarity

#: Reasoning counts as far as the answer is right: with the reasoning alone, a right solution with another number at its
#: end would be paid like a right one (docs/attacks.md). A wrong one earns the floor, for groups without a right answer.
BEHIND_THE_ANSWER = CombineOptions(rule="gated", weights={"reasoning": 1.0, "answer": 0.0})


class ReasoningReward(SemanticReward):
    """score = combine(reasoning, answer) * factors, with answer = 1 where the final answer is right.

    Returns:
        `score` in [0, 1]; `similarity`, as measured; `empty`, 1.0 where the reasoning has no letter or digit, whose
        similarity is 0; and what `pbrlsvr.scoring.finish.finish` returns.

    Raises:
        DataError: the row has no `pivot_reasoning`, a `language` that does not exist, or none where one is needed.
        ModelError: a model cannot be loaded, or returns something that is not a number.
        ServiceError: what serves a model failed for good, or took longer than `serving.timeout_s`.
        MissingDependencyError: an optional package is not installed.
    """

    COMPONENTS: ClassVar[Mapping[str, str]] = {
        "reasoning": "The similarity of the reasoning.",
        "answer": RIGHT_ANSWER,
    }

    combine: CombineOptions = BEHIND_THE_ANSWER
    """How the components become one score. By default the reasoning counts where the final answer is right, and a tenth
    where it is wrong, if that can be verified, and by itself where it cannot."""

    @abstractmethod
    def similarity(self) -> Similarity:
        """How alike the response's reasoning and the pivot's are.

        Raises:
            ConfigError: its options do not fit together.
        """

    def check(self) -> None:
        self.similarity()

    async def measure(self, rollout: Rollout) -> float:
        rollout.pivot_reasoning()
        return await self.similarity().raw(rollout) if rollout.has_reasoning else 0.0

    def components(self, rollout: Rollout, measured: float) -> dict[str, float | None]:
        reasoning = self.similarity().component(measured, rollout) if rollout.has_reasoning else 0.0
        return {"reasoning": reasoning, "answer": rollout.verified_answer()}

    def logged(self, rollout: Rollout, measured: float) -> dict[str, float]:
        return {"similarity": measured, "empty": float(not rollout.has_reasoning)}
