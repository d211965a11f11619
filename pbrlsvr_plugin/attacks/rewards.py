"""The reward that is attacked, as a function of a sample that gives the score."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from pbrlsvr_plugin.verl import chosen_reward

#: Takes what veRL gives to a reward function, by name, and returns the score.
Reward = Callable[..., Awaitable[float]]


def named_reward(name: str, options: Sequence[str] = ()) -> tuple[Reward, str]:
    """A reward by its name, and its description: see `chosen_reward.named`."""
    function, described = chosen_reward.named(name, options)
    return _score(function), described


def reward_of_config(path: Path, options: Sequence[str] = ()) -> tuple[Reward, str]:
    """The reward that veRL would train on with this config, and its description: see `chosen_reward.of_config`."""
    function, described = chosen_reward.of_config(path, options)
    return _score(function), described


def _score(function: chosen_reward.Function) -> Reward:
    async def reward(**sample: Any) -> float:
        found = await chosen_reward.result(function, **sample)
        return float(found["score"])

    return reward
