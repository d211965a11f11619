"""Where Hydra looks for a config: at the user's files before ours.

Hydra puts what search-path plug-ins add before `--config-dir` and `hydra.searchpath`, so a recipe that comes with the
package would hide a user's edited copy of the same name, without a word.
"""

from functools import wraps

from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_search_path import ConfigSearchPath

PROVIDER = "pbrlsvr"
OPTIONS = "pkg://pbrlsvr_plugin.config"
RECIPES = "pkg://pbrlsvr_plugin.recipes"


def add(search_path: ConfigSearchPath) -> None:
    """Add the options `reward_fn` and `profile`, and the recipes."""
    for path in (OPTIONS, RECIPES):
        search_path.append(provider=PROVIDER, path=path)


def look_here_last() -> None:
    """Let each of the user's folders win over ours in this process. Calling it again changes nothing."""
    # Hydra has no public hook after the command line's folders have joined the path.
    initialize = ConfigRepository.initialize_sources
    if getattr(initialize, "_looks_at_ours_last", False):
        return

    @wraps(initialize)
    def initialize_sources(self: ConfigRepository, config_search_path: ConfigSearchPath) -> None:
        initialize(self, config_search_path)
        # Hydra's own schema source must stay the last of all.
        *sources, schema = self.sources
        self.sources = [*sorted(sources, key=lambda source: source.provider == PROVIDER), schema]

    initialize_sources._looks_at_ours_last = True  # type: ignore[attr-defined]
    ConfigRepository.initialize_sources = initialize_sources  # type: ignore[method-assign]
