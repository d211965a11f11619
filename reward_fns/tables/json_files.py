"""Values of .jsonl and .json files, a line or a document at a time."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.tables.files import BOM, Malformed, Record, ending, lines, not_utf8, open_packed, shown, too_long

#: The longest .json file that is one document, which cannot be read in pieces.
DOCUMENT_BYTES = 64 << 20


def json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """The values of a .jsonl or .json file, Malformed where there is none: as `records`, but not only objects."""
    if ending(path) == ".json":
        # A list or an object in the whole file, or a value on each line: the first line says which.
        first: Any = next((_value(raw) for _, raw in lines(path) if isinstance(raw, Malformed) or raw.strip()), {})
        if isinstance(first, Malformed | list):
            return _document(path)
    return _json_lines(path)


def as_record(value: Any) -> Record:
    return value if isinstance(value, dict | Malformed) else _no_object(value)


def _no_object(found: object) -> Malformed:
    return Malformed("not_an_object", f"expected an object with named values, found a {type(found).__name__}")


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, raw in lines(path):
        if isinstance(raw, Malformed):
            yield number, raw
        elif raw.strip():
            yield number, _value(raw)


def _document(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with open_packed(path) as file:
            raw = file.read(DOCUMENT_BYTES + 1)
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name!r} cannot be read: {error}") from error
    found = _value(raw.removeprefix(BOM)) if len(raw) <= DOCUMENT_BYTES else too_long(len(raw))
    if not isinstance(found, Malformed):
        yield from enumerate(found if isinstance(found, list) else [found], start=1)
    elif any(isinstance(_value(raw), dict) for _, raw in islice(lines(path), 100)):
        yield from _json_lines(path)  # whose first line is damaged
    else:
        raise DataError(
            f"{path.name!r}: {found.detail}; a .json file of more than {DOCUMENT_BYTES:,} bytes must hold an object on "
            "each line"
        )


def _value(raw: bytes | Malformed) -> Any:
    if isinstance(raw, Malformed):
        return raw
    try:
        return json.loads(raw.rstrip().decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return not_utf8(error)
    except _TwiceError as error:
        return Malformed("twice", f"a name stands twice in an object: {shown(error.args[0])}")
    except (ValueError, RecursionError) as error:
        return Malformed("not_json", f"not JSON: {_json_fault(error)}")


class _TwiceError(Exception):
    """Of two values under one name nobody can say which is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for place, name in enumerate(names) if name in names[:place]))
    return found


def _json_fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at {f'line {error.lineno}, ' if error.lineno > 1 else ''}column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"
