"""Rows -> the steps that veRL makes of them. Too few end a run when its models are loaded, or before its last step."""

from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError


def named(config: DictConfig, split: str) -> list[str]:
    """The files in data.train_files or data.val_files: veRL takes one or a list."""
    given = OmegaConf.select(config, f"data.{split}_files")
    return [] if given is None else [str(file) for file in given] if OmegaConf.is_list(given) else [str(given)]


def taken(config: DictConfig, split: str, rows: int) -> int:
    """How many of the files' rows veRL takes: data.train_max_samples counts those of all files together."""
    most = int(config.data.get(f"{split}_max_samples") or -1)
    return min(rows, most) if most > 0 else rows


def counted(config: DictConfig, split: str) -> int | None:
    """Rows that veRL takes of the files, from what parquet says of itself; None where a file says nothing here."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    total = 0
    for file in named(config, split):
        path = Path(file).expanduser()
        try:
            if path.suffix == ".parquet":
                total += int(read_metadata(path).num_rows)
            elif path.suffix == ".jsonl":
                with path.open("rb") as lines:
                    total += sum(1 for line in lines if line.strip())
            else:
                return None
        except (OSError, ArrowException):
            return None
    return taken(config, split, total)


def steps_an_epoch(config: DictConfig, rows: int) -> int:
    """As veRL counts: what fills no batch is dropped (trainer_base.py: _init_dataloader), in SFT what fills no rank's
    share of one (sft_trainer.py: _build_dataloader).
    """
    batch = int(config.data.train_batch_size)
    if "actor_rollout_ref" in config:
        return rows // batch
    ranks = int(config.trainer.nnodes) * int(config.trainer.n_gpus_per_node)
    ranks = max(1, ranks // int(OmegaConf.select(config, "engine.ulysses_sequence_parallel_size") or 1))
    return rows // ranks // max(1, batch // ranks)


def require_a_step(config: DictConfig, rows: int, long: int = 0) -> None:
    """
    Args:
        rows: of data.train_files.
        long: of them, those whose prompt veRL leaves out.

    Raises:
        ConfigError: they do not make one step; veRL would divide by 0 when its models are loaded.
    """
    batch = int(config.data.train_batch_size)
    left = rows - long
    rl = "actor_rollout_ref" in config
    if rl and config.trainer.get("val_only"):
        return  # it ends after the first validation
    if steps_an_epoch(config, left) == 0:
        of_them = f"{rows:,} rows, {left:,} of them with a prompt of at most {_limit(config)} tokens" if long else ""
        smaller = " and actor_rollout_ref.actor.ppo_mini_batch_size" if rl else ""
        raise ConfigError(
            f"data.train_files has {of_them or f'{rows:,} rows'}, fewer than data.train_batch_size={batch:,}: there "
            f"would not be one step; take more rows, or lower data.train_batch_size{smaller}"
        )
    fetched = config.data.get("gen_batch_size")
    if rl and fetched and not _one_by_one(config) and (batch % int(fetched) or left < int(fetched)):
        raise ConfigError(
            f"data.gen_batch_size={fetched!r} does not divide data.train_batch_size={batch:,}, or the {left:,} rows do "
            f"not fill it: veRL fetches a batch in whole parts of it; leave it out, or take a divisor"
        )


def _one_by_one(config: DictConfig) -> bool:
    """Where veRL sets gen_batch_size to 1 (trainer_base.py: _init_dataloader)."""
    v1 = config.trainer.get("v1") or {}
    filtered = OmegaConf.select(config, "algorithm.filter_groups.enable")
    return v1.get("trainer_mode") != "sync" or bool(filtered)


def warnings(config: DictConfig, train: int, validation: int | None) -> Iterator[str]:
    """What a run survives, and its user may not want.

    Args:
        train, validation: rows that are left; None where it is not known.
    """
    batch, epochs = int(config.data.train_batch_size), int(config.trainer.total_epochs)
    each, asked = steps_an_epoch(config, train), config.trainer.get("total_training_steps")
    if asked is not None and each and each * epochs < int(asked):
        yield (
            f"trainer.total_training_steps={asked} is more than the rows make: {train:,} rows // {batch:,} of a batch "
            f"x {epochs} epochs = {each * epochs:,} steps; the run ends there, without its last checkpoint and "
            f"validation. Set trainer.total_epochs={-(-int(asked) // each)}"
        )
    if validation is not None and "actor_rollout_ref" not in config and steps_an_epoch(config, validation) == 0:
        yield (
            f"data.val_files has {validation:,} rows, fewer than data.train_batch_size={batch:,}: veRL's SFT trainer "
            f"drops what does not fill a batch, so that val/loss would be NaN; take more rows"
        )


def _limit(config: DictConfig) -> str:
    return f"data.max_prompt_length={int(config.data.max_prompt_length):,}"
