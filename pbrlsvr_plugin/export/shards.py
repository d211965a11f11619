"""A checkpoint of veRL on disk: a rank's file each, put together here without veRL.

    global_step_N/actor/fsdp_config.json, model_world_size_W_rank_R.pt, huggingface/, lora_train_meta.json

It is half trusted: weights and plain values are read, and nothing that would run (`pbrlsvr.models.files`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor, Replicate, Shard

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr.models.files import brief, clip, read_json, read_weights

LATEST = "latest_checkpointed_iteration.txt"
#: More ranks than any run has.
MOST_RANKS = 65_536


@dataclass(frozen=True)
class Checkpoint:
    """One role's checkpoint: a `global_step_N/actor` folder, and how many ranks wrote it."""

    folder: Path
    world_size: int

    def shard(self, rank: int) -> Path:
        """The file of one rank."""
        return self.folder / f"model_world_size_{self.world_size}_rank_{rank}.pt"

    @property
    def config(self) -> Path:
        """Config, tokenizer and generation config, as veRL saves them beside the shards."""
        return self.folder / "huggingface"

    @property
    def lora(self) -> dict[str, Any] | None:
        """Rank `r` and `lora_alpha` of the adapter that was trained; None where the whole model was.

        Raises:
            ModelError: they are no numbers above 0.
        """
        file = self.folder / "lora_train_meta.json"
        if not file.is_file():
            return None
        found = read_json(file)
        for name in ("r", "lora_alpha"):
            value = found.get(name) if isinstance(found, dict) else None
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ModelError(f"{str(file)!r} says {name}={brief(value)}: the adapter has no weight")
        return dict(found)


def find(path: Path) -> Checkpoint:
    """The checkpoint that a path means.

    Raises:
        ConfigError: there is none, with what is there instead; or ranks are missing, with their files' names.
        ModelError: a file that describes it cannot be read.
    """
    folder = path
    if (path / LATEST).is_file():
        folder = path / f"global_step_{_latest(path / LATEST)}"
    if (folder / "actor").is_dir():
        folder = folder / "actor"
    described = folder / "fsdp_config.json"
    if not described.is_file():
        there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else "nothing: no such folder"
        raise ConfigError(
            f"{str(path)!r} is no FSDP checkpoint of veRL: {str(described)!r} does not exist. "
            f"There is: {clip(there)}. Give a run's folder (trainer.default_local_dir), global_step_N, or "
            "global_step_N/actor"
        )
    content = read_json(described)
    ranks = content.get("world_size") if isinstance(content, dict) else None
    if isinstance(ranks, bool) or not isinstance(ranks, int) or not 1 <= ranks <= MOST_RANKS:
        raise ModelError(f"{str(described)!r}: world_size={brief(ranks)} is no number of ranks, 1 to {MOST_RANKS:,}")
    found = Checkpoint(folder, ranks)
    missing = [found.shard(rank).name for rank in range(ranks) if not found.shard(rank).is_file()]
    if missing:
        others = sorted(file.name for file in folder.glob("model_world_size_*.pt"))
        raise ConfigError(
            f"{str(folder)!r} was written by {ranks} ranks, and {clip(missing)} are missing; there are {clip(others)}. "
            "On several machines each one saves its own ranks: copy them into one folder"
        )
    return found


def full_tensors(source: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
    """Each parameter as it was trained, put together from the ranks' shards without veRL's merger.

    Raises:
        ModelError: a shard cannot be read, lacks what another has, or was written by other ranks than these.
    """
    shards = [_load(source, rank) for rank in range(source.world_size)]
    for rank, shard in enumerate(shards):
        if shard.keys() != shards[0].keys():
            differ = sorted(shard.keys() ^ shards[0].keys())[:5]
            raise ModelError(f"{source.shard(rank).name!r} and rank 0 do not hold the same parameters: {brief(differ)}")
    for name in shards[0]:
        yield name, _join(name, [shard[name] for shard in shards])


def _latest(file: Path) -> str:
    with file.open("rb") as stream:
        number = stream.read(100).strip()
    if not number.isdigit():
        raise ModelError(f"{str(file)!r} holds {number!r}, not the number of a step")
    return number.decode()


def _load(source: Checkpoint, rank: int) -> dict[str, Any]:
    file = source.shard(rank)
    loaded = read_weights(file)
    if not isinstance(loaded, dict):
        raise ModelError(f"{str(file)!r} holds a {type(loaded).__name__}, not the parameters of a rank")
    for name, tensor in loaded.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ModelError(f"{str(file)!r}: {brief(name)} is a {type(tensor).__name__}, not a parameter")
        # veRL's merger loads as many ranks as the mesh has, whether or not anybody has looked at their files.
        if isinstance(tensor, DTensor) and tensor.device_mesh.size() != source.world_size:
            raise ModelError(
                f"{str(file)!r}: {brief(name)} was written by {tensor.device_mesh.size():,} ranks, and the checkpoint "
                f"by {source.world_size}: its files are mixed up"
            )
    return loaded


def _join(name: str, parts: list[Any]) -> torch.Tensor:
    first: torch.Tensor = parts[0]
    if any(type(part) is not type(first) for part in parts):
        raise ModelError(f"parameter {name!r} is cut into shards on some ranks only")
    if not isinstance(first, DTensor):
        return first
    # On a mesh (replicas, shards) the first row of ranks holds everything.
    shards = first.device_mesh.mesh.shape[-1]
    placement = first.placements[-1]
    if isinstance(placement, Replicate):
        return first.to_local()
    if not isinstance(placement, Shard):
        raise ModelError(f"parameter {name!r} is placed as {brief(placement)}, which is no shard of FSDP")
    try:
        joined = torch.cat([part.to_local() for part in parts[:shards]], dim=placement.dim)
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"the shards of {name!r} do not fit together: {clip(error)}") from error
    if joined.shape != first.shape:
        raise ModelError(
            f"the shards of {name!r} make {tuple(joined.shape)}, not {tuple(first.shape)}: ranks are mixed up"
        )
    return joined
