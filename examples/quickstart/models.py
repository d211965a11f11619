"""What is trained: the toys, or the policy, encoder and data set that the user names. And on which rows."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.models.embedding.cards import DEFAULT_ENCODER
from quickstart import data, toys
from quickstart.settings import PolicySettings, Toy
from quickstart.stages import Stages
from quickstart.world import PIVOT

# The toys are on this machine: nothing asks for the network.
OFFLINE = (("HF_HUB_OFFLINE", "1"),)
HERE = Path(__file__).resolve().parent
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Models:
    """A policy, an encoder, a data set, and how to train.

    Attributes:
        policy: folder of a Hugging Face model, or its name on the hub.
        encoder: the same of a sentence-transformers model.
        data: folder with train.parquet and test.parquet.
        recipe: overrides of veRL's ppo_trainer.
        steps: GRPO steps, unless the command line says otherwise.
        made_by: the stages that made them.
        environment: variables for veRL's processes.
    """

    policy: str
    encoder: str
    data: Path
    recipe: Path
    steps: int
    made_by: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


def choose_models(options: argparse.Namespace, stages: Stages) -> Models:
    """What the command line names; the toys, made here, if it names nothing.

    Raises:
        ConfigError: an option names something that is not there, or needs another.
    """
    if options.policy is None:
        if given := [name for name in ("--data", "--encoder") if getattr(options, name[2:])]:
            raise ConfigError(
                f"{' and '.join(given)} without --policy: the toy policy knows only its own world. Name a policy too, "
                "as in --policy Qwen/Qwen3-1.7B"
            )
        toy = Toy(policy=PolicySettings(seed=options.seed))
        folder = toys.make_world(stages, toy.world)
        policy = toys.make_policy(stages, toy.world, toy.policy)
        encoder = toys.make_encoder(stages, toy.world, toy.encoder)
        return Models(str(policy), str(encoder), folder, HERE / "toy.yaml", 16, toys.STAGES, OFFLINE)
    if options.data is None:
        raise ConfigError(
            f"--policy {options.policy!r} without --data: name the folder that holds train.parquet and test.parquet, "
            "with rows as `pbrlsvr prepare` writes them"
        )
    policy = find_model(options.policy, "--policy", marker="config.json")
    encoder = find_model(options.encoder or DEFAULT_ENCODER, "--encoder", marker="modules.json")
    return Models(policy, encoder, options.data, HERE / "real.yaml", 100)


def find_model(name: str, option: str, marker: str) -> str:
    """A folder's absolute path, or a hub name as it is.

    Raises:
        ConfigError: it can only be a folder, and there is none, or the folder holds no model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / marker).is_file():
            raise ConfigError(f"{option} {name!r} is a folder without {marker}; name the folder that the model is in")
        return str(folder.resolve())
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ConfigError(
            f"{option} {name!r}: there is no such folder, and a name on the Hugging Face hub is owner/model"
        )
    return name


def choose_rows(folder: Path, languages: str | None) -> tuple[Rows, Rows]:
    """Training rows and test rows in the given languages ("es,sw"; None: all). The pivot language is always tested.

    Raises:
        ConfigError: a file is missing, or has no row in a language.
        DataError: a file is not what it should be.
    """
    train, test = data.read_rows(folder / "train.parquet"), data.read_rows(folder / "test.parquet")
    if languages is None:
        return train, test
    chosen = [language.strip() for language in languages.split(",")]
    data.check_languages(train, chosen, folder / "train.parquet")
    data.check_languages(test, chosen, folder / "test.parquet")
    return data.in_languages(train, chosen), data.in_languages(test, [*chosen, PIVOT])


def fingerprint(model: str) -> list[Any]:
    """What tells whether a model has changed: its name, and the names, sizes and times of a folder's files."""
    folder = Path(model)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return [model, [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]]
