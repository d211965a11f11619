"""The files of a RUN: `<step>.jsonl` of training and of validation, as `pbrlsvr_plugin.verl.dump` names them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pbrlsvr.errors import ConfigError

#: The parts of a run, and the folders that the recipes give to them.
PARTS = {"training": "rollouts", "validation": "validation"}

_STEP = re.compile(r"(\d{1,12})\.jsonl(\.gz|\.zst|\.bz2)?", re.A)


@dataclass(frozen=True)
class Run:
    """A run's files."""

    name: str
    parts: dict[str, list[tuple[int, Path]]] = field(default_factory=dict)


def find(said: Sequence[str]) -> list[Run]:
    """The runs of a command line: folders with `rollouts` or `validation` in them, or with the files themselves.

    Raises:
        ConfigError: a folder is not there, has no such file, or two runs have one name.
    """
    return [Run(name, _parts(path)) for name, path in folders(said, "RUN")]


def named(places: Sequence[tuple[str | None, Path]], what: str) -> list[tuple[str, Path]]:
    """Gives a name to each folder that has none: the shortest ends of their paths that tell them apart.

    Raises:
        ConfigError: two have the same name.

    >>> named([(None, Path("a/grpo")), (None, Path("b/grpo")), ("mine", Path("c"))], "RUN")
    [('a/grpo', PosixPath('a/grpo')), ('b/grpo', PosixPath('b/grpo')), ('mine', PosixPath('c'))]
    """
    paths = [path.absolute() for name, path in places if name is None]
    depth = 1
    while len({_end(path, depth) for path in paths}) < len({*paths}) and depth < 50:
        depth += 1
    found = [(_end(path.absolute(), depth) if name is None else name, path) for name, path in places]
    names = [name for name, _ in found]
    for name, path in found:
        if names.count(name) > 1:
            raise ConfigError(f"{what} {str(path)!r}: two of them are called {name!r}; name one as <name>={path}")
    return found


def _end(path: Path, depth: int) -> str:
    return "/".join(path.parts[-depth:]).lstrip("/") or str(path)


def _named(said: str, what: str) -> tuple[str | None, Path]:
    splits = [(said[:at], said[at + 1 :]) for at, character in enumerate(said) if character == "=" and at]
    if splits and not Path(said).expanduser().exists():
        # A name may have an equals sign in it, as a folder may.
        name, path = next((each for each in splits if Path(each[1]).expanduser().is_dir()), splits[0])
        return name, _folder(path, what)
    return None, _folder(said, what)


def folders(said: Sequence[str], what: str) -> list[tuple[str, Path]]:
    """Folders with their names, from `PATH` or `NAME=PATH`.

    Raises:
        ConfigError: one is not there, or two have one name.
    """
    return named([_named(each, what) for each in said], what)


def _folder(said: str, what: str) -> Path:
    path = Path(said).expanduser()
    if not path.exists():
        raise ConfigError(f"{what} {said!r}: there is no such folder; give the folder of a run")
    if not path.is_dir():
        raise ConfigError(f"{what} {said!r} is a file; give the folder that it is in")
    return path


def _parts(path: Path) -> dict[str, list[tuple[int, Path]]]:
    parts = {part: _files(path / folder) for part, folder in PARTS.items()}
    if not any(parts.values()):
        # The folder of the files itself: one called `validation` is that.
        parts["validation" if path.resolve().name == PARTS["validation"] else "training"] = _files(path)
    if not any(parts.values()):
        if (path / "results.json").is_file():
            raise ConfigError(f"RUN {str(path)!r} is the result of a `pbrlsvr eval`; give it as --eval {path}")
        raise ConfigError(
            f"RUN {str(path)!r} has no <step>.jsonl in it, in {PARTS['training']}/ or in {PARTS['validation']}/; train "
            "with trainer.rollout_data_dir=<folder>, as the recipes do, and give that folder or the one above it"
        )
    return {part: files for part, files in parts.items() if files}


def _files(folder: Path) -> list[tuple[int, Path]]:
    found: dict[int, Path] = {}
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if (match := _STEP.fullmatch(path.name)) and path.is_file():
                found.setdefault(int(match[1]), path)
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} cannot be listed: {error}") from error
    return sorted(found.items())
