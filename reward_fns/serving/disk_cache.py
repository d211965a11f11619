"""Results that outlast a run: one SQLite file for each model, revision and set of options.

Nothing that is read is trusted. Each value stands beside a keyed digest of itself, of its item and of what the file is
for; what does not fit, whatever was written over it, counts as not there and is computed again. The file and its folder
are the user's own and closed to others: who can write them could forge digests as well.
"""

import hashlib
import hmac
import json
import logging
import math
import os
import sqlite3
import stat
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pbrlsvr.errors import ConfigError
from pbrlsvr.serving.cache import MISSING

# Part of the digests: a later format reads nothing of an earlier one.
_FORMAT = "pbrlsvr results 2"
# SQLite takes so many values in one statement, at least.
_AT_ONCE = 500
_DIGEST_BYTES = 16
# What SQLite keeps beside a file.
_FILES = ("", "-wal", "-shm", "-journal")
_NO_FILE = "it was not opened"
# What comes and goes: then the file is left as it is. All other errors mean that it is broken.
_PASSING = (_NO_FILE, "locked", "busy", "full", "disk I/O", "unable to open")
# Damaged lengths and types raise more than SQLite's own errors.
_ERRORS = (sqlite3.Error, OSError, MemoryError, OverflowError, ValueError, SystemError)
# Another process that writes holds the file for milliseconds. Without the cache a result is computed, no more.
_BUSY_S = 5.0

log = logging.getLogger(__name__)


class _Options(Protocol):
    @property
    def model(self) -> str: ...


class DiskCache:
    """Results by item, for all processes of a user on a machine. Values are arrays, numbers and texts; no pickles.

    Its folder (`own_folder`) is on a local disk: SQLite's locks do not work on network file systems.

    Attributes:
        damaged: values that were not what had been written, and files that could not be read, so far.

    Raises:
        ConfigError: the file belongs to somebody else, or is a link.
    """

    def __init__(self, folder: Path, options: _Options):
        try:
            revision = revision_of(options.model, getattr(options, "revision", None))
        except OSError as error:
            raise ConfigError(
                f"serving.cache_dir: the files of model {options.model!r} cannot be read: {error}"
            ) from error
        identity = f"{_FORMAT} {options!r} {revision}"
        self._key = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
        self._path = folder / f"{self._key.hex()[:24]}.sqlite"
        self._connection: sqlite3.Connection | None = None
        self.damaged = 0
        self._said: set[str] = set()
        for suffix in _FILES:
            _require_own(Path(f"{self._path}{suffix}"))
        self._open()

    def get(self, items: Sequence[Hashable]) -> list[Any]:
        """The values `[N]`, with `MISSING` for what is not there, or is not what was written."""
        keys = [self._digest(_bytes_of(item)) for item in items]
        found: dict[bytes, Any] = {}
        try:
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, value in self._run(f"SELECT item, value FROM results WHERE item IN ({marks})", some):
                    found[key] = self._read(key, value)
        except _ERRORS as error:
            self._failed(error)
        return [found.get(key, MISSING) for key in keys]

    def put(self, values: Mapping[Any, Any]) -> None:
        """Keeps values; what cannot be written exactly, and what is not finite, is left out."""
        rows = []
        for item, value in values.items():
            if (data := _encode(value)) is not None:
                key = self._digest(_bytes_of(item))
                rows.append((key, self._digest(key, data) + data))
        try:
            self._run("BEGIN IMMEDIATE")
            assert self._connection is not None
            self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
            self._run("COMMIT")
        except _ERRORS as error:
            self._failed(error)

    def _digest(self, *parts: bytes) -> bytes:
        return hashlib.blake2b(b"".join(parts), key=self._key, digest_size=_DIGEST_BYTES).digest()

    def _read(self, key: bytes, value: Any) -> Any:
        digest, data = (value[:_DIGEST_BYTES], value[_DIGEST_BYTES:]) if isinstance(value, bytes) else (b"", b"")
        if hmac.compare_digest(digest, self._digest(key, data)):
            try:
                return _decode(data)
            except (ValueError, TypeError, RecursionError):
                pass  # it was written like this, though not by us
        self.damaged += 1
        self._log_once(
            "holds a value that was not written so", "such results are computed again, and counted as damaged"
        )
        return MISSING

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        if self._connection is None:
            raise sqlite3.OperationalError(_NO_FILE)
        return self._connection.execute(statement, values).fetchall()

    def _open(self, again: bool = True) -> None:
        try:
            # So that SQLite, which gives its other files the same permissions, opens it to nobody else.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            self._path.chmod(0o600)
            self._connection = sqlite3.connect(
                self._path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None
            )
            # A text that is not UTF-8 would raise where it is read.
            self._connection.text_factory = bytearray
            for statement in (
                "PRAGMA journal_mode=WAL",
                "PRAGMA synchronous=OFF",
                "PRAGMA trusted_schema=OFF",
                "CREATE TABLE IF NOT EXISTS results (item BLOB PRIMARY KEY, value BLOB)",
                "SELECT item, value FROM results LIMIT 1",
            ):
                self._run(statement)
        except _ERRORS as error:
            self._failed(error, again, opening=True)

    def _failed(self, error: Exception, again: bool = True, opening: bool = False) -> None:
        """A file that is broken is begun anew; one that cannot be had now, such as on a full disk, is left alone."""
        if isinstance(error, OSError) or any(word in str(error) for word in _PASSING) or not again:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.rollback()
            if opening and self._connection is not None:  # half of a file, such as one without its table
                self._connection.close()
                self._connection = None
            self._log_once("cannot be used", f"{error}; results are computed")
            return
        self.damaged += 1
        self._log_once("is broken and begun anew", str(error))
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        try:
            for suffix in _FILES:
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        except OSError as failure:
            self._log_once("cannot be used", f"{failure}; results are computed")
            return
        self._open(again=False)

    def _log_once(self, what: str, why: str) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning("the cache on disk, %s, %s: %s", self._path, what, why)


