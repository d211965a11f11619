"""Results that outlast a run: one SQLite file for each model, revision and set of options."""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pbrlsvr.errors import ConfigError
from pbrlsvr.serving.cache import MISSING

# SQLite takes so many values in one statement, at least.
_AT_ONCE = 500

log = logging.getLogger(__name__)


class _Options(Protocol):
    @property
    def model(self) -> str: ...


class DiskCache:
    """Results by item, shared by the processes of a machine. Values are arrays, numbers and texts; no pickles.

    Args:
        folder: on a local disk: SQLite's locks do not work on network file systems.
        options: of the model; with the revision of its files they name the cache's file.

    Raises:
        ConfigError: the folder cannot be written.
    """

    def __init__(self, folder: str, options: _Options):
        revision = getattr(options, "revision", None)
        identity = f"{options!r} {revision_of(options.model, revision)}"
        path = Path(folder).expanduser() / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.sqlite"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.execute("CREATE TABLE IF NOT EXISTS results (item BLOB PRIMARY KEY, value BLOB)")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"serving.cache_dir={folder!r} cannot be used ({error}); name a folder on a local disk that can be "
                f"written, and delete {path} if it is damaged"
            ) from error

    def get(self, items: Sequence[Hashable]) -> list[Any]:
        """The values `[N]`, with `MISSING` for what is not there."""
        keys = [_key(item) for item in items]
        found: dict[bytes, Any] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            try:
                rows = self._connection.execute(f"SELECT item, value FROM results WHERE item IN ({marks})", some)
                found |= {bytes(key): _decode(value) for key, value in rows}
            except (sqlite3.Error, ValueError) as error:
                log.warning("the cache on disk cannot be read: %s; results are computed instead", error)
        return [found.get(key, MISSING) for key in keys]

    def put(self, values: Mapping[Any, Any]) -> None:
        rows = [(_key(item), _encode(value)) for item, value in values.items()]
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            log.warning("the cache on disk cannot be written: %s", error)


def revision_of(model: str, revision: str | None) -> str:
    """What tells two states of a model's files apart: the commit on the hub, or the files' sizes and times."""
    folder = Path(model)
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        states = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        return hashlib.sha256(repr(states).encode()).hexdigest()
    try:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(model, "config.json", revision=revision)
    except (ImportError, ValueError):
        path = None
    # .../snapshots/<commit>/config.json
    return Path(path).parent.name if isinstance(path, str) else str(revision)


def _key(item: Hashable) -> bytes:
    return hashlib.sha256(repr(item).encode("utf-8", "surrogatepass")).digest()


def _encode(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return b"a" + f"{value.dtype.str}:{','.join(map(str, value.shape))}:".encode() + value.tobytes()
    return b"j" + json.dumps(value).encode()


def _decode(value: bytes) -> Any:
    if value[:1] == b"j":
        return json.loads(value[1:])
    kind, shape, data = value[1:].split(b":", 2)
    return np.frombuffer(data, dtype=kind.decode()).reshape([int(n) for n in shape.split(b",")]).copy()
