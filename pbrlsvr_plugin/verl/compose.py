"""The one way to compose a veRL config without starting veRL."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pbrlsvr.errors import ConfigError, MissingDependencyError
from pbrlsvr_plugin.verl import recipe_files


def compose(recipe: str | Path, overrides: Sequence[str] = ()) -> DictConfig:
    """The config that `python -m verl.trainer.main_ppo --config-name RECIPE OVERRIDES` would run.

    Args:
        recipe: a recipe's name, one of veRL's configs ("ppo_trainer"), or a Hydra file; a file of that name in this
            folder wins over a recipe.
        overrides: as on veRL's command line.

    Raises:
        ConfigError: there is no such config, or it does not compose; with Hydra's reason.
        MissingDependencyError: veRL is not installed.

    Example:
        >>> compose("ppo_trainer", ["+reward_fn=pbrlsvr.hybrid"]).reward.custom_reward_function.path
        'pkg://pbrlsvr'
    """
    import hydra
    from hydra import initialize_config_dir
    from hydra.errors import HydraException, MissingConfigException

    name, verls = str(recipe), verls_folder()
    file = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if any(option.partition("=")[0].lstrip("+") == "hydra.searchpath" for option in overrides):
        path = []
    else:
        quoted = str(verls).replace("'", "\\'")
        path = [f"hydra.searchpath=['file://{quoted}',pkg://{recipe_files.PACKAGE}]"]
    folder, stem = (file.resolve().parent, file.stem) if file.is_file() else (verls, name)
    try:
        with initialize_config_dir(str(folder), version_base=None):
            return hydra.compose(stem, overrides=[*path, *overrides])
    except (HydraException, OmegaConfBaseException) as error:
        if isinstance(error, MissingConfigException) and error.missing_cfg_file == name:
            recipe_files.find(name)  # its error lists the recipes
        raise ConfigError(f"recipe {name!r} does not compose on veRL's config: {error}") from error


def verls_folder() -> Path:
    """Where veRL's own configs are. As a module Hydra would import veRL for them, which takes seconds.

    Raises:
        MissingDependencyError: veRL is not installed.
    """
    spec = find_spec("verl")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "the config is composed on veRL's own, and veRL is not installed: `pip install verl`"
        )
    return Path(spec.submodule_search_locations[0]) / "trainer" / "config"
