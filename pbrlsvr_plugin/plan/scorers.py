"""The reward's models: which of them share the training's GPUs, and how large they are."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pbrlsvr_plugin.plan.model_size import read_config
from pbrlsvr_plugin.plan.recipe import BYTES

# What a scorer on a shared GPU counts for where its size is not known: XLM-R large in float32, with a batch.
UNKNOWN = 5 * 2**30


@dataclass(frozen=True)
class ScorerSize:
    """One model of the reward.

    Attributes:
        gpu_bytes: on one GPU of the training; 0 where it runs elsewhere.
        own_gpus: GPUs that it takes from Ray beside those of the training.
        formula: its parameters and place, or why they are not known.
    """

    name: str
    gpu_bytes: float
    own_gpus: float
    formula: str


def scorers(config: DictConfig) -> tuple[ScorerSize, ...]:
    """The models in `reward.custom_reward_function.reward_kwargs`: every block that has a `model`."""
    kwargs = OmegaConf.select(config, "reward.custom_reward_function.reward_kwargs")
    world = config.trainer.nnodes * config.trainer.n_gpus_per_node
    return tuple(_sizes(kwargs, "reward", {}, world)) if isinstance(kwargs, DictConfig) else ()


def _sizes(block: DictConfig, name: str, serving: Mapping[str, Any], world: int) -> Iterator[ScorerSize]:
    # A model's own `serving` says what differs from the reward's.
    own = block.get("serving") or {}
    serving = {**serving, **({"place": own} if isinstance(own, str) else own)}
    model = block.get("model")
    if isinstance(model, str):
        width = BYTES.get(str(serving.get("dtype", "float32")), 4)
        yield _size(f"{name} {model}", model, width, serving, world)
    for key in block:
        inner = block.get(key)
        if isinstance(inner, DictConfig) and key != "serving":
            yield from _sizes(inner, str(key), serving, world)


def _size(name: str, model: str, width: int, serving: Mapping[str, Any], world: int) -> ScorerSize:
    replicas, own = serving.get("replicas", 1), serving.get("num_gpus", 0)
    shares = bool(serving.get("share_gpu", False))
    parameters = encoder_parameters(model)
    known = "size unknown, for its config cannot be read" if parameters is None else f"{parameters:,} parameters"
    if not shares:
        where = (
            f"{replicas} · {own:g} GPUs of its own" if own else f"no GPU (serving.place={serving.get('place', 'auto')})"
        )
        return ScorerSize(name, 0.0, replicas * own, f"{known}, {where}")
    here = math.ceil(replicas / world)
    # Activations of a batch: about what the weights of a small encoder take, an estimate.
    if parameters is None:
        return ScorerSize(name, UNKNOWN * here, 0.0, f"estimate: {known}; 5 GiB · {here} on a GPU")
    size = 2 * width * parameters * here
    return ScorerSize(name, size, 0.0, f"{known} · {width} · 2 for a batch · {here} on a GPU")


@cache
def encoder_parameters(model: str) -> int | None:
    """The parameters of an encoder; None where its config cannot be read, as for COMET's checkpoints."""
    import torch
    from transformers import AutoModel

    try:
        with torch.device("meta"):
            parameters = AutoModel.from_config(read_config(model), trust_remote_code=False).parameters()
            return int(sum(parameter.numel() for parameter in parameters))
    except (OSError, ValueError):
        return None
