"""The exceptions of pbrlsvr. Each message names the bad value, the place, and what to do about it.

PbrlsvrError
├── ConfigError             (ValueError)    an option has a value that cannot work, or does not exist
├── DataError               (ValueError)    a row of the data set lacks something, or holds something unusable
├── ModelError              (RuntimeError)  a model cannot be loaded, or returned something that is not a score
├── ServiceError            (RuntimeError)  a scorer did not answer, after bounded retries
└── MissingDependencyError  (ImportError)   an optional package is not installed
"""

from collections.abc import Iterable


class PbrlsvrError(Exception):
    """Base of every error that pbrlsvr raises on purpose."""


class ConfigError(PbrlsvrError, ValueError):
    """An option has a value that cannot work, or does not exist."""


class DataError(PbrlsvrError, ValueError):
    """A row of the data set lacks something, or holds something unusable."""


class ModelError(PbrlsvrError, RuntimeError):
    """A model cannot be loaded, or returned something that is not a score."""


class ServiceError(PbrlsvrError, RuntimeError):
    """A scorer did not answer, after bounded retries."""


class MissingDependencyError(PbrlsvrError, ImportError):
    """An optional package is not installed."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """For a message: the known name that is most like one that is none of them; "" where none is.

    >>> did_you_mean("hybird", ["hybrid", "format"])
    " Did you mean 'hybrid'?"
    """
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {close[0]!r}?" if close else ""
