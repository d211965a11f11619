"""Config files that a process reads again and again are parsed once."""

import copy
import io


def parse_once() -> None:
    """From now on `OmegaConf.load` of an open file parses a text that it has seen before no second time."""
    from omegaconf import OmegaConf

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
