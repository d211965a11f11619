"""The format reward: where a response thinks, and how it marks its one final answer."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar

from pbrlsvr.responses import format as formats
from pbrlsvr.responses.format import FormatOptions
from pbrlsvr.scoring.base import Reward, verl_function
from pbrlsvr.scoring.rollout import Rollout


class Format(Reward):
    r"""1 if the response follows the format, else 0: where it thinks, and how it marks its one final answer.

    Source: the format reward of DeepSeek-R1, https://arxiv.org/abs/2501.12948. The content is not judged.

    Returns:
        `score`, and its parts `format_thinking`, `format_answer`, `format_once`, each 0.0 or 1.0; `acc`, 1.0 where the
        final answer is that of the row.

    Example:
        >>> import asyncio, pbrlsvr
        >>> options = {"thinking": "required", "answer": "boxed"}
        >>> response = "<think>17 - 6 = 11</think> \\boxed{11}"
        >>> asyncio.run(pbrlsvr.format("demo", response, "", format=options))["score"]
        1.0
    """

    MOVED: ClassVar[Mapping[str, str]] = {name: f"format.{name}" for name in FormatOptions.model_fields}

    format: FormatOptions = FormatOptions()
    """What a response must look like."""

    async def __call__(self, rollout: Rollout) -> dict[str, float]:
        check = formats.check(rollout.text, self.format)
        return {"score": check.score, **check.components(), "acc": await asyncio.to_thread(rollout.accuracy)}


format = verl_function(Format)  # noqa: A001 - the name that users write
