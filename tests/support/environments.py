"""Environments of their own for what cannot stand beside veRL. They see what is installed here: nothing large is loaded
again, and nothing here changes."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

#: The folders of packages that this process sees, the nearest first.
PLACES = [Path(place) for place in sys.path if place.endswith("site-packages")]


# Modules that are there in name only, for what needs a GPU to be installed. vLLM's parameters travel through Ray.
_STAND_IN = """
import importlib.abc, importlib.machinery, sys, types
from unittest.mock import MagicMock

class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__name__, module.__version__ = [], spec, spec.name, "0.29.0"
        module.SamplingParams = types.SimpleNamespace
        return module

    def exec_module(self, module):
        pass

sys.meta_path.append(StandIn())
"""


def make_environment(
    folder: Path,
    requirements: Sequence[str],
    *,
    without: Sequence[str] = (),
    only: Sequence[str] = (),
    absent: Sequence[str] = (),
    dependencies: bool = False,
) -> None:
    """An environment in a folder, whose interpreter is `python_of(folder)`.

    Args:
        folder: is there, and empty.
        requirements: what pip installs there; the test is skipped where it cannot.
        without: distributions that are here and must not be there.
        only: distributions that are here; nothing but them and what they need is there. Empty: all that is here.
        absent: modules that can be imported and hold nothing.
        dependencies: also install what the requirements need; otherwise only themselves.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = python_of(folder)
    (own,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    places = [_linked(folder / "borrowed", without, only)] if without or only else PLACES
    if absent:
        (own / "stand_in.py").write_text(_STAND_IN.format(absent=tuple(absent)))
        (own / "stand_in.pth").write_text("import stand_in")
    (own / "here.pth").write_text("import site; " + "; ".join(f"site.addsitedir({str(one)!r})" for one in places))
    if not requirements:
        return
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    installed = subprocess.run(
        [*command, *([] if dependencies else ["--no-deps"]), *requirements],
        capture_output=True, text=True, timeout=600, env=os.environ | {"PIP_NO_COMPILE": "1"},
    )  # fmt: skip
    if installed.returncode:
        pytest.skip(f"{list(requirements)} cannot be installed: {installed.stderr.strip().splitlines()[-1:]}")


def python_of(folder: Path) -> Path:
    return folder / "venv" / "bin" / "python"


def _linked(folder: Path, without: Sequence[str], only: Sequence[str]) -> Path:
    """A folder of links to all packages but some: outside the environment, so that pip removes nothing in it."""
    left_out = {part for name in without for part in _parts(name)}
    wanted = {part for name in _with_what_they_need(only) for part in _parts(name)}
    folder.mkdir()
    for place in PLACES:
        for package in place.iterdir():
            # Other .pth files may lead back to what is left out.
            leads_away = package.suffix == ".pth" and not package.name.startswith("__editable__")
            link = folder / package.name
            is_wanted = package.name in wanted if only else package.name not in left_out
            if is_wanted and not leads_away and not link.is_symlink():
                link.symlink_to(package)
    return folder


def _with_what_they_need(names: Sequence[str]) -> set[str]:
    """Of distributions that are here; `name[extra]` needs what the extra says as well."""
    open_ones, seen = [Requirement(name) for name in names], set[tuple[str, str]]()
    while open_ones:
        one = open_ones.pop()
        for extra in ("", *one.extras):
            if (one.name, extra) in seen:
                continue
            seen.add((one.name, extra))
            with contextlib.suppress(PackageNotFoundError):
                needed = map(Requirement, distribution(one.name).requires or ())
                open_ones += [each for each in needed if not each.marker or each.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def _parts(name: str) -> set[str]:
    """The files and folders of a distribution beside other packages."""
    try:
        return {file.parts[0] for file in distribution(name).files or ()} - {".."}
    except PackageNotFoundError:
        return set()
