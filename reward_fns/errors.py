"""The exceptions of pbrlsvr. Each message names the bad value, the place, and what to do about it.

PbrlsvrError
├── ConfigError             (ValueError)    an option has a value that cannot work, or does not exist
├── DataError               (ValueError)    a row of the data set lacks something, or holds something unusable
├── ModelError              (RuntimeError)  a model cannot be loaded, or returned something that is not a score
├── ServiceError            (RuntimeError)  a scorer did not answer, after bounded retries
└── MissingDependencyError  (ImportError)   an optional package is not installed
"""


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
