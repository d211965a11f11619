"""Results of a function of one text, remembered within a budget.

`functools.lru_cache` counts entries, whatever their size: a thousand texts of a model or a client, as long as these may
be, are gigabytes.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import TypeVar

T = TypeVar("T")

#: What an entry costs beside its text, in characters: empty texts are not free.
_ENTRY = 64


def remembered(characters: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """A decorator that keeps the results for the texts that were asked for last, from any thread.

    Example:
        >>> @remembered(characters=1000)
        ... def shout(text: str) -> str:
        ...     print("computed")
        ...     return text.upper()
        >>> shout("a"), shout("a")
        computed
        ('A', 'A')
    """

    def decorate(function: Callable[[str], T]) -> Callable[[str], T]:
        kept: OrderedDict[str, T] = OrderedDict()
        lock, held = Lock(), 0

        @wraps(function)
        def asked(text: str) -> T:
            nonlocal held
            with lock:
                if text in kept:
                    kept.move_to_end(text)
                    return kept[text]
            result = function(text)
            with lock:
                if text not in kept:
                    kept[text] = result
                    held += len(text) + _ENTRY
                while held > characters:
                    held -= len(kept.popitem(last=False)[0]) + _ENTRY
            return result

        return asked

    return decorate
