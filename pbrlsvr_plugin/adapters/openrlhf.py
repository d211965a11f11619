"""Our rewards for OpenRLHF. The reward and its options stand in the YAML file that the variable PBRLSVR_REWARDS names,
`hybrid: {...}`; `label` is what prepare's export `openrlhf` writes.

--train.agent_func_path "$(pbrlsvr path openrlhf_agent)"    the better road: `entry/openrlhf_agent.py`
--reward.remote_url "$(pbrlsvr path openrlhf_reward)"       `entry/openrlhf_reward.py`
--reward.remote_url http://host:port/get_reward             `pbrlsvr serve`
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Real
from threading import Lock, Thread
from typing import Any

from pbrlsvr_plugin.adapters.samples import of_label, response_in
from pbrlsvr_plugin.adapters.scoring import FOR_GDPO, the_one_of_file

_START = Lock()


class RewardFailed(BaseException):
    """A reward has failed, and the run ends: OpenRLHF catches every `Exception` of a reward function, logs it at INFO,
    and trains on a reward of None. This one it lets through."""


def answer(found: Mapping[str, Any]) -> dict[str, Any]:
    """What OpenRLHF takes for one sample: `rewards`; `scores`, for its dynamic filtering, in [0, 1]; `extra_logs`,
    which it averages: numbers only, under the same names for every sample."""
    score = float(found["score"])
    return {
        "rewards": score,
        "scores": min(1.0, max(0.0, score)),
        "extra_logs": {
            f"pbrlsvr/{name}": float(value)
            for name, value in found.items()
            if name != "score" and not name.endswith(FOR_GDPO) and isinstance(value, Real)
        },
    }


async def scored(label: Any, response: str) -> dict[str, Any]:
    """`answer` for a response, with the reward of the file.

    Raises:
        PbrlsvrError: there is no such file, the label is not prepare's, or the response cannot be scored.
    """
    (found,) = await the_one_of_file()([of_label(label, response)])
    return answer(found)


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
    """What OpenRLHF calls in a thread for each sample; many threads' samples become one batch.

    Returns:
        See `answer`; lists of numbers instead of numbers where there are several samples.

    Raises:
        RewardFailed: after the cause was printed.
    """
    with _START:
        loop = _loop()
    try:
        found = asyncio.run_coroutine_threadsafe(_all(queries, prompts, labels), loop).result()
    except BaseException as error:
        raise failed(error) from error
    return found[0] if len(found) == 1 else together(found)


def together(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The answers for several samples as one, with lists of numbers."""
    return {
        "rewards": [one["rewards"] for one in answers],
        "scores": [one["scores"] for one in answers],
        "extra_logs": {
            name: [one["extra_logs"].get(name) for one in answers]
            for name in dict.fromkeys(name for one in answers for name in one["extra_logs"])
        },
    }


def failed(error: BaseException) -> RewardFailed:
    """Prints why a reward has failed; returns what to raise."""
    cause = f"{type(error).__name__}: {error}"
    print(f"ERROR: pbrlsvr cannot score a response, and the run ends: {cause}", file=sys.stderr, flush=True)
    return RewardFailed(cause)


async def _all(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> list[dict[str, Any]]:
    rows = zip(queries, prompts, labels, strict=True)
    samples = [of_label(label, response_in(query, prompt)) for query, prompt, label in rows]
    return [answer(found) for found in await the_one_of_file()(samples)]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for all threads, so that what they ask for at the same time is one batch."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="pbrlsvr-openrlhf", daemon=True).start()
    return loop
