"""`pbrlsvr export`: veRL's FSDP shards -> a Hugging Face folder, and a check that it generates what the shards did."""

import shutil
from pathlib import Path

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.export.compare import PROMPTS, compare_generations, compare_weights
from pbrlsvr_plugin.export.merge import EXPORTED, check_complete, merge, merge_adapter
from pbrlsvr_plugin.export.shards import Checkpoint, find, full_tensors
from pbrlsvr_plugin.terminal import say, say_error


def run(checkpoint: Path, out: Path, *, check: bool = True) -> int:
    """`export`, and what it did or why it could not, printed. Returns the exit code: 0, or 2 where it could not."""
    try:
        export(checkpoint, out, check=check)
    except PbrlsvrError as error:
        say_error(error)
        return 2
    return 0


def export(checkpoint: Path, out: Path, *, check: bool = True) -> None:
    """Export and check.

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
    say(f"{source.folder} ({ranks}) -> {out}")
    if source.lora is not None:
        say(f"  LoRA: merged into the weights; the adapter alone is in {out / 'lora_adapter'}")
    if check:
        compared = compare_weights(state, source, out)
        say(f"  weights: {compared} tensors are those of the shards, bit for bit in {EXPORTED}")
        tokens = compare_generations(state, source, out)
        say(f"  generation: {tokens} greedy tokens of {len(PROMPTS)} prompts are those of the sharded model")


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
