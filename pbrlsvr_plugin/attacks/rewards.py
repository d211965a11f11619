"""The reward that is attacked: one of pbrlsvr, or what a veRL config trains on."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.util import find_spec
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import pbrlsvr
from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError
from pbrlsvr_plugin.verl.compose import compose
from pbrlsvr_plugin.verl.reward_option import MODULE, apply_choice

#: Takes what veRL gives to a reward function, by name, and returns the score.
Reward = Callable[..., Awaitable[float]]


def named_reward(name: str, options: Sequence[str] = ()) -> tuple[Reward, str]:
    """A reward of pbrlsvr, with the options of its config and what is set as `<option>=<value>`, and its description.

    Raises:
        ConfigError: the reward or an option does not exist, or a value cannot work.
    """
    try:
        own = OmegaConf.from_dotlist(list(options))
    except OmegaConfBaseException as error:
        raise ConfigError(f"option: {list(options)!r} is no list of <option>=<value>: {error}") from error
    target = {"path": None, "name": None, "reward_kwargs": own}
    config = OmegaConf.create({"reward_fn": name, "reward": {"custom_reward_function": target}})
    apply_choice(config)
    return _of_pbrlsvr(config.reward.custom_reward_function), " ".join([name, *options])


def reward_of_config(path: Path, options: Sequence[str] = ()) -> tuple[Reward, str]:
    """The reward that veRL would train on with this config, and its description.

    The config is composed as veRL's trainer composes it, with `options` set under `reward_kwargs`; nothing is started.

    Raises:
        ConfigError: there is no such file, it cannot be composed, or it has no custom reward function.
        MissingDependencyError: veRL is not installed.
    """
    if find_spec("verl") is None:
        raise MissingDependencyError(f"config={str(path)!r} is composed on veRL's own; run `pip install verl`")
    place = path.expanduser().resolve()
    if not place.is_file():
        raise ConfigError(f"config={str(path)!r} is no file")
    overrides = [f"++reward.custom_reward_function.reward_kwargs.{option}" for option in options]
    config = compose(place, overrides)
    target = OmegaConf.select(config, "reward.custom_reward_function")
    if target is None or not target.get("path"):
        raise ConfigError(
            f"config={str(path)!r} chooses no reward; write `reward_fn: pbrlsvr.<name>`, or set "
            "reward.custom_reward_function.path and name"
        )
    described = " ".join([f"{target.path}:{target.name} of {path.name}", *options])
    return _of_pbrlsvr(target) if target.path == MODULE else _of_verl(config), described


def _of_pbrlsvr(target: DictConfig) -> Reward:
    options = OmegaConf.to_container(target.get("reward_kwargs") or OmegaConf.create({}), resolve=True)
    assert isinstance(options, dict)
    return _checked(partial(getattr(pbrlsvr, target.name), **{str(name): value for name, value in options.items()}))


def _of_verl(config: DictConfig) -> Reward:
    from verl.trainer.ppo.reward import get_custom_reward_fn

    return _checked(get_custom_reward_fn(config))


def _checked(function: Callable[..., Any]) -> Reward:
    """The reward as a coroutine function that returns a finite score."""

    async def reward(**sample: Any) -> float:
        if inspect.iscoroutinefunction(function):
            result = await function(**sample)
        else:
            result = await asyncio.to_thread(function, **sample)
        score = result.get("score") if isinstance(result, dict) else result
        if not isinstance(score, Real) or not isfinite(score):
            raise ModelError(f"the reward returned {result!r} for {sample['solution_str'][:80]!r}, no finite score")
        return float(score)

    return reward
