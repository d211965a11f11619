"""A reward with its options, which can be pickled and is asked for many samples at once; the file of options."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pbrlsvr
from pbrlsvr.errors import ConfigError, did_you_mean
from pbrlsvr.yaml_files import read_yaml
from pbrlsvr_plugin.adapters.processes import join_ray
from pbrlsvr_plugin.adapters.samples import Sample
from pbrlsvr_plugin.check.findings import NEEDS, REFERENCE
from pbrlsvr_plugin.verl import chosen_reward

#: The variable that names a YAML file with rewards and their options, for trainers that take a name without options.
FILE = "PBRLSVR_REWARDS"

#: How names end of what a reward returns for veRL's GDPO alone.
FOR_GDPO = ("_reward", "_ungated")


class Scoring:
    """A reward with its options.

    Args:
        reward: "hybrid", "pbrlsvr.hybrid"; or a reward of your own, "my_file.py:my_reward".
        options: the reward's options, docs/options.md.

    Raises:
        ConfigError: the reward or an option does not exist, or a value cannot work. No model is loaded.
    """

    def __init__(self, reward: str, options: Mapping[str, Any] | None = None):
        self.reward, self.options = reward, dict(options or {})
        #: The reward's own name, without where it comes from.
        self.short = reward.rpartition(":")[2].removeprefix("pbrlsvr.")
        if ":" in reward:
            self._function, _ = chosen_reward.named(reward, more=self.options, plain=True)
        else:
            self._function = _of_pbrlsvr(self.short, self.options)
        #: What it reads of every row: "reference", "answer", "language" or "".
        self.needs = "" if ":" in reward else NEEDS.get(self.short, REFERENCE)
        self._joined = False

    def __reduce__(self) -> Any:
        return type(self), (self.reward, self.options)

    async def __call__(self, samples: Sequence[Sample]) -> list[dict[str, Any]]:
        """`[N]` samples -> `[N]` dictionaries with `score`, a finite float, and what else the reward says, in order.

        Raises:
            PbrlsvrError: a sample cannot be scored, or a model or service failed; the other samples are given up.
        """
        if not self._joined:
            await asyncio.to_thread(join_ray, chosen_reward.configured(self._function))
            self._joined = True
        tasks = [asyncio.ensure_future(chosen_reward.result(self._function, **sample)) for sample in samples]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _of_pbrlsvr(name: str, options: Mapping[str, Any]) -> chosen_reward.Function:
    if name not in pbrlsvr.REWARD_FUNCTIONS:
        hint = did_you_mean(name, pbrlsvr.REWARD_FUNCTIONS, 0.5)
        raise ConfigError(
            f"there is no reward {name!r}.{hint} The rewards are {list(pbrlsvr.REWARD_FUNCTIONS)}; one of your own is "
            "'my_file.py:my_reward'"
        )
    function = getattr(pbrlsvr, name)
    function.reward.of(options, f"options of {name}")
    return partial(function, **options)


def components(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a reward says of a sample besides its score: None for a component that the row has nothing for."""
    return {
        name: None if found.get(f"{name}_missing") else value
        for name, value in found.items()
        if name != "score" and not name.endswith((*FOR_GDPO, "_missing"))
    }


def of_file() -> dict[str, dict[str, Any]]:
    """The rewards of the file that the variable names, and their options; {} where it names none.

    Raises:
        ConfigError: the file cannot be read, or is no mapping of rewards to their options.
    """
    name = os.environ.get(FILE)
    if not name:
        return {}
    place = f"{FILE}={name!r}"
    if not Path(name).is_file():
        raise ConfigError(f"{place} is no file; it should hold a reward and its options, as in `hybrid: {{}}`")
    found = read_yaml(Path(name), place)
    if not isinstance(found, Mapping) or not all(isinstance(one, Mapping | None) for one in found.values()):
        raise ConfigError(
            f"{place} should hold rewards and their options, as in `hybrid: {{combine: {{rule: sum}}}}`; it holds "
            f"{found!r:.200}"
        )
    return {str(reward): dict(options or {}) for reward, options in found.items()}


@cache
def the_one_of_file() -> Scoring:
    """The reward of the file, for trainers that take one; always the same object.

    Raises:
        ConfigError: the variable is not set, or the file holds none or several; and as `of_file` and `Scoring`.
    """
    rewards = of_file()
    if len(rewards) != 1:
        where = f"{FILE}={os.environ[FILE]!r}" if os.environ.get(FILE) else f"the variable {FILE} is not set: it"
        raise ConfigError(
            f"{where} has to name a YAML file with one reward, as in `hybrid: {{}}`; found {list(rewards)}"
        )
    ((reward, options),) = rewards.items()
    return Scoring(reward, options)
