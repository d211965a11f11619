"""The reward that a command is given: one of pbrlsvr, a function of the user's, or what a veRL config trains on."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import pbrlsvr
from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr_plugin.verl import own_reward
from pbrlsvr_plugin.verl.compose import compose
from pbrlsvr_plugin.verl.reward_option import MODULE, PREFIX, apply_choice, reward_options

if TYPE_CHECKING:
    from pbrlsvr.scoring.base import Reward

#: Takes what veRL gives to a reward function, by name; sync or async; returns a score or a dictionary with one.
Function = Callable[..., Any]
#: Whole numbers from here on are floats: no table has them, and JSON is not read back with thousands of digits.
_MOST = 2**63


def named(
    name: str, options: Sequence[str] = (), more: Mapping[str, Any] | None = None, plain: bool = False
) -> tuple[Function, str]:
    """A reward by its name, with the options of its config and those that are given; and its description.

    Args:
        name: "pbrlsvr.hybrid", or "hybrid"; or "file.py:function" or "module:function", a reward of the user's.
        options: `<option>=<value>`, which go before `more`.
        more: options as a mapping.
        plain: also take a function that was not made with `verl_function`: its options are not checked.

    Raises:
        ConfigError: the reward or an option does not exist, or a value cannot work.
    """
    try:
        own = OmegaConf.merge(OmegaConf.create(dict(more or {})), OmegaConf.from_dotlist(list(options)))
    except OmegaConfBaseException as error:
        raise ConfigError(f"option: {list(options)!r} is no list of <option>=<value>: {error}") from error
    if f"{PREFIX}{name}" in reward_options():
        name = f"{PREFIX}{name}"
    target = {"path": None, "name": None, "reward_kwargs": own}
    config = OmegaConf.create({"reward_fn": name, "reward": {"custom_reward_function": target}})
    described = " ".join([name, *options])
    if ":" in name:
        function = own_reward.load(name)
        if hasattr(function, "reward") or not (plain and callable(function)):
            apply_choice(config)  # which says what is missing
        return partial(function, **own_reward.options(config.reward.custom_reward_function)), described
    apply_choice(config)
    return _of_pbrlsvr(config.reward.custom_reward_function), described


def of_config(path: Path, options: Sequence[str] = ()) -> tuple[Function, str]:
    """The reward that veRL would train on with this config, and its description.

    The config is composed as veRL's trainer composes it, with `options` set under `reward_kwargs`; nothing is started.

    Raises:
        ConfigError: there is no such file, it cannot be composed, or it has no custom reward function.
        MissingDependencyError: veRL is not installed.
    """
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
    if target.path == MODULE:
        return _of_pbrlsvr(target), described
    from verl.trainer.ppo.reward import get_custom_reward_fn

    return get_custom_reward_fn(config), described


def configured(function: Function) -> "Reward | None":
    """The reward's object with its options; None for a function that was not made with `verl_function`.

    Raises:
        ConfigError: an option does not exist, or has a value that cannot work.
    """
    from pbrlsvr.scoring.base import Reward

    kind = getattr(getattr(function, "func", function), "reward", None)
    return kind.of(getattr(function, "keywords", {})) if isinstance(kind, type) and issubclass(kind, Reward) else None


class NoScore(ModelError):  # noqa: N818
    """A reward has returned something else than a score for a sample."""


async def result(function: Function, **sample: Any) -> dict[str, Any]:
    """What the reward says of a sample, as a dictionary whose `score` is a finite float.

    Raises:
        NoScore: it returns something else.
        Exception: what the reward raises.
    """
    try:
        if inspect.iscoroutinefunction(function):
            found = await function(**sample)
        else:
            found = await asyncio.to_thread(_called, function, sample)
            found = await found if inspect.isawaitable(found) else found
    except SystemExit as error:  # a loop would end with it, and the server, or the trainer, without a word
        raise _ended(error, sample) from error
    score = found.get("score") if isinstance(found, Mapping) else found
    if not isinstance(score, Real) or not _finite(score):
        raise NoScore(f"the reward returned {found!r:.200} for {sample['solution_str'][:80]!r}, no finite score")
    others = found.items() if isinstance(found, Mapping) else ()
    return {**{str(name): _plain(value) for name, value in others}, "score": float(score)}


def _called(function: Function, sample: Mapping[str, Any]) -> Any:
    try:
        return function(**sample)
    except (StopIteration, GeneratorExit, KeyboardInterrupt) as error:  # no signal's, in this thread
        # No future takes the first, and whoever waits for it would wait without end.
        raise _ended(error, sample) from error


def _ended(error: BaseException, sample: Mapping[str, Any]) -> NoScore:
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return NoScore(f"the reward ended with {said} for {sample['solution_str'][:80]!r}, and gave no score")


def _finite(value: Real) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _plain(value: Any) -> Any:
    """A number, a text, true, false or None; of what a reward of the user's may return besides, its text."""
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    if value is None or isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < _MOST):
        return value
    if isinstance(value, Real):
        return float(value) if _finite(value) else None
    return f"{value!r:.1000}"


def _of_pbrlsvr(target: DictConfig) -> Function:
    return partial(getattr(pbrlsvr, target.name), **own_reward.options(target))
