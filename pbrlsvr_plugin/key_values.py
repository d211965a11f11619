"""Options as a command takes them: a YAML file, `key=value` texts, and flags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.yaml_files import parse_yaml, read_yaml
from pbrlsvr_plugin.last_wins import last_pairs, note_twice
from pbrlsvr_plugin.terminal import say


def gathered(path: Path | None, overrides: Sequence[str], flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a YAML file, of `key=value` texts, and of flags; the later ones win, with a note on stderr.

    Raises:
        ConfigError: the file is not there or no YAML, or a text is no `key=value`.
    """
    found: dict[str, Any] = _read(path) if path is not None else {}
    before: dict[str, str] = {}
    for override in last_pairs(overrides):
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"{override!r} is no `key=value`, as in reference.temperature=0.7")
        if lost := [earlier for earlier in before if earlier.startswith(f"{key}.")]:
            say(f"note: {key} replaces its whole block, and with it {' and '.join(lost)}, given before", err=True)
        before[key] = text
        _set(found, key, parse_yaml(text, f"the value in {override!r}"))
    for key, value in flags.items():
        if value is not None:
            note_twice(key, [*([before[key]] if key in before else []), value])
            _set(found, key, value)
    return found


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
