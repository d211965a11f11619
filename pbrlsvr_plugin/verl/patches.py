"""What pbrlsvr changes of veRL 0.9.1 wherever it runs; `cpu/patches.py` has what a machine without a GPU needs.

Imported in each process that imports veRL: it imports nothing but the standard library.
"""

from types import ModuleType
from typing import Any

from pbrlsvr_plugin.verl.patching import Patch

BACKEND = "comet"


#: Our metrics: of one language, unless they are of all.
_OURS, _OVERALL = "pbrlsvr/", "pbrlsvr/overall/"


class ShortConsole:
    """veRL's console logger, without the metrics of single languages: with 30 of them its one line has 400 more."""

    def __init__(self, console: Any):
        self._console = console

    def log(self, data: dict[str, Any], step: int) -> None:
        shown = {name: value for name, value in data.items() if not name.startswith(_OURS) or name.startswith(_OVERALL)}
        self._console.log(shown, step=step)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)


def _shorten_console(tracking: ModuleType) -> None:
    start = tracking.Tracking.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        start(self, *args, **kwargs)
        # Alone, the console is all that there is.
        if len(self.logger) > 1 and "console" in self.logger:
            self.logger["console"] = ShortConsole(self.logger["console"])

    tracking.Tracking.__init__ = __init__


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
    Patch(
        module="verl.utils.tracking",
        where="verl/utils/tracking.py:180",
        line='self.logger["console"] = self.console_logger',
        reason="the console prints all metrics in one line, and those of each language are read elsewhere",
        apply=_shorten_console,
    ),
)
