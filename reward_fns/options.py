"""Option blocks: a mapping from a config becomes the dataclass that checks its values."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pbrlsvr.errors import ConfigError

Block = TypeVar("Block")


def from_mapping(block: type[Block], options: Mapping[str, Any], name: str) -> Block:
    """`block(**options)`, after a check that each option is a field of that dataclass.

    Args:
        block: a dataclass of options.
        options: field -> value.
        name: what the block is called in errors, such as "a combination".

    Raises:
        ConfigError: an option does not exist, or has a value that cannot work.
    """
    known = [field.name for field in fields(block)]  # type: ignore[arg-type]
    if unknown := [option for option in options if option not in known]:
        raise ConfigError(f"{name} has no option {unknown[0]!r}; its options are {known}")
    return block(**options)


def require_mapping(name: str, block: Any) -> dict[str, Any]:
    """A copy of the block with this name in a config.

    Raises:
        ConfigError: it is not a mapping.
    """
    if not isinstance(block, Mapping):
        raise ConfigError(f"{name}={block!r} must be a mapping of options to values")
    return {str(option): value for option, value in block.items()}


def is_number(value: object) -> bool:
    """Whether an option's value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
