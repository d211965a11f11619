"""What pbrlsvr changes of veRL 0.9.1 wherever it runs; `cpu/patches.py` has what a machine without a GPU needs.

Imported in each process that imports veRL: it imports nothing but the standard library.
"""

from types import ModuleType
from typing import Any

from pbrlsvr_plugin.verl.patching import Patch

BACKEND = "comet"


def _add_comet(tracking: ModuleType) -> None:
    start, finish = tracking.Tracking.__init__, tracking.Tracking.finish

    def __init__(  # noqa: N807
        self: Any, project_name: str, experiment_name: str, default_backend: Any = "console", config: Any = None
    ) -> None:
        backends = [default_backend] if isinstance(default_backend, str) else list(default_backend)
        start(self, project_name, experiment_name, [one for one in backends if one != BACKEND], config)
        if BACKEND in backends:
            from pbrlsvr_plugin.verl.tracking import CometLogger

            self.logger[BACKEND] = CometLogger(project_name, experiment_name, config)

    def finish_all(self: Any, exit_code: int = 0) -> None:
        ended = getattr(self, "_finished", False)
        finish(self, exit_code)
        if not ended and (comet := getattr(self, "logger", {}).get(BACKEND)):
            comet.finish()

    tracking.Tracking.__init__, tracking.Tracking.finish = __init__, finish_all


PATCHES = (
    Patch(
        module="verl.utils.tracking",
        where="verl/utils/tracking.py:71",
        line='assert backend in self.supported_backend, f"{backend} is not supported"',
        reason="the loggers are a closed list with an `if` for each, and Comet is not among them",
        apply=_add_comet,
    ),
)
