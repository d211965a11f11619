"""Values of a config that veRL would stop at late, or calculate nonsense with: Hydra takes any."""

from collections.abc import Iterator
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pbrlsvr_plugin.verl.compose import compose, verls_folder

# Words that veRL takes where its default is a number (verl/trainer/sft_trainer.py:191), and engines do.
_WORDS = ("after_each_epoch", "auto")
# What counts something; another whole default, such as a temperature of 0, may be a fraction as well.
_COUNTS = (
    "batch_size", "_length", "_samples", "nnodes", "n_gpus_per_node", "total_epochs", "rollout.n", "parallel_size",
    "token_len_per_gpu",
)  # fmt: skip
_SHARES = ("gpu_memory_utilization",)


def wrong_types(config: DictConfig, trainer: str) -> Iterator[str]:
    """Values of another type than veRL's own default, counts below 1, and shares outside of (0, 1]."""
    for place, default in _defaults(verls_folder() / f"{trainer}.yaml"):
        try:
            value = OmegaConf.select(config, place)
        except OmegaConfBaseException:
            continue
        if value in _WORDS or not isinstance(default, bool | int | float):
            continue
        if wanted := _wanted(place, value, default):
            yield f"{place}={value!r} is not {wanted}, as veRL's default {default!r} is"


@cache
def _defaults(trainer: Path) -> list[tuple[str, Any]]:
    return list(_leaves(compose(trainer)))


def _wanted(place: str, value: Any, default: bool | int | float) -> str:
    """What a value should be; empty where it is."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool | None) else "true or false"
    is_number = isinstance(value, float | int) and not isinstance(value, bool)
    if place.endswith(_COUNTS) and isinstance(default, int):
        is_whole = isinstance(value, int) and is_number
        if default >= 1:
            return "" if is_whole and value >= 1 else "a whole number of 1 or more"
        return "" if is_whole or value is None else "a whole number"
    if place.endswith(_SHARES):
        return "" if is_number and 0 < value <= 1 else "a number above 0 and of 1 or less"
    return "" if value is None or (is_number and isfinite(value)) else "a number"


def _leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    for key in node:
        here = f"{place}.{key}" if place else str(key)
        below = node._get_node(key)
        if OmegaConf.is_dict(below):
            yield from _leaves(below, here)
        elif not OmegaConf.is_config(below) and not OmegaConf.is_missing(node, key):
            yield here, below._value()
