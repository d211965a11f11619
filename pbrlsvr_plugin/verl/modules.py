"""The modules of ours that a config names: each exists, or the error says where it is now."""

from importlib.util import find_spec

from hydra_plugins.pbrlsvr_searchpath.plugin import texts
from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError

PREFIX = "pbrlsvr_plugin."

#: Where a module was in an earlier version -> where it is.
MOVED = {
    "pbrlsvr_plugin.agent_loop": "pbrlsvr_plugin.verl.strict_run",
    "pbrlsvr_plugin.required": "pbrlsvr_plugin.verl.required",
    "pbrlsvr_plugin.reward_option": "pbrlsvr_plugin.verl.reward_option",
    "pbrlsvr_plugin.sampler": "pbrlsvr_plugin.verl.strict_run",
    "pbrlsvr_plugin.sft_dataset": "pbrlsvr_plugin.verl.sft_data",
    "pbrlsvr_plugin.verl.strict_agent_loop": "pbrlsvr_plugin.verl.strict_run",
    "pbrlsvr_plugin.verl.strict_buffer": "pbrlsvr_plugin.verl.strict_run",
    "pbrlsvr_plugin.verl_entry": "pbrlsvr_plugin.verl.entry",
}


def require(config: DictConfig) -> None:
    """
    Raises:
        ConfigError: a value of the config, as in `pkg://pbrlsvr_plugin.sampler` or `_target_: pbrlsvr_plugin.x.Class`,
            names a module of ours that there is not; with the place, and where it has moved to.
    """
    for place, value in texts(OmegaConf.to_container(config, resolve=False)):
        scheme = "pkg://" if value.startswith("pkg://") else ""
        name = value.removeprefix("pkg://").replace("/", ".")
        if not name.startswith(PREFIX):
            continue
        module, dot, attribute = (name, "", "") if scheme else name.rpartition(".")
        if now := MOVED.get(module):
            raise ConfigError(f"{place}: {value!r} has moved; write {f'{scheme}{now}{dot}{attribute}'!r}")
        if not _exists(module):
            raise ConfigError(f"{place}: {value!r}: there is no module {module!r}; docs/recipes.md has the lines")


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False
