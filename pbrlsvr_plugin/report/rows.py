"""A step's file -> its rows, some thousand at a time, as columns: a page needs a few numbers of each row, few texts.

Rows with the keys of the first one, as a run writes them, are read into its shape: no text is decoded that nobody asks
for, which halves the time. Where one has another key, or is not quite JSON, it and its neighbours are read as whole
objects. Both ways say the same.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from pbrlsvr.errors import MissingDependencyError
from pbrlsvr.tables import Malformed, lines

try:
    import msgspec
except ImportError as error:
    raise MissingDependencyError("the report reads JSON by msgspec; pip install 'pbrlsvr[report]'") from error

Row = dict[str, Any]
#: Keys of the rows -> those that are needed of each row.
Wanted = Callable[[set[str]], set[str]]

_CHUNK = 2048
# So many lines are in memory at once, few enough for a processor's cache: half of the time again.
_BATCH = 128
#: Keys of a row that has a shape; a damaged file can have a new one in every row.
_MOST_KEYS = 200
_loads = msgspec.json.Decoder().decode


@dataclass
class Chunk:
    """Some rows, in the order of the file.

    Attributes:
        names: the keys of the rows.
        columns: those that are wanted: the value of each row, None where it has none.
        characters: how many each response has; None where there is none.
        lines: the rows as they stand in the file, if they were asked for.
    """

    names: set[str]
    columns: dict[str, list[Any]]
    characters: list[int | None]
    lines: list[bytes]

    def __len__(self) -> int:
        return len(self.characters)

    def column(self, name: str) -> list[Any]:
        """The value of each row; None where it has none."""
        found = self.columns.get(name)
        return [None] * len(self) if found is None else found

    def row(self, place: int) -> Row:
        """All of a row."""
        return object_of(self.lines[place]) or {}

    def without(self, places: Sequence[int]) -> "Chunk":
        """The other rows."""
        left_out = {*places}

        def others(values: list[Any]) -> list[Any]:
            return [value for place, value in enumerate(values) if place not in left_out]

        columns = {name: others(values) for name, values in self.columns.items()}
        return Chunk(self.names, columns, others(self.characters), others(self.lines))


def chunks(path: Path, unread: Counter[str], wanted: Wanted, *, keep_lines: bool = False) -> Iterator[Chunk]:
    """The rows of a file; of an agent's outputs (`<group>_<response>_<output>`, from 0) the last, which was scored.

    Raises:
        DataError: the file cannot be read at all.
    """
    held: Chunk | None = None
    expected: str | None = None
    for chunk in _all(path, unread, lambda names: wanted(names) | {"uid"}, keep_lines):
        replaced, expected = _replaced(chunk.column("uid"), expected)
        # The first output of a chunk may be the next one of the last row before it.
        if held is not None and -1 in replaced:
            held = held.without([len(held) - 1])
        if held:
            yield held
        own = [place for place in replaced if place >= 0]
        held = chunk.without(own) if own else chunk
    if held:
        yield held


def _replaced(uids: Sequence[Any], expected: str | None) -> tuple[list[int], str | None]:
    """The places of the rows behind which a further output comes, and the uid that would be the next output."""
    found: list[int] = []
    start = 0
    if expected not in uids and all(isinstance(uid, str) and uid[-2:] == "_0" for uid in uids):
        start = len(uids) - 1  # no agent has a second output here
    for place, uid in enumerate(uids[start:], start):
        if expected is not None and uid == expected:
            found.append(place - 1)
            response, _, output = expected.rpartition("_")
            expected = f"{response}_{int(output) + 1}"
        elif isinstance(uid, str) and uid.endswith("_0") and uid[:-2].rpartition("_")[2].isdigit():
            expected = f"{uid[:-1]}1"
        else:
            expected = None
    return found, expected


def _all(path: Path, unread: Counter[str], wanted: Wanted, keep_lines: bool) -> Iterator[Chunk]:
    read = _lines(path, unread)
    shape: _Shape | None = None
    while batch := list(islice(read, _BATCH)):
        shape = shape or _Shape.of(batch[0], wanted)
        if shape is None or not shape.add(batch, keep_lines):
            if shape:
                yield from shape.take()
            shape = None
            yield from _of_objects(batch, unread, wanted, keep_lines)
        elif len(shape) >= _CHUNK:
            yield from shape.take()
    if shape:
        yield from shape.take()


def _lines(path: Path, unread: Counter[str]) -> Iterator[bytes]:
    for _, raw in lines(path):
        if isinstance(raw, Malformed):
            unread[raw.reason] += 1
        else:
            yield raw


def _of_objects(batch: list[bytes], unread: Counter[str], wanted: Wanted, keep_lines: bool) -> Iterator[Chunk]:
    found = [(line, row) for line in batch if (row := object_of(line, unread)) is not None]
    if not found:
        return
    rows = [row for _, row in found]
    names = set().union(*rows)
    columns = {name: [row.get(name) for row in rows] for name in (wanted(names) | {"input"}) & names}
    characters = _lengths(row.get("output") for row in rows)
    yield Chunk(names, columns, characters, [line for line, _ in found] if keep_lines else [])


class _Shape:
    """Rows with the keys of one, and no others."""

    def __init__(self, keys: Sequence[str], wanted: set[str]):
        fields = {key: f"f{place}" for place, key in enumerate(keys)}
        needed = wanted | {"output"}
        kinds = [(field, Any if key in needed else msgspec.Raw, None) for key, field in fields.items()]
        made = msgspec.defstruct("Shape", kinds, rename={field: key for key, field in fields.items()},
                                 forbid_unknown_fields=True, gc=False)  # fmt: skip
        self._read = msgspec.json.Decoder(made).decode
        self._get = {key: attrgetter(fields[key]) for key in keys if key in wanted}
        self._output = attrgetter(fields["output"]) if "output" in fields else lambda row: None
        self._group = self._get.get("group")
        self._names = {*keys}
        self._empty()

    @classmethod
    def of(cls, line: bytes, wanted: Wanted) -> "_Shape | None":
        """The shape of a row."""
        row = object_of(line)
        if not row or len(row) > _MOST_KEYS:
            return None
        try:
            return cls([*row], wanted({*row}))
        except ValueError:  # msgspec allows no quotes and no line breaks in a key
            return None

    def __len__(self) -> int:
        return len(self._characters)

    def add(self, batch: list[bytes], keep_lines: bool) -> bool:
        """Reads some lines; whether they are all of this shape. If not, none is added."""
        try:
            rows = list(map(self._read, batch))
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return False
        if self._group and None in map(self._group, rows):
            return False  # rows of which more must be known
        for key, get in self._get.items():
            self._columns[key].extend(map(get, rows))
        self._characters += _lengths(map(self._output, rows))
        if keep_lines:
            self._lines += batch
        return True

    def take(self) -> Iterator[Chunk]:
        """What was read so far, if anything."""
        if self._characters:
            yield Chunk(self._names, self._columns, self._characters, self._lines)
        self._empty()

    def _empty(self) -> None:
        self._columns: dict[str, list[Any]] = {key: [] for key in self._get}
        self._characters: list[int | None] = []
        self._lines: list[bytes] = []


def _lengths(texts: Iterator[Any]) -> list[int | None]:
    return [len(text) if isinstance(text, str) else None for text in texts]


def object_of(line: bytes, unread: Counter[str] | None = None) -> Row | None:
    """The object on a line; None where there is none, which is counted unless the line is empty."""
    try:
        found = _loads(line)
    except (ValueError, RecursionError):
        # NaN, Infinity and half a surrogate pair are not JSON to a strict reader.
        if not line.strip():
            return None
        try:
            found = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            if unread is not None:
                unread["not JSON"] += 1
            return None
    if isinstance(found, dict):
        return found
    if unread is not None:
        unread["not an object"] += 1
    return None
