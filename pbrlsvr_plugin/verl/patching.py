"""Changes to veRL where it has no hook, each with the line that it answers, applied when veRL imports the module.

Not before: importing the training engine costs seconds, and most of a run's processes never need it.
"""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Patch:
    """One change to veRL.

    Attributes:
        module: veRL's module that is changed.
        where: file and line in veRL 0.9.1 that the patch answers.
        line: that line's text; a test fails when it is gone from the module.
        reason: what happens without the patch.
        apply: does it, given the imported module.
    """

    module: str
    where: str
    line: str
    reason: str
    apply: Callable[[ModuleType], None]


class _PatchOnImport:
    """A finder that lets the ordinary ones find a module, and patches it once it has run."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self.pending = {patch.module: [p for p in patches if p.module == patch.module] for patch in patches}

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        patches = self.pending.pop(fullname, None)  # popped first: the look-up below comes back here
        if patches is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_then_patch(module: ModuleType) -> None:
            run(module)
            for patch in patches:
                patch.apply(module)

        spec.loader.exec_module = run_then_patch  # type: ignore[method-assign]
        return spec


_installed: set[tuple[str, str]] = set()


def install(patches: Sequence[Patch]) -> None:
    """Apply the patches to veRL's modules, each once: now to those that are imported, on import to the others."""
    new = [patch for patch in patches if (patch.module, patch.where) not in _installed]
    _installed.update((patch.module, patch.where) for patch in new)
    imported = [patch for patch in new if patch.module in sys.modules]
    if waiting := [patch for patch in new if patch not in imported]:
        sys.meta_path.insert(0, _PatchOnImport(waiting))
    for patch in imported:
        patch.apply(sys.modules[patch.module])
