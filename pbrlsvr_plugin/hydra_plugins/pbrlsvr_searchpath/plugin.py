"""What Hydra finds on its own in every application: our options and recipes, and a check on `reward_fn`."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pbrlsvr_plugin.verl import search_path as ours
from pbrlsvr_plugin.verl.reward_option import watch_composition


class PbrlsvrSearchPathPlugin(SearchPathPlugin):
    """Makes `reward_fn/pbrlsvr.*.yaml`, `profile/*.yaml` and the recipes visible to any Hydra application."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        ours.add(search_path)
        ours.look_here_last()
        watch_composition()
