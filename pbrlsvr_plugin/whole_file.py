"""Files that are there whole or not at all, and places that are known to be good before hours of work."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pbrlsvr.errors import ConfigError


def require_writable(path: Path, option: str) -> None:
    """Makes the folder that a file goes into, before the work whose result it is.

    Raises:
        ConfigError: the file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} {str(path)!r}: its folder cannot be made: {error}") from error
    if path.is_dir():
        raise ConfigError(f"{option} {str(path)!r} is a folder; name a file in it")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{option} {str(path)!r}: nothing can be written into {str(path.parent)!r}; give another folder"
        )


def sync(path: Path) -> None:
    """Puts a file's content, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def others_locked_out(file: Path, command: str, option: str) -> Iterator[None]:
    """Holds a lock within the block, or until the process has ended, in whatever way.

    Raises:
        ConfigError: another process has it.
    """
    # Neither through somebody's link, nor readable by others.
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another `pbrlsvr {command}` is at work in {str(file.parent)!r}; wait for it, or give another {option}"
            ) from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` when all of it is on the disk: a hidden file beside it, gone after an error.

    Raises:
        OSError: it cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, whole_file(Path(folder) / "a.txt") as draft:
    ...     (draft.write_text("all of it"), draft.name)
    (9, '.a.txt.partial')
    """
    draft = path.with_name(f".{path.name}.partial")
    try:
        yield draft
        sync(draft)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
