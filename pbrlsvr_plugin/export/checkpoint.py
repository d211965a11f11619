"""`pbrlsvr export`: veRL's FSDP shards -> one Hugging Face folder, and a check that it generates what the shards did.

veRL's own `FSDPModelMerger` merges, in bfloat16, which is what its rollouts run in. What it leaves open is settled
here: which checkpoint is meant, whether all of it is there, and LoRA. `export_check.py` compares.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import typer
from torch.distributed.tensor import DTensor, Replicate, Shard

from pbrlsvr.errors import ConfigError, ModelError, PbrlsvrError

LATEST = "latest_checkpointed_iteration.txt"
EXPORTED = torch.bfloat16  # the only dtype that veRL's merger writes


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
        """Rank and alpha of the adapter that was trained; None where the whole model was."""
        meta = self.folder / "lora_train_meta.json"
        return json.loads(meta.read_text()) if meta.is_file() else None


def run(checkpoint: Path, out: Path, *, check: bool = True) -> int:
    """`export`, and what it did or why it could not, printed. Returns the exit code: 0, or 2 where it could not."""
    try:
        export(checkpoint, out, check=check)
    except PbrlsvrError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        return 2
    return 0


def export(checkpoint: Path, out: Path, *, check: bool = True) -> None:
    """Export and check.

    Args:
        checkpoint: `global_step_N/actor`, `global_step_N`, or a run's folder, of which the latest step is taken.
        out: an empty or new folder.
        check: compare weights and greedy generations of the export with those of the shards.

    Raises:
        ConfigError: no checkpoint is there, it is incomplete, or `out` cannot take it.
        ModelError: a shard cannot be read, or the export is not the model of the shards.
    """
    source = find(checkpoint)
    check_room(source, out)
    state = dict(full_tensors(source))
    check_complete(source, state)
    merge(source, out)
    if source.lora is not None:
        merge_adapter(out, source.lora)
    ranks = f"{source.world_size} rank{'s' if source.world_size > 1 else ''}"
    typer.echo(f"{source.folder} ({ranks}) -> {out}")
    if source.lora is not None:
        typer.echo(f"  LoRA: merged into the weights; the adapter alone is in {out / 'lora_adapter'}")
    if check:
        from pbrlsvr_plugin.export.compare import PROMPTS, compare_generations, compare_weights

        compared = compare_weights(state, source, out)
        typer.echo(f"  weights: {compared} tensors are those of the shards, bit for bit in {EXPORTED}")
        tokens = compare_generations(state, source, out)
        typer.echo(f"  generation: {tokens} greedy tokens of {len(PROMPTS)} prompts are those of the sharded model")


def find(path: Path) -> Checkpoint:
    """The checkpoint that a path means.

    Raises:
        ConfigError: there is none, with what is there instead; or ranks are missing, with their files' names.
    """
    folder = path
    if (path / LATEST).is_file():
        folder = path / f"global_step_{(path / LATEST).read_text().strip()}"
    if (folder / "actor").is_dir():
        folder = folder / "actor"
    if not (folder / "fsdp_config.json").is_file():
        there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else "nothing: no such folder"
        raise ConfigError(
            f"{str(path)!r} is no FSDP checkpoint of veRL: {str(folder / 'fsdp_config.json')!r} does not exist. "
            f"There is: {there}. Give a run's folder (trainer.default_local_dir), global_step_N, or global_step_N/actor"
        )
    found = Checkpoint(folder, json.loads((folder / "fsdp_config.json").read_text())["world_size"])
    missing = [found.shard(rank).name for rank in range(found.world_size) if not found.shard(rank).is_file()]
    if missing:
        others = sorted(file.name for file in folder.glob("model_world_size_*.pt"))
        raise ConfigError(
            f"{str(folder)!r} was written by {found.world_size} ranks, and {missing} are missing; there are {others}. "
            "On several machines each one saves its own ranks: copy them into one folder"
        )
    return found


def check_room(source: Checkpoint, out: Path) -> None:
    """The folder is empty and its disk takes the model.

    Raises:
        ConfigError: it is not, or does not.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {str(out)!r} is not empty: choose a new folder, or empty this one")
    out.mkdir(parents=True, exist_ok=True)
    # Shards are saved in float32 or bfloat16, the export in bfloat16, an adapter's merge writes it once more.
    needed = sum(source.shard(rank).stat().st_size for rank in range(source.world_size))
    free = shutil.disk_usage(out).free
    if free < needed:
        raise ConfigError(
            f"the disk of {str(out)!r} has {free / 2**30:.1f} GiB free, and the export may need "
            f"{needed / 2**30:.1f} GiB: make room, or choose another --out"
        )


