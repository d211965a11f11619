"""Whether a server's vectors stand where their texts do.

A server that sorts a request by length, or puts the answers of its workers together as they come, and then numbers them
0, 1, 2 ... gives valid vectors of other texts. Nothing in such an answer shows it. So a text whose vector is known goes
along with some requests, each time at another place: with the first ones, and then with about one in a hundred texts.
"""

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.models.embedding.pooling import norms
from pbrlsvr.serving.endpoint import UntrustedError

Vector = NDArray[np.float64]

#: Requests at the start of a process that are looked at, for each server.
AT_FIRST = 4
#: Texts for each further text that is asked for only to look.
TEXTS_PER_LOOK = 100
# The same text in a batch of other lengths, and alone: 0.99997 or more with all-MiniLM-L6-v2 in bfloat16. Servers that
# quantise a batch together stay above this, too; other texts do not.
_SAME = 0.98
# A place for each turn that is far from those before it, whatever the length of the requests.
_STEP = (math.sqrt(5) - 1) / 2


class OrderCheck:
    """Which requests take the known text along, and what their answers show.

    Args:
        model: what an error calls the model.
        text: the known text, with the model's prompt.
        servers: how many servers there are.
    """

    def __init__(self, model: str, text: str, servers: int):
        self.model, self.text, self.servers = model, text, servers
        #: Its unit vector, from a request of its own.
        self.known: Vector = np.zeros(0)
        self._owed = AT_FIRST * servers
        self._texts = 0
        self._turn = random.random()
        self._failure = ""

    def is_due(self) -> bool:
        """Whether the next request with several texts should take the text along."""
        return self._owed > 0

    def place(self, texts: int) -> int:
        """Where in a request of so many texts it goes: not before the first, which most mix-ups leave in place."""
        self._owed -= 1
        self._turn = (self._turn + _STEP) % 1
        return 1 + int(self._turn * texts)

    def count(self, texts: int) -> None:
        """So many texts were planned; one that goes along is owed for each hundred."""
        self._texts += texts
        owed, self._texts = divmod(self._texts, TEXTS_PER_LOOK)
        self._owed += owed

    def not_seen(self) -> None:
        """A request that took it along had no answer, or no vector for it."""
        self._owed += 1

    def require_trust(self) -> None:
        """
        Raises:
            UntrustedError: an answer had its vectors at other places; what others of that server are is not known.
        """
        if self._failure:
            raise UntrustedError(self._failure)

    def look(self, vectors: Sequence[Vector | None], place: int) -> None:
        """Compares the vector at `place` with the known one.

        Raises:
            UntrustedError: it is another.
        """
        cosines = [-1.0 if vector is None else float(vector @ self.known / norms(vector)) for vector in vectors]
        if vectors[place] is None:
            self.not_seen()
        elif cosines[place] < _SAME:
            best = max(range(len(cosines)), key=cosines.__getitem__)
            self._failure = self._what_is_wrong(cosines[place], cosines[best], place, best, len(cosines))
            raise UntrustedError(self._failure)

    def _what_is_wrong(self, here: float, there: float, place: int, best: int, count: int) -> str:
        seen = (
            f"the text at place {place} of {count} got a vector whose cosine with the one that it got alone is "
            f"{here:.3f}"
        )
        if there >= _SAME:
            return (
                f"{seen}; that at place {best} has {there:.3f}: the server mixes up the order of a request's texts, so "
                "each score would be another text's. Update or replace it, or set serving.endpoint.max_texts=1, which "
                "asks for each text alone; remove what serving.cache_dir has kept of this model"
            )
        others = "do all URLs serve it, and in the same precision? " if self.servers > 1 else ""
        return (
            f"{seen}, and no other place has more than {there:.3f}: {others}A text must have the same vector in each "
            f"request, and does not with model {self.model!r}. Look at what the servers load, or set "
            "serving.endpoint.max_texts=1, which asks for each text alone"
        )
