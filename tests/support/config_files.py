"""What composing veRL's forty files costs a process that does it again and again: to parse them, and to copy them."""

import copy
import io
from collections import defaultdict
from typing import Any


def parse_once() -> None:
    """From now on `OmegaConf.load` of an open file parses a text that it has seen before no second time."""
    from omegaconf import OmegaConf
    from omegaconf.base import Metadata

    load, seen = OmegaConf.load, {}

    def load_once(file):
        if not isinstance(file, io.TextIOBase):
            return load(file)
        text = file.read()
        if text not in seen:
            file.seek(0)
            seen[text] = load(file)
        return copy.deepcopy(seen[text])

    OmegaConf.load = staticmethod(load_once)
    Metadata.__deepcopy__ = _copied


def _copied(metadata: Any, memo: Any) -> Any:
    """What can change in it is copied: the flags, and what resolvers have cached."""
    new = object.__new__(type(metadata))
    vars(new).update(vars(metadata), flags=metadata.flags and dict(metadata.flags))
    if "resolver_cache" in vars(metadata):
        new.resolver_cache = defaultdict(dict, {name: dict(seen) for name, seen in metadata.resolver_cache.items()})
    return new
