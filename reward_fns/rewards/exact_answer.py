"""The verifiable reward that PB-RLSVR is compared with: is the final answer right?"""

import asyncio

from pbrlsvr.errors import DataError
from pbrlsvr.scoring.base import Reward, verl_function
from pbrlsvr.scoring.rollout import Rollout


class ExactAnswer(Reward):
    """1 if the final answer says the same as the ground truth, in whatever language and digits, else 0.

    `pbrlsvr.responses.spans.split` finds the answer and `pbrlsvr.answers.equal` compares it.

    Returns:
        `score` and `acc`, 0.0 or 1.0; `answered`, 1.0 where a final answer was found.

    Raises:
        DataError: the row has neither a ground truth nor a `pivot_answer`, or a `language` that does not exist.

    Example:
        >>> import asyncio, pbrlsvr
        >>> asyncio.run(pbrlsvr.exact_answer("demo/bn", "১৭ - ৬ = ১১ #### ১১", "11", {"language": "bn"}))["score"]
        1.0
    """

    async def __call__(self, rollout: Rollout) -> dict[str, float]:
        right = await asyncio.to_thread(rollout.answer)
        if right is None:
            raise DataError(
                f"{rollout.place} has no ground truth and no extra_info['pivot_answer'], so no answer can be right; "
                "write one into each row, or choose a reward that needs none, such as pbrlsvr.embed_cosine"
            )
        return {"score": right, "acc": right, "answered": float(bool(rollout.spans.answer))}


exact_answer = verl_function(ExactAnswer)
