"""`reward_fn: my_file.py:my_reward` or `my_package.my_module:my_reward`: a reward of the user's own, as with ours.

It is made with `pbrlsvr.scoring.base.verl_function`, so that its options are known and checked before training.
"""

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from pbrlsvr.errors import ConfigError

TARGET = "reward.custom_reward_function"


def apply_choice(config: DictConfig, chosen: str) -> None:
    """Make this reward what veRL will train on, in place.

    Raises:
        ConfigError: there is no such reward, it contradicts `reward.custom_reward_function`, or an option cannot work.
    """
    path, name = _place(chosen)
    target = config.reward.custom_reward_function
    refuse_another(target, chosen, path, name)
    reward = getattr(load(chosen), "reward", None)
    if reward is None:
        raise ConfigError(
            f"reward_fn: {chosen!r} is no reward made with `verl_function` (examples/own_reward.py shows one); "
            f"for a plain function set {TARGET}.path and name"
        )
    with open_dict(config):
        target.path, target.name = path, name
    reward.of(options(target), f"{TARGET}.reward_kwargs")


def load(chosen: str) -> Any:
    """The function that `<file>.py:<function>` or `<module>:<function>` names.

    Raises:
        ConfigError: it cannot be imported.
    """
    path, name = _place(chosen)
    try:
        module = (
            import_module(path.removeprefix("pkg://")) if path.startswith("pkg://") else _module_of_file(Path(path))
        )
    except Exception as error:
        raise ConfigError(
            f"reward_fn: {chosen!r} cannot be imported: {type(error).__name__}: {error}. Write "
            "`<file>.py:<function>`, from where the run starts, or `<module>:<function>`."
        ) from error
    return getattr(module, name, None)


def refuse_another(target: DictConfig, chosen: str, path: str, name: str) -> None:
    """
    Raises:
        ConfigError: the config names another function than the one that `reward_fn` stands for.
    """
    if target.path is not None and (target.path, target.name) != (path, name):
        raise ConfigError(
            f"reward_fn: {chosen!r} contradicts {TARGET}.path={target.path!r} with name={target.name!r}: veRL would "
            "train on the latter. Remove one of the two."
        )


def options(target: DictConfig) -> Any:
    """The options that a config gives its reward, as plain Python."""
    return OmegaConf.to_container(target.get("reward_kwargs") or OmegaConf.create({}), resolve=True)


def _place(chosen: str) -> tuple[str, str]:
    """The path that veRL takes, and the function's name."""
    place, _, name = chosen.rpartition(":")
    return str(Path(place).expanduser().resolve()) if place.endswith(".py") else f"pkg://{place}", name


def _module_of_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module
