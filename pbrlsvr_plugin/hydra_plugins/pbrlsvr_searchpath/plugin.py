"""What Hydra finds on its own in every application: the options `reward_fn` and `profile`, and a check on the first."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pbrlsvr_plugin.reward_option import watch_composition


class PbrlsvrSearchPathPlugin(SearchPathPlugin):
    """Makes `reward_fn/pbrlsvr.*.yaml` and `profile/*.yaml` visible to any Hydra application, whatever its config."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append(provider="pbrlsvr", path="pkg://pbrlsvr_plugin.config")
        watch_composition()
