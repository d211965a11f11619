"""The one way to compose a veRL config without starting veRL."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.verl import recipe_files

VERL = "verl.trainer.config"
RECIPES = "pbrlsvr_plugin.recipes"


def compose(recipe: str | Path, overrides: Sequence[str] = ()) -> DictConfig:
    """The config that `python -m verl.trainer.main_ppo --config-name RECIPE OVERRIDES` would run.

    Args:
        recipe: a recipe's name, one of veRL's configs ("ppo_trainer"), or a Hydra file; a file of that name in this
            folder wins over a recipe.
        overrides: as on veRL's command line.

    Raises:
        ConfigError: there is no such config, or it does not compose; with Hydra's reason.

    Example:
        >>> compose("ppo_trainer", ["+reward_fn=pbrlsvr.hybrid"]).reward.custom_reward_function.path
        'pkg://pbrlsvr'
    """
    import hydra
    from hydra import initialize_config_dir, initialize_config_module
    from hydra.errors import HydraException, MissingConfigException

    name = str(recipe)
    file = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if any(option.partition("=")[0].lstrip("+") == "hydra.searchpath" for option in overrides):
        path = []
    else:
        path = [f"hydra.searchpath=[pkg://{VERL},pkg://{RECIPES}]"]
    try:
        if file.is_file():
            with initialize_config_dir(str(file.resolve().parent), version_base=None):
                return hydra.compose(file.stem, overrides=[*path, *overrides])
        with initialize_config_module(VERL, version_base=None):
            return hydra.compose(name, overrides=[*path, *overrides])
    except (HydraException, OmegaConfBaseException) as error:
        if isinstance(error, MissingConfigException) and error.missing_cfg_file == name:
            recipe_files.find(name)  # its error lists the recipes
        raise ConfigError(f"recipe {name!r} does not compose on veRL's config: {error}") from error