def own_folder(folder: str, option: str = "serving.cache_dir") -> Path:
    """The folder that an option names, made where it is not there, in which nobody else can plant a file.

    Raises:
        ConfigError: it cannot be made, belongs to somebody else, or others can write into it.
    """
    try:
        path = Path(folder).expanduser()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
        state = path.stat()
        if path.is_symlink() and path.lstat().st_uid != os.getuid():
            raise PermissionError(f"it is a link that user {path.lstat().st_uid} has made")
        if not stat.S_ISDIR(state.st_mode):
            raise NotADirectoryError("it is not a folder")
        if state.st_uid != os.getuid():
            raise PermissionError(f"it belongs to user {state.st_uid}, not to {os.getuid()}, who runs this")
        if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"others can write into it; run `chmod go-w {str(path)!r}`")
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("it cannot be written")
        return path
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"{option}={folder!r} cannot be used: {error}. Name a folder of your own on a local disk; one that does "
            "not exist is made, open to you alone"
        ) from error


def _require_own(path: Path) -> None:
    try:
        state = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"serving.cache_dir: {str(path)!r} cannot be used ({error})") from error
    if stat.S_ISLNK(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink != 1):
        what = "is a link to another file"
    elif not stat.S_ISREG(state.st_mode):
        what = "is a folder" if stat.S_ISDIR(state.st_mode) else "is no file"
    elif state.st_uid != os.getuid():
        what = f"belongs to user {state.st_uid} and not to {os.getuid()}, who runs this"
    else:
        return
    raise ConfigError(
        f"serving.cache_dir: {str(path)!r} {what}; its results are not trusted. Look at what it is, then delete it"
    )


def revision_of(model: str, revision: str | None) -> str:
    """What tells two states of a model's files apart: the commit on the hub, or the files' sizes and times."""
    folder = Path(model)
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        states = [(str(f.relative_to(folder)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        return hashlib.sha256(repr(states).encode("utf-8", "surrogatepass")).hexdigest()
    try:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(model, "config.json", revision=revision)
    except (ImportError, ValueError):
        path = None
    # .../snapshots/<commit>/config.json
    return Path(path).parent.name if isinstance(path, str) else str(revision)


def _bytes_of(item: Hashable) -> bytes:
    return repr(item).encode("utf-8", "surrogatepass")


def _encode(value: Any) -> bytes | None:
    """`None` for what cannot be written so that it comes back as it was."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            return None
        return b"a" + f"{value.dtype.str}:{','.join(map(str, value.shape))}:".encode() + value.tobytes()
    if type(value) is float and not math.isfinite(value):
        return None
    return b"j" + json.dumps(value).encode() if type(value) in (str, float, int, bool) else None


def _decode(data: bytes) -> Any:
    if data[:1] == b"j":
        value = json.loads(data[1:])
        known = type(value) in (str, float, int, bool)
    else:
        kind, shape, numbers = data[1:].split(b":", 2)
        value = np.frombuffer(numbers, dtype=kind.decode()).reshape([int(n) for n in shape.split(b",") if n]).copy()
        known = data[:1] == b"a" and value.dtype.kind in "biuf"
    if not known or not np.all(value == value) or (not isinstance(value, str) and not np.isfinite(value).all()):
        raise ValueError("it is no finite number, text or array")
    return value
