"""What `pbrlsvr train` looks at before veRL starts: values, folders and data, in seconds instead of in a traceback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import LanguageOptions
from pbrlsvr.tables import table_paths
from pbrlsvr_plugin.check.facts import Facts, facts
from pbrlsvr_plugin.check.findings import NEEDS, REFERENCE, shared, wrong
from pbrlsvr_plugin.train import long_prompts
from pbrlsvr_plugin.verl import rows as rows_of
from pbrlsvr_plugin.verl.value_types import wrong_types

SFT = "sft_trainer_engine"
_CONFIGS = ("config.json", "modules.json", "hparams.yaml", "model.bin", "params.json")


def preflight(config: DictConfig, trainer: str) -> list[str]:
    """
    Args:
        config: composed; `trainer` is the config of veRL's that it is made on.

    Returns:
        What the run survives, and its user may not want.

    Raises:
        ConfigError: a value has another type than veRL's, a model's folder is not there, or the rows do not fill one
            batch; all that was found, in one message.
        DataError: a file of rows is missing or lacks what the reward reads.
    """
    if found := [*wrong_types(config, trainer), *_wrong_folders(config)]:
        raise ConfigError("\n".join(found))
    train, validation = (_look(config, key) for key in ("train", "val"))
    needs, spoken = REFERENCE, False
    if trainer != SFT:
        target = OmegaConf.select(config, "reward.custom_reward_function")
        ours = target.path == "pkg://pbrlsvr"
        needs = NEEDS.get(str(target.name), REFERENCE) if ours else ""
        spoken = ours and (str(target.name).startswith("mt_") or _judges_language(target.reward_kwargs))
    if found := [f"{one.path}: {text}" for one in (*train, *validation) for text in wrong(one, needs, spoken)]:
        raise DataError("\n".join(found))
    return [*_elsewhere(config), *_rows(config, train, validation), *shared(train, validation)]


def _judges_language(kwargs: Any) -> bool:
    """Whether a language policy reads the row's language; false where the config does not say."""
    named: Any = OmegaConf.to_container(kwargs) if OmegaConf.is_dict(kwargs) else {}
    if "language" not in named:
        return False
    language = LanguageOptions.of(named["language"], "reward_kwargs.language")
    return any(policy.mode != "off" and policy.language is None for policy in (language.reasoning, language.answer))


def _rows(config: DictConfig, train: list[Facts], validation: list[Facts]) -> list[str]:
    """Whether the rows make the steps that are asked for, and what becomes of the prompts that are too long."""
    notes: list[str] = []
    left: dict[str, int] = {}
    is_sft = "actor_rollout_ref" not in config
    for split, looked in (("train", train), ("val", validation)):
        if not looked or len(looked) < len(rows_of.named(config, split)):
            continue  # some of the rows are elsewhere
        total = sum(one.rows for one in looked)
        rows = rows_of.taken(config, split, total)
        long = 0 if is_sft else long_prompts.count(config, [one.path for one in looked])
        if long:
            limit = f"data.max_prompt_length={config.data.max_prompt_length:,} tokens"
            notes.append(f"data.{split}_files: {long:,} of {total:,} prompts are longer than {limit}; veRL omits them")
        # Of a part that veRL draws, it is not known how many are too long.
        long = long if rows == total else 0
        left[split] = rows - long
        if split == "train":
            rows_of.require_a_step(config, rows, long)
        elif left[split] == 0:
            raise ConfigError(f"data.val_files: nothing is left to validate on. {notes[-1] if notes else ''}".rstrip())
    return [*notes, *rows_of.warnings(config, left["train"], left.get("val"))] if "train" in left else notes


def _look(config: DictConfig, split: str) -> list[Facts]:
    files = rows_of.named(config, split)
    # Null is what a recipe leaves to its user (`pbrlsvr_plugin.verl.required`).
    if not files and OmegaConf.select(config, f"data.{split}_files") is not None and split == "train":
        raise ConfigError(f"data.train_files={config.data.train_files!r} names no file; give one, or a list of them")
    local = [Path(file).expanduser() for file in files if "://" not in file]
    for file in local:
        if not file.is_file():
            tables = f"; veRL takes neither folders nor patterns: name the {len(_tables(file))} files in it as a list, "
            tables += f"data.{split}_files=[{','.join(map(str, _tables(file)[:2]))},...]"
            raise DataError(f"data.{split}_files: {str(file)!r} is no file{tables if _tables(file) else ''}")
    # Of `train_max_samples` veRL draws which by chance, unless data.shuffle is off.
    most = -1 if config.data.get("shuffle", True) else int(config.data.get(f"{split}_max_samples") or -1)
    return [facts(file, str(config.data.get("prompt_key") or "prompt"), most) for file in local]


def _tables(path: Path) -> list[Path]:
    """What a folder or a pattern would stand for elsewhere."""
    try:
        return table_paths(str(path))
    except DataError:
        return []


def _elsewhere(config: DictConfig) -> Iterator[str]:
    """What of the data nobody looks at, or veRL takes twice."""
    for split in ("train", "val"):
        files = rows_of.named(config, split)
        if remote := [file for file in files if "://" in file]:
            yield f"data.{split}_files: {remote[0]!r} is not on this machine: its rows were not looked at"
        if twice := [file for place, file in enumerate(files) if file in files[:place]]:
            yield f"data.{split}_files: {twice[0]!r} is named twice, so that its rows count twice"


def _wrong_folders(config: DictConfig) -> Iterator[str]:
    """Models that are named as a folder which is not there, or holds no model."""
    kwargs = OmegaConf.select(config, "reward.custom_reward_function.reward_kwargs") or {}
    places = ["actor_rollout_ref.model.path", "model.path"]
    # As veRL's need_critic (verl/trainer/ppo/utils.py), which would take seconds to import.
    enabled = OmegaConf.select(config, "critic.enable")
    if enabled or (enabled is None and OmegaConf.select(config, "algorithm.adv_estimator") == "gae"):
        places.append("critic.model.path")
    places += [f"reward.custom_reward_function.reward_kwargs.{name}" for name in _models(kwargs)]
    for place in places:
        try:
            path = OmegaConf.select(config, place)
        except OmegaConfBaseException:
            continue
        if not isinstance(path, str) or not path or "://" in path:
            continue
        folder = Path(path).expanduser()
        # A hub's name has one slash at most, and does not begin with a dot.
        if not folder.exists():
            if folder.is_absolute() or path.startswith((".", "~")) or path.count("/") > 1:
                yield f"{place}={path!r} is no folder; name one with a model in it, or a model of the hub"
        elif folder.is_dir() and not any((folder / name).exists() for name in _CONFIGS):
            yield f"{place}={path!r} holds no config.json: it is no model's folder"


def _models(node: Any, place: str = "") -> Iterator[str]:
    if OmegaConf.is_dict(node):
        for key in node:
            here = f"{place}.{key}" if place else str(key)
            if key == "model" and isinstance(node._get_node(key)._value(), str):
                yield here
            elif OmegaConf.is_dict(node._get_node(key)):
                yield from _models(node[key], here)
