"""What a recipe leaves to its user: an error before anything starts, not veRL's own paths or a run of no step."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.verl import rows

PATHS = ("data.train_files", "data.val_files")


def require_paths(config: DictConfig) -> None:
    """Raises a ConfigError if the config names no data."""
    if missing := [path for path in PATHS if OmegaConf.select(config, path) is None]:
        raise ConfigError(
            f"the recipe leaves {' and '.join(missing)} to you: add {' '.join(f'{path}=...' for path in missing)}, "
            f"parquet files of `pbrlsvr prepare`"
        )


def require_rows(config: DictConfig) -> None:
    """Raises a ConfigError if the files' rows do not make one step. `pbrlsvr train` looks closer."""
    if (found := rows.counted(config, "train")) is not None:
        rows.require_a_step(config, found)
    if rows.counted(config, "val") == 0:
        raise ConfigError(f"data.val_files has no rows: {rows.named(config, 'val')}")


class RequirePaths(Callback):
    """`require_paths` and `require_rows` where veRL's trainer is started by hand.

    `???` would not do: a mandatory value that is merged over a default leaves the default, which is veRL's GSM8K.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            require_paths(config)
            require_rows(config)
        except ConfigError as error:
            # Hydra turns a callback's exceptions into warnings, but not this one.
            raise SystemExit(f"{type(error).__name__}: {error}") from error
