"""What veRL imports at start-up, in the driver and in every Ray worker (entry point group `verl.plugins`).

veRL only imports this module, and logs at DEBUG whatever goes wrong in it. A plug-in that failed in silence would
leave the run without its reward, so a failure is printed here before veRL hides it.
"""

import os
import sys
import traceback
from importlib import import_module


def _activate() -> None:
    from hydra.core.plugins import Plugins

    plugins = Plugins.instance()  # Hydra's own scan comes first: it executes the plug-in modules that it finds
    from hydra_plugins.pbrlsvr_searchpath.plugin import PbrlsvrSearchPathPlugin, look_after_composition

    from pbrlsvr_plugin.verl.patches import PATCHES
    from pbrlsvr_plugin.verl.patching import install

    plugins.register(PbrlsvrSearchPathPlugin)  # does nothing where the scan has found it
    look_after_composition()
    install(PATCHES)

    if os.environ.get("VERL_PLATFORM", "").lower() == "cpu":
        # By name: the rooms below import no room above them, and this is where a process begins.
        import_module("pbrlsvr_plugin.cpu").activate()


try:
    _activate()
except Exception:
    print(
        f"pbrlsvr: the veRL plug-in failed to start, so its rewards and its CPU platform are missing here.\n"
        f"{traceback.format_exc()}pbrlsvr: run `pbrlsvr doctor` for what is wrong and how to fix it.",
        file=sys.stderr,
        flush=True,
    )
    raise
