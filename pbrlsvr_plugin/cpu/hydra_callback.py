"""What Hydra runs when `profile=cpu` is chosen, before veRL reads the config."""

import os
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

# For the processes that ray.init starts in this one's name; the profile passes its own variables to the others.
_ENVIRONMENT = {
    "VERL_PLATFORM": "cpu",
    # Neither do a run's machines need to be reported, nor may a small machine's memory monitor kill a rank.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    # Seconds; a worker waits until veRL has been imported, and a busy machine takes its time over that. A worker that
    # died at its start is missed only then, too.
    "RAY_worker_register_timeout_seconds": "180",
    # Seconds, too: a worker dies that cannot reach the object store of a busy machine, by default after ten.
    "RAY_raylet_client_num_connect_attempts": "25",
    # Workers without the run's variables, which no task will ask for.
    "RAY_prestart_worker_first_driver": "0",
    # One thread per process: a run has more processes than a small machine has cores, and torch's threads spin.
    "OMP_NUM_THREADS": "1",
    # Keeps Ray from warning once per actor that it will stop hiding accelerators.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class ActivateCPU(Callback):
    """Turns the driver into a CPU process, so that nobody has to set VERL_PLATFORM by hand."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        # veRL's SFT trainer has no rollout.
        name = OmegaConf.select(config, "actor_rollout_ref.rollout.name", default="hf")
        if name != "hf" or config.trainer.device != "cpu":
            # Hydra turns a callback's exceptions into warnings, but not this one.
            raise SystemExit(
                f"ConfigError: profile=cpu is chosen, but rollout.name={name!r} and trainer.device="
                f"{config.trainer.device!r}: the profile must come after ppo_trainer and the recipe; write it on the "
                f"command line, as +profile=cpu"
            )
        for variable, value in _ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        from verl.plugin.platform import get_platform, set_platform

        from pbrlsvr_plugin import cpu
        from pbrlsvr_plugin.cpu.platform import PlatformCPU

        cpu.activate()
        if not isinstance(get_platform(), PlatformCPU):
            set_platform(PlatformCPU())

        _fork_workers(config)


def _fork_workers(config: DictConfig) -> None:
    """Of a Ray that is on this machine and ends with the run, unless somebody has chosen how its workers start."""
    ray_init = OmegaConf.select(config, "ray_kwargs.ray_init", default={})
    if ray_init.get("address") != "local":
        return
    from ray._private import ray_constants

    from pbrlsvr_plugin.cpu.worker_server import py_executable

    if (command := py_executable()) is None:
        return
    # A file beside Ray's other scripts, where this one is absolute.
    ray_constants.SETUP_WORKER_FILENAME = str(Path(__file__).with_name("worker_setup.py"))
    if not ray_init.runtime_env.get("py_executable"):
        with open_dict(config):
            ray_init.runtime_env.py_executable = command
