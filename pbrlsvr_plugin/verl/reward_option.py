"""`reward_fn: pbrlsvr.<name>` in a config: what is written is what trains, or composition stops.

Hydra merges an option's fields only where the option stands in a defaults list (after `ppo_trainer`) or on the command
line. Written as a plain value in a config's body, or before `ppo_trainer`, the same line changes nothing, and veRL
trains on its own scorer without a word. So each composed config that names us passes through `apply_choice`
(`hydra_plugins/pbrlsvr_searchpath/plugin.py`): it carries out the choice that the config states, and raises where it
cannot.
"""

import re
from importlib import resources
from typing import Any

from hydra_plugins.pbrlsvr_searchpath.plugin import texts
from omegaconf import DictConfig, OmegaConf, open_dict

import pbrlsvr
from pbrlsvr.errors import ConfigError, did_you_mean
from pbrlsvr_plugin.verl import after_saving, modules, own_reward

PREFIX = "pbrlsvr."
MODULE = "pkg://pbrlsvr"
TARGET = own_reward.TARGET
# The user's own reward: a file or a module, and the function in it.
_OWN = re.compile(r"[^:]+:[A-Za-z_]\w*")


def reward_options() -> list[str]:
    """The values that `reward_fn` can have, as in `pbrlsvr_plugin/config/reward_fn/`."""
    folder = resources.files("pbrlsvr_plugin.config").joinpath("reward_fn")
    return sorted(entry.name[: -len(".yaml")] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def apply_choice(config: DictConfig) -> None:
    """Make the config's `reward_fn` what veRL will train on, in place. A config that is not veRL's is left alone.

    Raises:
        ConfigError: `reward_fn` names no reward, contradicts `reward.custom_reward_function`, stands where nothing
            reads it, or has an option that does not exist; a value names a module of ours that there is not.
    """
    modules.require(config)
    if not OmegaConf.is_dict(config) or not OmegaConf.is_dict(OmegaConf.select(config, TARGET)):
        return
    after_saving.require(config)
    _refuse_misplaced(config)
    chosen = config.get("reward_fn")
    target = config.reward.custom_reward_function
    if isinstance(chosen, str) and _OWN.fullmatch(chosen):
        own_reward.apply_choice(config, chosen)
    elif chosen is not None and (_is_ours(chosen) or target.path is None):
        _require_known(chosen)
        _merge_choice(config, chosen)
        target = config.reward.custom_reward_function
    if target.path == MODULE:
        _require_known(f"{PREFIX}{target.name}")
        _require_options(config, target)
    if target.path is not None:
        _refuse_late_rewards(config)


def _refuse_late_rewards(config: DictConfig) -> None:
    """A model that veRL serves on the policy's own GPUs is asked after generation, and then veRL's V1 trainer hands
    rewards neither data_source nor reference (verl/trainer/ppo/v1/trainer_base.py: _compute_reward_colocate).
    """
    served = config.reward.get("reward_model")
    if served is None:  # a reward by itself, as `pbrlsvr score` and `attack` take it
        return
    if served.enable_resource_pool:
        for key in ("nnodes", "n_gpus_per_node"):  # as veRL, which looks when Ray runs (_init_resource_pool_mgr)
            if served[key] <= 0:
                raise ConfigError(
                    f"reward.reward_model.{key}={served[key]!r} with enable_resource_pool=true: how many "
                    f"{'nodes' if key == 'nnodes' else 'GPUs of a node'} serve the model? Set it, beside trainer.{key}"
                )
    elif served.enable and config.trainer.get("use_v1", True):
        raise ConfigError(
            f"reward.reward_model.enable=true with enable_resource_pool={served.enable_resource_pool!r}: veRL's V1 "
            f"trainer would pass the reward neither data_source nor extra_info, and the run would die of KeyError: "
            f"'data_source' at its first batch. Give the model GPUs of its own, beside the {config.trainer.nnodes} x "
            f"{config.trainer.n_gpus_per_node} of the training: reward.reward_model.enable_resource_pool=true "
            f"reward.reward_model.nnodes=1 reward.reward_model.n_gpus_per_node=1"
        )


def _is_ours(chosen: Any) -> bool:
    return isinstance(chosen, str) and chosen.startswith(PREFIX)


def require_rewards() -> None:
    """Each reward can be imported; raises whatever keeps one from it."""
    require_files()
    for name in pbrlsvr.REWARD_FUNCTIONS:
        getattr(pbrlsvr, name)


def require_files() -> None:
    """
    Raises:
        FileNotFoundError: the installation lacks the option of a reward that there is.
    """
    if lost := {f"{PREFIX}{name}" for name in pbrlsvr.REWARD_FUNCTIONS} - set(reward_options()):
        raise FileNotFoundError(f"the installation lacks pbrlsvr_plugin/config/reward_fn/{min(lost)}.yaml")


def _require_known(chosen: Any) -> None:
    require_files()
    choices = reward_options()
    if chosen not in choices:
        hint = did_you_mean(str(chosen), choices, 0.5)
        raise ConfigError(f"reward_fn: {chosen!r} is not a reward.{hint} The choices are {choices}.")


def _merge_choice(config: DictConfig, chosen: str) -> None:
    """Fill in the option's fields, keeping what the user has set under them."""
    target = config.reward.custom_reward_function
    file = resources.files("pbrlsvr_plugin.config").joinpath(f"reward_fn/{chosen}.yaml")
    wanted = OmegaConf.create(file.read_text(encoding="utf-8")).reward.custom_reward_function
    own_reward.refuse_another(target, chosen, wanted.path, wanted.name)
    if target.path is None:
        own = OmegaConf.to_container(target.get("reward_kwargs") or OmegaConf.create({}))
        with open_dict(config):
            config.reward.custom_reward_function = OmegaConf.merge(wanted, {"reward_kwargs": own})


def _require_options(config: DictConfig, target: DictConfig) -> None:
    """Each option exists, and has a value that can work: an error now, rather than at the first sample."""
    reward = getattr(pbrlsvr, target.name).reward.of(own_reward.options(target), f"{TARGET}.reward_kwargs")
    if getattr(getattr(reward, "combine", None), "schedule", None) is not None:
        _require_steps(config)


def _require_steps(config: DictConfig) -> None:
    """A schedule needs the step of training, which veRL's own agent loop workers do not pass to a reward."""
    agent = OmegaConf.select(config, "actor_rollout_ref.rollout.agent")
    if agent is None:  # a reward by itself, as `pbrlsvr score` and `attack` take it
        return
    v1 = config.trainer.get("use_v1", True)
    if not v1 or not agent.get("agent_loop_manager_class"):
        why = "trainer.use_v1=false" if not v1 else "rollout.agent.agent_loop_manager_class=null"
        raise ConfigError(
            f"{TARGET}.reward_kwargs.combine.schedule is set, and with {why} no reward learns the step of training; "
            f"set trainer.use_v1=true and actor_rollout_ref.rollout.agent.agent_loop_manager_class="
            f"pbrlsvr_plugin.verl.strict_run.StrictAgentLoopManager, as the recipes do, or leave the schedule out"
        )


def _refuse_misplaced(config: DictConfig) -> None:
    """A choice that is written where neither Hydra nor veRL reads it would be ignored in silence."""
    target = config.reward.custom_reward_function
    if target.path is None and _is_ours(target.name):
        raise ConfigError(
            f"{TARGET}.name={target.name!r} has no effect without a path; write `reward_fn: {target.name}`"
        )
    legacy = config.get("custom_reward_function")
    if OmegaConf.is_dict(legacy) and any("pbrlsvr" in str(value) for value in legacy.values()):
        raise ConfigError(
            f"custom_reward_function={OmegaConf.to_container(legacy)} stands at the top level, which veRL's trainer no "
            f"longer reads; write `reward_fn: {PREFIX}<name>`, with a name out of {reward_options()}"
        )
    if (profile := OmegaConf.select(config, "profile")) in ("cpu", "cpu_sft"):
        raise ConfigError(
            f"profile: {profile!r} stands where it has no effect; choose it in the defaults list after ppo_trainer, or "
            f"on the command line, as +profile={profile}"
        )
    for place, value in texts(OmegaConf.to_container(config, resolve=False)):
        if place.endswith(".reward_fn") and not place.startswith("hydra") and _is_ours(value):
            raise ConfigError(f"{place}: {value!r} is read by nothing; move it to the top level, `reward_fn: {value}`")
