"""What translates: a model in this process (`seq2seq`, `ct2`), or a chat model behind an endpoint (`chat`)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pbrlsvr.serving.batcher import Failure


class Request(NamedTuple):
    """A text of one line that an engine is asked to translate; the languages are canonical BCP-47 tags."""

    text: str
    source: str
    target: str


class Translation(NamedTuple):
    """What an engine made of it. `finished` is False where it was stopped at its bound."""

    text: str
    finished: bool


class Engine(Protocol):
    """Translates many texts."""

    #: The longest text that it takes at once, in units of `size`.
    limit: int
    #: Whether it is given whole lines instead of sentences.
    takes_lines: bool

    def size(self, text: str) -> int:
        """How long a text is for this engine."""

    def translate(self, requests: Sequence[Request]) -> Sequence[Translation | Failure]:
        """`[N]` different requests -> `[N]` translations in order, with a `Failure` for one that has none.

        Raises:
            DataError: the engine lacks a language.
            ModelError: the model fails.
            ServiceError: the service does not answer.
        """
