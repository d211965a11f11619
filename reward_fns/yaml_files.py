"""YAML that a user wrote: a key that stands twice is an error, and so is a file that only looks small."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pbrlsvr.errors import ConfigError

#: Values in a file, each alias counted as often as it is used: nine aliases of nine aliases fill a machine.
_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """`yaml.SafeLoader`, in which the second of two equal keys does not win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            merges = key.tag == "tag:yaml.org,2002:merge"
            name, line = "<<" if merges else self.construct_object(key, deep=True), key.start_mark.line + 1
            if isinstance(name, Hashable) and name in seen:
                raise ConfigError(f"{str(name)!r:.80} stands twice, in line {seen[name]} and in line {line}")
            if isinstance(name, Hashable):
                seen[name] = line
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made


def parse_yaml(text: str, what: str) -> Any:
    """The value of a YAML text.

    Raises:
        ConfigError: it is no YAML, has a key twice, or has more than 100,000 values.

    Example:
        >>> parse_yaml("a: 1", "the example")
        {'a': 1}
        >>> parse_yaml("a: 1\\na: 2", "the example")
        Traceback (most recent call last):
        ...
        pbrlsvr.errors.ConfigError: the example: 'a' stands twice, in line 1 and in line 2; leave one of them
    """
    try:
        found = yaml.load(text, _Loader)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}; leave one of them") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        # A character that YAML does not allow has a reason, and no problem.
        problem = getattr(error, "problem", None) or getattr(error, "reason", None)
        problem = problem or ("nested too deep" if isinstance(error, RecursionError) else str(error))
        raise ConfigError(f"{what} is no YAML{place}: {str(problem)[:200]}") from error
    if _values(found, _MOST_VALUES) < 0:
        raise ConfigError(f"{what} has more than {_MOST_VALUES:,} values, aliases counted as often as they are used")
    return found


def read_yaml(path: Path, what: str) -> Any:
    """The value of a YAML file; see `parse_yaml`.

    Raises:
        ConfigError: as there, or the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} cannot be read: {error}") from error
    return parse_yaml(text, what)


def _values(value: Any, left: int) -> int:
    """How many values may still come after this one; below 0 where it has too many."""
    left -= 1
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        if left < 0:
            break
        left = _values(each, left)
    return left
