"""What answers have cost, in tokens."""

from collections.abc import Mapping
from typing import Any

#: What a server states of an answer's cost.
TOKENS = ("prompt_tokens", "completion_tokens")
#: No answer has more tokens than this.
_MOST_TOKENS = 100_000_000


def tokens_of(usage: Mapping[str, Any], name: str) -> int:
    """A count of tokens that a server states; 0 for what cannot be one.

    >>> [tokens_of({"t": stated}, "t") for stated in (7, "n/a", 1e999, -3, 10**18, None)]
    [7, 0, 0, 0, 0, 0]
    """
    stated = usage.get(name)
    return stated if isinstance(stated, int) and 0 <= stated <= _MOST_TOKENS else 0


class Cost:
    """What answers have cost, also those of earlier runs; each once."""

    def __init__(self) -> None:
        self.facts = {"answers": 0, "prompt_tokens": 0, "completion_tokens": 0}
        self._counted: set[int] = set()

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._counted

    def add(self, key: str, answer: Mapping[str, Any]) -> None:
        """Counts the answer to the request with this key."""
        if key not in self:
            self._counted.add(hash(key))
            self.facts["answers"] += 1
            for name in TOKENS:
                self.facts[name] += tokens_of(answer["usage"], name)
