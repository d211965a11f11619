"""The reward's models: which of them share the training's GPUs, and how large they are."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pbrlsvr_plugin.plan.model_size import read_config
from pbrlsvr_plugin.plan.recipe import BYTES

#: Parameters of what the recipes name, for a machine where their configs cannot be read: of their architectures'
#: configs; COMET is XLM-R large and its three linear layers.
KNOWN = {
    "BAAI/bge-m3": 567_754_752,
    "intfloat/multilingual-e5-small": 117_653_760,
    "sentence-transformers/all-MiniLM-L6-v2": 22_713_216,
    "facebook/m2m100_418M": 483_905_536,
    "Unbabel/wmt22-comet-da": 581_915_649,
}

# What a scorer on a shared GPU counts for where its size is not known: XLM-R large in float32, with a batch.
UNKNOWN = 5 * 2**30

#: `pbrlsvr.hybrid`'s way to compare the reasoning -> the block that it does not use.
UNUSED = {"embed_cosine": "translation", "mt_chrf": "embedding", "mt_bleu": "embedding"}


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
    """The models in `reward.custom_reward_function.reward_kwargs`, every block that has one, and what veRL serves."""
    kwargs = OmegaConf.select(config, "reward.custom_reward_function.reward_kwargs")
    world = config.trainer.nnodes * config.trainer.n_gpus_per_node
    found = list(_sizes(kwargs, "reward", {}, world)) if isinstance(kwargs, DictConfig) else []
    unused = UNUSED.get(str(kwargs.get("similarity"))) if isinstance(kwargs, DictConfig) else None
    served = config.reward.reward_model
    if served.enable and served.enable_resource_pool:
        gpus = served.nnodes * served.n_gpus_per_node
        found.append(ScorerSize(f"veRL's {served.model_path}", 0.0, gpus, f"{gpus} GPUs of its own"))
    return tuple(size for size in found if size.name.split()[0] != unused)


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
    """The parameters of an encoder; None where its config cannot be read and it is none of `KNOWN`."""
    import torch
    from transformers import AutoModel

    try:
        with torch.device("meta"):
            parameters = AutoModel.from_config(read_config(model), trust_remote_code=False).parameters()
            return int(sum(parameter.numel() for parameter in parameters))
    except (OSError, ValueError):
        return KNOWN.get(model) or _stored(model)


def _stored(model: str) -> int | None:
    """Of a COMET checkpoint, which has no config: the numbers that its file can hold."""
    path = Path(model).expanduser()
    files = [path] if path.is_file() else sorted(path.glob("checkpoints/*.ckpt")) if path.is_dir() else []
    return files[0].stat().st_size // 4 if files else None
