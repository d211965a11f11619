"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
