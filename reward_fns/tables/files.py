"""What all kinds of table files share: how a user names them, their lines, rows that cannot be read, and bounds."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
COMPRESSED = (".gz", ".zst", ".bz2")
#: The longest row, unpacked.
ROW_BYTES = 8 << 20
#: A file is refused that unpacks to more than this and to more than `UNPACKED_TIMES` its size.
UNPACKED_BYTES, UNPACKED_TIMES = 256 << 20, 200
#: What a row costs besides: a file of empty lines is out of proportion, too.
_LINE_BYTES = 256
BOM = b"\xef\xbb\xbf"
#: How files begin that are no text in UTF-8 -> what they are, and what to do.
_NO_TEXT = {
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"\x1f\x8b": "packed with gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "packed with zstd; let its name end in .zst",
    b"BZh": "packed with bzip2; let its name end in .bz2",
    b"PK\x03\x04": "a zip archive or a spreadsheet; take out the table and save it as .csv or .jsonl",
    b"PAR1": "a parquet file; let its name end in .parquet",
}

# `Path` makes one slash of two.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")


@dataclass(frozen=True)
class Malformed:
    """What stands where a row should: a short reason code, and a text for people."""

    reason: str
    detail: str


Record = dict[str, Any] | Malformed


def ending(path: Path) -> str:
    """The ending that says how a file is read, or "" for one that is unknown.

    >>> ending(Path("train.jsonl.gz")), ending(Path("notes.txt"))
    ('.jsonl', '')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] != [] and suffixes[-1] in COMPRESSED
    endings = suffixes[-2:] if packed else suffixes[-1:]
    known = ENDINGS[:-1] if packed else ENDINGS
    return endings[0] if endings and endings[0] in known else ""


def lines(path: Path) -> Iterator[tuple[int, bytes | Malformed]]:
    r"""The lines of a text file, also a compressed one; only "\n" ends a line. One that is too long is Malformed.

    Raises:
        DataError: the file cannot be read, or unpacks to too much.
    """
    unpacked = Unpacked(path)
    number = 0
    try:
        with open_packed(path) as file:
            while raw := file.readline(ROW_BYTES + 1):
                number += 1
                unpacked.add(_LINE_BYTES + len(raw))
                if number == 1 and (what := next((_NO_TEXT[each] for each in _NO_TEXT if raw.startswith(each)), "")):
                    raise DataError(f"{path.name!r} cannot be read: it is {what}")
                if len(raw) <= ROW_BYTES:
                    yield number, raw.removeprefix(BOM) if number == 1 else raw
                    continue
                length = len(raw)
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(1 << 20)
                    length += len(raw)
                    unpacked.add(len(raw))
                yield number, too_long(length)
    except (OSError, EOFError, MemoryError) as error:
        raise DataError(f"{path.name}:{number + 1}: the file cannot be read: {error}") from error


class Unpacked:
    """Counts what a file unpacks to.

    Raises:
        DataError: from `add`: it is out of all proportion to the file's size.
    """

    def __init__(self, path: Path):
        self._name, self._size, self._bytes = path.name, path.stat().st_size if path.exists() else 0, 0
        self._limit = max(UNPACKED_BYTES, UNPACKED_TIMES * self._size)

    def add(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limit:
            raise DataError(
                f"{self._name!r} has {self._size:,} bytes and unpacks to more than {self._limit:,}, which is more than "
                f"{UNPACKED_TIMES:,} times as much; if that is right, write it as an uncompressed .jsonl file"
            )


def require_different(path: Path, names: Sequence[str]) -> None:
    """
    Raises:
        DataError: two columns have the same name, and a reader would take one of them in silence.
    """
    # Spreadsheets write empty columns, which nobody asks for.
    if twice := repeated(filter(str.strip, names)):
        raise DataError(f"{path.name!r} has two columns of the name {shown(twice)}; rename one")


def repeated(names: Iterable[str]) -> str | None:
    """The first of the names that are there more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def shown_columns(names: Sequence[object]) -> str:
    """Names of columns for an error: 20 at most, and only what looks like a name.

    The first line of a file that is no table, such as a key or a password file, would be shown otherwise.

    >>> shown_columns(["question", "answer"]), shown_columns(["root:x:0:0:root:/root:/bin/bash"])
    ("['question', 'answer']", '1 column whose name is not shown')
    """
    texts = [str(name) for name in names]
    if len(texts) == 1 and not re.fullmatch(r"[a-z_.]{1,40}", texts[0], re.I | re.A):
        return "1 column whose name is not shown"
    more = f" and {len(texts) - 20} more" if len(texts) > 20 else ""
    return f"[{', '.join(map(shown, texts[:20]))}]{more}"


def shown(name: str) -> str:
    return repr(name) if re.fullmatch(r"\w[\w .()/-]{0,39}", name) else "'...'"


def too_long(length: int) -> Malformed:
    return Malformed("too_long", f"the row has {length:,} bytes or more; {ROW_BYTES:,} are read")


def not_utf8(error: UnicodeError) -> Malformed:
    place = f"byte {error.start + 1}: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error)
    return Malformed("not_utf8", f"not UTF-8 ({place}); save the file as UTF-8")


def open_packed(path: Path) -> io.BufferedReader:
    if path.suffix.lower() not in COMPRESSED:
        # A quarter of the time that the default, 8 KiB, takes for rows of a few kilobytes.
        return io.BufferedReader(io.FileIO(path), 1 << 18)
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(str(path), compression="detect"), 1 << 20)


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
    if url := _URL.match(name):
        if url[1] == "file":
            raise DataError(f"{name!r} is an address; give the path alone, such as {'/' + name[url.end() :]!r}")
        raise DataError(
            f"{name!r} is not on this machine, and only local files are read here: download it (`aws s3 cp`, "
            "`gsutil cp`, `hdfs dfs -get`) or mount it, and name the copy"
        )
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