def full_tensors(source: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
    """Each parameter as it was trained, put together from the ranks' shards without veRL's merger.

    Raises:
        ModelError: a shard cannot be read, or lacks what another has.
    """
    shards = [_load(source.shard(rank)) for rank in range(source.world_size)]
    for rank, shard in enumerate(shards):
        if shard.keys() != shards[0].keys():
            differ = sorted(shard.keys() ^ shards[0].keys())[:5]
            raise ModelError(f"{source.shard(rank).name!r} and rank 0 do not hold the same parameters: {differ}")
    for name in shards[0]:
        yield name, _join(name, [shard[name] for shard in shards])


def _load(file: Path) -> dict[str, Any]:
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise ModelError(
            f"{str(file)!r} cannot be read ({type(error).__name__}: {str(error)[:200]}): it is cut off or damaged. "
            "Copy it again, or export an earlier step"
        ) from error
    if not isinstance(loaded, dict):
        raise ModelError(f"{str(file)!r} holds a {type(loaded).__name__}, not the parameters of a rank")
    return loaded


def _join(name: str, parts: list[Any]) -> torch.Tensor:
    first: torch.Tensor = parts[0]
    if not isinstance(first, DTensor):
        return first
    # On a mesh (replicas, shards) the first row of ranks holds everything.
    shards = first.device_mesh.mesh.shape[-1]
    placement = first.placements[-1]
    if isinstance(placement, Replicate):
        return first.to_local()
    if not isinstance(placement, Shard):
        raise ModelError(f"parameter {name!r} is placed as {placement!r}, which is no shard of FSDP")
    joined = torch.cat([part.to_local() for part in parts[:shards]], dim=placement.dim)
    if joined.shape != first.shape:
        raise ModelError(
            f"the shards of {name!r} make {tuple(joined.shape)}, not {tuple(first.shape)}: ranks are mixed up"
        )
    return joined


def check_complete(source: Checkpoint, state: dict[str, torch.Tensor]) -> None:
    """The shards hold the whole model, not the adapter alone.

    Raises:
        ModelError: they do not, with the first names.
    """
    with torch.device("meta"):
        model = model_class(source.config)(load_config(source.config))
    expected = set(model.state_dict())
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    missing = sorted(expected - {plain_name(name) for name in state} - tied)
    if missing:
        raise ModelError(
            f"{str(source.folder)!r} lacks {len(missing)} of the model's {len(expected)} tensors, "
            f"{missing[0]!r} first. Where only the adapter was "
            "saved, load it with peft onto the model that training started from"
        )


def merge(source: Checkpoint, out: Path) -> None:
    """veRL's merger: weights, config, generation config and tokenizer, and `lora_adapter/` where there is one."""
    from verl.model_merger.base_model_merger import ModelMergerConfig
    from verl.model_merger.fsdp_model_merger import FSDPModelMerger

    merger = FSDPModelMerger(
        ModelMergerConfig(
            operation="merge",
            backend="fsdp",
            local_dir=str(source.folder),
            target_dir=str(out),
            hf_model_config_path=str(source.config),
        )
    )
    merger.merge_and_save()
    merger.cleanup()
    merger.save_generation_config(str(out))


def merge_adapter(out: Path, lora: dict[str, Any]) -> None:
    r"""$W + \frac{\alpha}{r} B A$ for every adapted weight: what veRL leaves beside the base goes into it.

    It is computed in float32 from the bfloat16 weights and adapter that a rollout would load.
    """
    from peft import PeftModel

    if not lora.get("lora_alpha"):
        raise ModelError(f"lora_train_meta.json says lora_alpha={lora.get('lora_alpha')!r}: the adapter has no weight")
    base = model_class(out).from_pretrained(out, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, str(out / "lora_adapter")).merge_and_unload()
    for file in (*out.glob("*.safetensors"), *out.glob("*.safetensors.index.json")):
        file.unlink()
    merged.to(EXPORTED).save_pretrained(out)


def plain_name(name: str) -> str:
    """A parameter's name without peft's wrapping."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


def load_config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


def model_class(folder: Path) -> Any:
    import transformers

    names = load_config(folder).architectures or ["(none)"]
    found = getattr(transformers, names[0], None)
    if found is None:
        raise ModelError(
            f"{str(folder / 'config.json')!r} names architecture {names[0]!r}, which transformers does not have"
        )
    return found
