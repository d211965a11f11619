"""The configuration of `pbrlsvr prepare`: a YAML file, values from the command line, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages import parse
from pbrlsvr.options import from_mapping
from pbrlsvr.yaml_files import parse_yaml, read_yaml
from pbrlsvr_plugin.prepare.load.load import mapping_of
from pbrlsvr_plugin.prepare.load.mapping import built_in, read_mapping
from pbrlsvr_plugin.prepare.stage import Context, Stage

#: The stages in order, each with the room that it lives in. Imported when they are needed.
_ROOMS = {
    "load": "load",
    "reference": "reference",
    "verify": "reference",
    "translate": "translate",
    "check": "check",
    "export": "export",
}
#: Stage -> its module, the name of its class, and that of its options.
STAGES = {
    name: (f"pbrlsvr_plugin.prepare.{room}.{name}", name.title(), f"{name.title()}Options")
    for name, room in _ROOMS.items()
}


#: What `translate` has of `reference` where it says nothing itself.
_PIVOT = (
    "model", "urls", "api_key_env", "body", "timeout_s", "retries", "max_concurrency", "requests_per_minute",
    "tokens_per_minute", "give_up_after",
)  # fmt: skip
_NONE: tuple[Any, ...] = ("", None, [], (), {})


@dataclass(frozen=True)
class Config:
    """What a run is.

    Attributes:
        out: the folder of the results.
        languages: the target languages; with "en" among them, the English rows are kept as well.
        name: the short name of the data set; default: that of the mapping, or of the source.
        work: the folder of the stages; default: "work" in `out`.
        journal: the file of paid answers; default: "journal.sqlite" in `work`. Several runs may share one.
        seed: decides all that is drawn by chance.
        load, reference, verify, translate, check, export: the options of the stages.
    """

    out: str = ""
    languages: tuple[str, ...] = ()
    name: str = ""
    work: str = ""
    journal: str = ""
    seed: int = 0
    load: dict[str, Any] = field(default_factory=dict)
    reference: dict[str, Any] = field(default_factory=dict)
    verify: dict[str, Any] = field(default_factory=dict)
    translate: dict[str, Any] = field(default_factory=dict)
    check: dict[str, Any] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        languages = self.languages.split(",") if isinstance(self.languages, str) else self.languages
        codes = [parse(str(code).strip(), error=ConfigError) for code in languages or ()]
        object.__setattr__(self, "languages", tuple(dict.fromkeys(codes)))
        if not self.out:
            raise ConfigError("out is not given: the folder of the results, as in out=data/gsm8k")
        if not self.languages:
            raise ConfigError("languages are not given, as in languages=[sw,de]")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigError(f"seed={self.seed!r} must be a whole number")
        for name in STAGES:
            block = getattr(self, name)
            if block is None:
                object.__setattr__(self, name, {})
            elif not isinstance(block, dict):
                raise ConfigError(f"{name}={block!r} must be a block of options")
        load = dict(self.load)
        if load.get("mapping", "auto") == "auto":
            load["mapping"] = guess_mapping(str(load.get("source") or ""))
        object.__setattr__(self, "load", load)
        object.__setattr__(self, "name", self.name or _short_name(load))
        work = Path(self.work) if self.work else Path(self.out) / "work"
        object.__setattr__(self, "work", str(work))
        object.__setattr__(self, "journal", self.journal or str(work / "journal.sqlite"))

    def folder(self, stage: str) -> Path:
        """The folder of a stage, as in "<work>/2-reference"."""
        return Path(self.work) / f"{[*STAGES].index(stage) + 1}-{stage}"

    def stage(self, name: str, context: Context) -> Stage:
        """A stage with its options.

        Raises:
            ConfigError: one of them does not exist, or cannot work.
        """
        module, class_name, options_name = STAGES[name]
        found = import_module(module)
        options = build(getattr(found, options_name), self._block(name), name)
        stage: Stage = getattr(found, class_name)(options, context)
        return stage

    def _block(self, name: str) -> dict[str, Any]:
        block = dict(getattr(self, name))
        if name == "reference" and block.get("prompt", "auto") == "auto":
            from pbrlsvr_plugin.prepare.load.load import LoadOptions

            block["prompt"] = mapping_of(from_mapping(LoadOptions, self.load, "the block 'load'")).prompt
        if name == "translate" and block.get("engine", "auto") in ("auto", "chat"):
            # The pivot model translates where no other is named, and another one at its servers. An empty value in a
            # file is none.
            shared = _PIVOT if not block.get("model") else tuple(key for key in _PIVOT if key not in ("model", "body"))
            block = {
                key: value
                for key, value in block.items()
                if key not in shared or key == "api_key_env" or value not in _NONE
            }
            block |= {key: self.reference[key] for key in shared if key in self.reference and key not in block}
            same = all(block.get(key) == self.reference.get(key) for key in ("model", "urls", "api_key_env"))
            block["as_reference"] = same and self.reference.get("engine", "endpoint") == "endpoint"
        return block


def build(block: type[Any], values: Mapping[str, Any], name: str) -> Any:
    """A dataclass of options from a mapping, with the blocks inside it.

    Raises:
        ConfigError: an option does not exist, or cannot work; it is named with its block.
    """
    inner = {option.name: option.default_factory for option in fields(block) if is_dataclass(option.default_factory)}
    built = dict(values)
    for key, nested in inner.items():
        if isinstance(values.get(key), dict):
            built[key] = build(nested, values[key], f"{name}.{key}")  # type: ignore[arg-type]
    try:
        return from_mapping(block, built, f"the block {name!r}")
    except TypeError as error:
        raise ConfigError(f"the block {name!r} has a value of the wrong type: {error}") from error


def read_config(path: Path | None, overrides: Sequence[str], flags: Mapping[str, Any]) -> Config:
    """A configuration from a YAML file, `key=value` texts, and flags; the later ones win.

    Args:
        path: the YAML file, or None.
        overrides: as in "reference.temperature=0.7"; the value is YAML.
        flags: dotted key -> value; None is not set.

    Raises:
        ConfigError: the file is not there or no YAML, or an option does not exist or cannot work.
    """
    found: dict[str, Any] = _read(path) if path is not None else {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"{override!r} is no `key=value`, as in reference.temperature=0.7")
        _set(found, key, parse_yaml(text, f"the value in {override!r}"))
    for key, value in flags.items():
        if value is not None:
            _set(found, key, value)
    return from_mapping(Config, found, "the configuration")


def guess_mapping(source: str) -> str:
    """The name of the built-in mapping that fits a source, or "columns"."""
    if source in built_in():
        return source
    path = Path(source)
    if path.is_dir() and (path / "mgsm_en.tsv").is_file():
        return "mgsm"
    if path.suffix == ".parquet" and path.is_file():
        import pyarrow.parquet as pq

        if {"data_source", "prompt", "reward_model"} <= set(pq.read_schema(path).names):
            return "verl"
    for name in built_in():
        if source and read_mapping(name, {}).dataset == source:
            return name
    return "columns"


def _short_name(load: Mapping[str, Any]) -> str:
    mapping = str(load["mapping"])
    if mapping in built_in() and mapping not in ("columns", "verl"):
        return mapping
    return Path(str(load.get("source") or "data")).name.split(".")[0] or "data"


def _read(path: Path) -> dict[str, Any]:
    found = read_yaml(path, f"the configuration {str(path)!r}")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"the configuration {str(path)!r} must hold `key: value` pairs")
    return found


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = config.setdefault(parent, {})
        if inner is None:
            inner = config[parent] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"{key!r} cannot be set: {parent!r} is {inner!r} and no block of options")
        config = inner
    config[last] = value
