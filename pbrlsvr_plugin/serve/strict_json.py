"""JSON as RFC 8259 has it, and nothing that two readers could read in two ways."""

import asyncio
import json
import math
from typing import Any

from starlette.responses import Response

#: Lists and objects in one another.
MOST_DEEP = 64
#: A body from here on is read on a thread, so that others are answered meanwhile.
_LARGE = 2**18
_reading = asyncio.Lock()


class NotJson(ValueError):  # noqa: N818 - what it is
    """A body that is no JSON, or means two things; says where, and what to do."""


async def read(body: bytes) -> Any:
    """The value of a body; large ones one after the other, since each takes many times its size in memory.

    Raises:
        NotJson: see `parsed`.
    """
    if len(body) < _LARGE:
        return parsed(body)
    async with _reading:
        return await asyncio.to_thread(parsed, body)


def parsed(body: bytes) -> Any:
    """The value of a body in UTF-8.

    Raises:
        NotJson: it is no JSON; or has NaN, Infinity or numbers beyond 64 bits of a float, an object with a key twice,
            or more than 64 lists and objects in one another.

    Example:
        >>> parsed(b'{"a": [1.5, null]}')
        {'a': [1.5, None]}
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start} is no UTF-8; send JSON in UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_constant, parse_float=_float, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} in line {error.lineno}, column {error.colno}; send one JSON object") from None
    except RecursionError:
        raise NotJson(f"more than {MOST_DEEP} lists and objects in one another; send it flat") from None
    except NotJson:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise NotJson(f"{str(error)[:200]}; send numbers of a usual size") from None
    _require_flat(value)
    return value


def _constant(name: str) -> Any:
    raise NotJson(f"{name} is no number in JSON; leave the field out, or send null")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson(f"the number {text[:40]} is too large; the largest is 1.8e308")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotJson(f"an object has the key {twice[:80]!r} twice; send it once")
    return found


def _require_flat(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEEP):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise NotJson(f"more than {MOST_DEEP} lists and objects in one another; send it flat")


class Reply(Response):
    """A JSON answer: ASCII, so that half a surrogate pair can be sent back, and never NaN."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
