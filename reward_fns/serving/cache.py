"""Results that were computed before: in memory, within a budget of bytes."""

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: What `LruCache.get` returns for a key that it does not have.
MISSING: Any = object()

# What an entry takes beside its key and its value, as measured with CPython 3.11.
_ENTRY_BYTES = 150


class LruCache(Generic[Key, Value]):
    """A mapping within a budget of bytes; the least recently used entries leave first. The caller locks.

    Example:
        >>> cache = LruCache(10_000)
        >>> cache.put("a", 1.0)
        >>> cache.get("a"), cache.get("b") is MISSING
        (1.0, True)
    """

    def __init__(self, max_bytes: int):
        self.bytes = 0
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Any:
        """The value, or `MISSING`."""
        entry = self._entries.get(key)
        if entry is None:
            return MISSING
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Key, value: Value) -> None:
        size = _bytes(key) + _bytes(value) + _ENTRY_BYTES
        if key in self._entries:
            self.bytes -= self._entries.pop(key)[1]
        self._entries[key] = (value, size)
        self.bytes += size
        while self.bytes > self._max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self.bytes -= freed


def _bytes(value: object) -> int:
    if isinstance(value, tuple | list):
        return sys.getsizeof(value) + sum(map(_bytes, value))
    # Of a tensor, and of a view on an array, `getsizeof` tells the object alone.
    numbers = getattr(value, "nbytes", None)
    return sys.getsizeof(value) if numbers is None else numbers + _ENTRY_BYTES
