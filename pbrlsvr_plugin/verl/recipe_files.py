"""The recipes: which there are, what one sets, and a copy of one to edit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from pbrlsvr.errors import ConfigError

PACKAGE = "pbrlsvr_plugin.recipes"

#: veRL's configs that recipes are made on -> the module that runs them.
TRAINERS = {"ppo_trainer": "verl.trainer.main_ppo", "sft_trainer_engine": "verl.trainer.sft_trainer"}

# A mapping of the file's fields: each with the comment above it, and its value as it is written, or what is below it.
Fields = dict[str, tuple[list[str], "str | Fields"]]


@dataclass(frozen=True)
class Recipe:
    """A recipe's file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def is_ours(self) -> bool:
        return self.path.parent == folder()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def header(self) -> list[str]:
        """The comment at the file's top, without the marks."""
        lines = self.text.splitlines()
        end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        return [line[1:].removeprefix(" ") for line in lines[:end]]

    @property
    def what(self) -> str:
        return self.header[0] if self.header else ""

    @property
    def hardware(self) -> str:
        found = re.search(r"^Hardware: *(.*)$", "\n".join(self.header), re.MULTILINE)
        return found[1] if found else ""

    @property
    def defaults(self) -> list[Any]:
        return list(_defaults(self.text))

    def chain(self) -> Iterator[Any]:
        """The entries of the defaults lists, bases first: names of veRL's configs, choices, and `Recipe`s."""
        for entry in self.defaults or ["_self_"]:
            base = self._base(entry)
            if entry == "_self_":
                yield self
            elif base is None:
                yield entry
            else:
                yield from base.chain()

    def _base(self, entry: Any) -> "Recipe | None":
        for place in (self.path.parent, folder()):
            if isinstance(entry, str) and (place / f"{entry}.yaml").is_file():
                return Recipe(place / f"{entry}.yaml")
        return None

    @property
    def trainer(self) -> str:
        """The veRL config that the recipe is made on, a key of `TRAINERS`.

        Raises:
            ConfigError: it is made on none.
        """
        for entry in self.chain():
            if isinstance(entry, str) and entry in TRAINERS:
                return entry
        raise ConfigError(
            f"{self.path}: its defaults list leads to none of veRL's {list(TRAINERS)}; begin it with\n"
            f"defaults:\n  - ppo_trainer\n  - _self_"
        )


@lru_cache(maxsize=64)
def _defaults(text: str) -> tuple[Any, ...]:
    tree = yaml.safe_load(text)
    return tuple(tree.get("defaults") or ()) if isinstance(tree, dict) else ()


def folder() -> Path:
    return Path(str(resources.files(PACKAGE)))


def packaged() -> list[Recipe]:
    """Our recipes; names that begin with `_` are what several of them share."""
    return [Recipe(path) for path in sorted(folder().glob("[!_]*.yaml"))]


def find(recipe: str) -> Recipe:
    """A recipe by its name or its file; a file of that name in this folder wins over ours.

    Raises:
        ConfigError: there is none; with the names that there are.
    """
    path = Path(recipe if recipe.endswith((".yaml", ".yml")) else f"{recipe}.yaml")
    for candidate in (path, folder() / path):
        if candidate.is_file():
            return Recipe(candidate.resolve())
    names = "\n  ".join(one.name for one in packaged())
    raise ConfigError(f"there is neither a file {str(path)!r} nor a recipe {recipe!r}; the recipes are\n  {names}")


def copy(recipe: Recipe, destination: Path, *, force: bool = False) -> Path:
    """Write the recipe and what it shares with others as one file, with the comments. It sets what the recipe sets.

    `destination` is a folder, or the new file, whose name becomes the run's, so that it has checkpoints of its own.

    Raises:
        ConfigError: the file exists, or cannot be written.
    """
    target = destination if destination.suffix in (".yaml", ".yml") else destination / f"{recipe.name}.yaml"
    if target.exists() and not force:
        raise ConfigError(f"{str(target)!r} exists; name another file, or replace it with --force")
    text = flat(recipe, target.stem)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{str(target)!r} cannot be written: {error}; name another folder") from error
    return target


def flat(recipe: Recipe, name: str) -> str:
    """The recipe as one file that derives from veRL's config alone, called `name`."""
    choices: dict[str, Any] = {}
    roots: list[str] = []
    fields: Fields = {}
    for entry in recipe.chain():
        if isinstance(entry, Recipe):
            _merge(fields, _fields(entry.text))
        elif isinstance(entry, dict):
            choices |= {key.removeprefix("override ").strip(): value for key, value in entry.items()}
        else:
            roots.append(entry)
    if "experiment_name" in (trainer := fields.get("trainer", ([], {}))[1]):
        assert isinstance(trainer, dict)
        trainer["experiment_name"] = (["# The checkpoints' folder."], name)
    launch = {f"train {recipe.name} ": f"train {name}.yaml ", f"-name {recipe.name} ": f"-dir . --config-name {name} "}
    head = [f"# {line}".rstrip() for line in recipe.header]
    for old, new in launch.items():
        head = [line.replace(old, new) for line in head]
    defaults = [*roots, *(f"{key}: {value}" for key, value in choices.items()), "_self_"]
    return "\n".join([*head, "defaults:", *(f"  - {entry}" for entry in defaults), *_written(fields, 0)]) + "\n"


def _fields(text: str) -> Fields:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    found = _below(node, text, text.splitlines()) if isinstance(node, yaml.MappingNode) else {}
    found.pop("defaults", None)
    return found


def _below(node: yaml.MappingNode, text: str, lines: list[str]) -> Fields:
    found: Fields = {}
    for key, value in node.value:
        first = key.start_mark.line
        while first and lines[first - 1].strip().startswith("#"):
            first -= 1
        comment = [line.strip() for line in lines[first : key.start_mark.line]]
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            found[key.value] = (comment, _below(value, text, lines))
        else:
            found[key.value] = (comment, text[value.start_mark.index : value.end_mark.index].rstrip())
    return found


def _merge(fields: Fields, later: Fields) -> None:
    for key, (comment, value) in later.items():
        known = fields.get(key)
        if known is not None and isinstance(known[1], dict) and isinstance(value, dict):
            _merge(known[1], value)
        else:
            fields[key] = (comment, value)


def _written(fields: Fields, depth: int) -> Iterator[str]:
    pad = "  " * depth
    for key, (comment, value) in fields.items():
        yield ""
        yield from (pad + line for line in comment)
        if isinstance(value, dict):
            yield f"{pad}{key}:"
            yield from _written(value, depth + 1)
        else:
            yield f"{pad}{key}: {value}".rstrip()
