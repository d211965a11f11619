"""The rewards, a file each: `pbrlsvr.rewards.<name>` holds the class and, under its own name, the function for veRL.

A new file here is a new reward: it is found by its name.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

#: The names of the rewards.
NAMES = tuple(sorted(module.name for module in iter_modules(__path__)))


def load(name: str) -> Any:
    """The function of a reward, such as `load("embed_cosine")`; its options are those of its `reward`, a class."""
    return getattr(import_module(f"{__name__}.{name}"), name)
