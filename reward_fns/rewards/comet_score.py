"""The COMET reward: the response's answer (or reasoning) beside the English pivot's."""

from collections.abc import Mapping
from typing import ClassVar

from pbrlsvr.errors import DataError
from pbrlsvr.scoring.base import RIGHT_ANSWER, SemanticReward, verl_function
from pbrlsvr.scoring.combine import CombineOptions
from pbrlsvr.scoring.comet_component import CometBlock, Measured, measure
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr.serving.options import MOVED_TO_SERVING


class CometScore(SemanticReward):
    r"""COMET of the final answer as the response states it against the English pivot's statement.

    .. math:: \text{comet} = \operatorname{clip}_{[0, 1]}
              \frac{\text{COMET}(\text{src}, \text{mt}, \text{ref}) - lo}{hi - lo}

    .. math:: \text{score} = \text{combine}(\text{comet}, \text{answer}) \cdot \prod \text{factors}

    with mt = the sentence of the response that states its final answer (`comet.compare`: or the bare answer, or the
    reasoning), ref = the pivot's, and src by `comet.source`. Source: COMET, Rei et al. 2020,
    https://aclanthology.org/2020.emnlp-main.213; PB-RLSVR's answer reward, https://arxiv.org/abs/2509.25543, which does
    not say how src, mt and ref are filled. Ours: src is the pivot's text too. COMET was trained to compare mt with a
    text of the same meaning in another language, which the pivot's is and the question is not; with the question as
    src, an answer that repeats it would be paid. Of several references the one with the highest COMET counts.
    What it is blind to: digits; see docs/rewards.md.

    Returns:
        `score` in [0, 1]; `comet_raw`, the model's own score; `empty`, 1.0 where the text has no letter or digit, whose
        comet is 0; and what `pbrlsvr.scoring.finish.finish` returns.

    Raises:
        DataError: the row lacks what is compared with.
        ModelError: the checkpoint cannot be loaded, or gives no number for a text.
        ServiceError: what serves the model failed for good, or took longer than `serving.timeout_s`.
        MissingDependencyError: an optional package is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_answer": "She has 11 apples left."}
        >>> reward = pbrlsvr.comet_score("demo/es", "17 - 6 = 11. <answer>Le quedan 11 manzanas.</answer>", "11", row)
        >>> asyncio.run(reward)["comet_raw"]  # doctest: +SKIP
        0.86
    """

    COMPONENTS: ClassVar[Mapping[str, str]] = {
        "comet": "COMET of what is compared, scaled to [0, 1].",
        "answer": RIGHT_ANSWER,
    }
    MOVED: ClassVar[Mapping[str, str]] = {
        **{name: f"comet.{name}" for name in CometBlock.model_fields},
        "span": "comet.compare",
        **MOVED_TO_SERVING,
    }

    comet: CometBlock = CometBlock()
    """The COMET model, and what it compares."""
    combine: CombineOptions = CombineOptions(rule="gated", weights={"comet": 1.0, "answer": 0.0})
    """How the components become one score. By default COMET counts where the final answer is right, and a tenth
    where it is wrong, if that can be verified, and by itself where it cannot."""

    async def measure(self, rollout: Rollout) -> Measured:
        measured = await measure(self.comet, self.place(self.comet), rollout)
        if measured is None:
            raise DataError(
                f"{rollout.place} has neither extra_info['pivot_answer'] nor a ground truth, so there is no answer to "
                "compare with; write one into each row, or set comet.compare=reasoning"
            )
        return measured

    def nearness(self, measured: Measured) -> float:
        return measured.raw

    def components(self, rollout: Rollout, measured: Measured) -> dict[str, float | None]:
        return {"comet": measured.comet, "answer": rollout.verified_answer()}

    def logged(self, rollout: Rollout, measured: Measured) -> dict[str, float]:
        return {"comet_raw": measured.raw, "empty": float(measured.empty)}


comet_score = verl_function(CometScore)
