"""What a user names where table files are wanted: a file, a folder of them, or a pattern."""

import re
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from pbrlsvr.errors import DataError
from pbrlsvr.tables.files import ENDINGS, ending

# `Path` makes one slash of two.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")


def require_local(name: str) -> None:
    """
    Raises:
        DataError: it is an address and no path.
    """
    if (url := _URL.match(name)) is None:
        return
    if url[1] == "file":
        raise DataError(f"{name!r} is an address; give the path alone, such as {'/' + name[url.end() :]!r}")
    raise DataError(
        f"{name!r} is not on this machine, and only local files are read here: download it (`aws s3 cp`, `gsutil cp`, "
        "`hdfs dfs -get`) or mount it, and name the copy"
    )


def table_paths(name: str) -> list[Path]:
    """The table files that a name stands for: the file itself, those in a folder, or those that a pattern fits.

    Raises:
        DataError: there is none, or it is an address and no path.

    >>> table_paths("s3://bucket/train.parquet")
    Traceback (most recent call last):
    ...
    pbrlsvr.errors.DataError: 's3://bucket/train.parquet' is not on this machine, and only local files are read here: \
download it (`aws s3 cp`, `gsutil cp`, `hdfs dfs -get`) or mount it, and name the copy
    """
    require_local(name)
    path = Path(name).expanduser()
    if path.is_file():
        if not ending(path):
            raise DataError(f"{name!r} has none of the endings {list(ENDINGS)}, which say how a file is read")
        return [path]
    if path.is_dir():
        found, what = sorted(path.iterdir()), "the folder"
    elif has_magic(name):
        what = "the pattern"
        found = sorted(map(Path, glob(str(path), recursive=True)))  # noqa: PTH207 - a pattern may be absolute
    elif path.exists():
        raise DataError(f"{name!r} is neither a file nor a folder")
    else:
        raise DataError(f"there is no file or folder {name!r} (looked for from {str(Path.cwd())!r})")
    tables = [each for each in found if each.is_file() and ending(each)]
    if not tables:
        others = f"; it has {[each.name for each in found[:10]]}" if found else ""
        raise DataError(f"{what} {name!r} has no file with an ending of {list(ENDINGS)}{others}")
    return tables


def distinct(paths: Sequence[Path]) -> None:
    """
    Raises:
        DataError: a file is named twice.
    """
    seen: dict[Path, Path] = {}
    for path in paths:
        real = path.resolve()
        if real in seen:
            raise DataError(f"{str(path)!r} is named twice (as {str(seen[real])!r} before); leave one of them")
        seen[real] = path
