"""What a recipe leaves to its user: an error before anything starts, instead of veRL's own default paths."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from pbrlsvr.errors import ConfigError

PATHS = ("data.train_files", "data.val_files")


def require_paths(config: DictConfig) -> None:
    """Raises a ConfigError if the config names no data."""
    if missing := [path for path in PATHS if OmegaConf.select(config, path) is None]:
        raise ConfigError(
            f"the recipe leaves {' and '.join(missing)} to you: add {' '.join(f'{path}=...' for path in missing)}, "
            f"parquet files of `pbrlsvr prepare`"
        )


class RequirePaths(Callback):
    """`require_paths` where veRL's trainer is started by hand.

    `???` would not do: a mandatory value that is merged over a default leaves the default, which is veRL's GSM8K.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            require_paths(config)
        except ConfigError as error:
            # Hydra turns a callback's exceptions into warnings, but not this one.
            raise SystemExit(f"{type(error).__name__}: {error}") from error
