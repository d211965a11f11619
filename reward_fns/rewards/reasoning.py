"""What the rewards on the reasoning share: measure, look at the final answer, combine."""

import asyncio
from dataclasses import dataclass

from pbrlsvr.rewards.rollout import Rollout
from pbrlsvr.rewards.scoring import ScoringOptions, finish
from pbrlsvr.rewards.similarity import Similarity

COMPONENTS = ("reasoning", "answer")


@dataclass(frozen=True, slots=True)
class ReasoningReward:
    """A similarity of the reasoning to the pivot's, and how it becomes a score."""

    similarity: Similarity
    scoring: ScoringOptions

    async def score(self, rollout: Rollout, router: str | None) -> dict[str, float]:
        rollout.pivot_reasoning()
        raw = await self.similarity.raw(rollout, router) if rollout.has_reasoning else 0.0
        # Reading an answer and finding out a language take milliseconds: off the event loop.
        found = await asyncio.to_thread(self._finish, rollout, raw)
        return found | {"similarity": raw, "empty": float(not rollout.has_reasoning)}

    def _finish(self, rollout: Rollout, raw: float) -> dict[str, float]:
        reasoning = self.similarity.component(raw, rollout) if rollout.has_reasoning else 0.0
        return finish(rollout, {"reasoning": reasoning, "answer": rollout.verified_answer()}, self.scoring)
