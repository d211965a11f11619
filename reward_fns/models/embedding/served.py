"""Embeddings from OpenAI-compatible `/v1/embeddings` servers: the same vectors as the model gives in this process."""

import asyncio
import base64
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.errors import ModelError, PbrlsvrError
from pbrlsvr.models.embedding.cards import last_part
from pbrlsvr.models.embedding.options import Unprompted
from pbrlsvr.models.embedding.order import OrderCheck
from pbrlsvr.models.embedding.pooling import LARGEST_NORM, SMALLEST_NORM, are_usable, norms, plain_text, pooled
from pbrlsvr.models.embedding.text_splitter import TextSplitter, dimension_of
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, RejectedError, UntrustedError, until_one_fails
from pbrlsvr.serving.endpoint_options import EndpointOptions

if TYPE_CHECKING:
    from pbrlsvr.models.embedding.embedder import EncoderLoader

Vector = NDArray[np.float64]

_TEXT_REFUSED = {400, 413, 422}
# What an answer may have: a number as text with its comma, and what stands around the vectors.
_NUMBER_BYTES, _ANSWER_BYTES = 32, 2**20
_MOST_DIMENSIONS = 2**14

# Asked for in both formats; above this cosine they say the same.
_FIRST_TEXT, _SAME = "Ana has 17 apples and gives away 6.", 0.99
# No encoder puts another text beside it at a cosine of nearly 1.
_CONSTANT = 0.9999
_SAME_VECTOR = (
    "the servers of model {!r} give texts that have nothing in common the same vector: every response would score 1. "
    "Look at what the servers load"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedEmbeddings:
    """The options of an encoder, with the servers where it runs; a `ModelOptions`."""

    encoder: "EncoderLoader"
    endpoint: EndpointOptions

    @property
    def model(self) -> str:
        """The encoder's name."""
        return self.encoder.model

    def load(self) -> "EndpointEncoder":
        """A client of the servers; nothing is asked yet."""
        return EndpointEncoder(self)


class EndpointEncoder:
    """Texts -> unit vectors, over HTTP; long texts split and pooled as `SentenceEncoder` does."""

    def __init__(self, options: ServedEmbeddings):
        self.options = options
        self._endpoint = Endpoint(options.endpoint)
        self._splitter = TextSplitter.of(options.encoder)
        self._loop = asyncio.new_event_loop()
        self._format = ""  # "base64" or "float"
        self._dimension = dimension_of(options.encoder)
        # How many more answers that cannot be used are laid to the texts; none, until one was right.
        self._trust = 0
        self._warned: set[str] = set()
        first = self._splitter.prompt + _FIRST_TEXT
        self._order = OrderCheck(options.model, first, len(options.endpoint.urls))

    def run(self, texts: Sequence[str | Unprompted]) -> list[Any]:
        """Unit vectors, `[N]` texts -> `[N, d]`; a `Failure` for a text that the servers cannot take.

        When the servers do not answer at all, every text that is left fails with that reason.
        """
        pieces: list[str] = []
        weights: list[int] = []
        owners: list[int] = []
        for owner, item in enumerate(texts):
            text, prompt = (item.text, "") if isinstance(item, Unprompted) else (item, self._splitter.prompt)
            for piece, weight in self._splitter.split(plain_text(text)):
                pieces.append(prompt + piece)
                weights.append(weight)
                owners.append(owner)
        vectors = self._loop.run_until_complete(self._embed_all(pieces))
        failures = {owner: v for owner, v in zip(owners, vectors, strict=True) if isinstance(v, Failure)}
        results: list[Any] = [failures.get(owner) for owner in range(len(texts))]
        fine = [owner for owner, failure in enumerate(results) if failure is None]
        place = {owner: at for at, owner in enumerate(fine)}
        kept = [row for row, owner in enumerate(owners) if owner in place]
        if kept:
            rows: list[Any] = [vectors[row] for row in kept]
            found = pooled(rows, [weights[row] for row in kept], [place[owners[row]] for row in kept], len(fine))
            for owner, vector in zip(fine, found, strict=True):
                results[owner] = vector
        return results

    async def _embed_all(self, pieces: list[str]) -> list[Vector | Failure]:
        results: list[Vector | Failure | None] = [None] * len(pieces)
        if not self._format:
            try:
                await self._settle_format()
            except PbrlsvrError as error:
                return [Failure(error)] * len(pieces)
        failure = await until_one_fails(
            self._embed(batch, pieces, results, place) for batch, place in self._batches(pieces)
        )
        if isinstance(failure, UntrustedError):  # what else was answered meanwhile may be as wrong
            return [Failure(failure)] * len(pieces)
        if failure is not None:
            return [Failure(failure) if result is None else result for result in results]
        found = [result for result in results if result is not None]
        if self._is_constant(pieces, found):
            return [Failure(BadResponse(_SAME_VECTOR.format(self.options.model)))] * len(found)
        return found

    def _is_constant(self, pieces: list[str], found: list[Vector | Failure]) -> bool:
        """Whether all texts have the vector of the first text that was asked for, though they are others."""
        first, known = self._order.text, self._order.known
        others = [
            row for piece, row in zip(pieces, found, strict=True) if piece != first and not isinstance(row, Failure)
        ]
        return bool(others) and all(float(row @ known / norms(row)) > _CONSTANT for row in others)

    def _batches(self, pieces: list[str]) -> Iterator[tuple[list[int], int | None]]:
        """Rows of `pieces` for each request, and where in it the known text goes, if it does.

        Texts of about the same length go together, so that a server pads little.
        """
        limits, batch, characters = self.options.endpoint, list[int](), 0
        self._order.count(len(pieces))
        for row in sorted(range(len(pieces)), key=lambda row: len(pieces[row]), reverse=True):
            takes_known = self._takes_known()
            taken = characters + takes_known * len(self._order.text)
            full = len(batch) + takes_known >= limits.max_texts
            if batch and (full or taken + len(pieces[row]) > limits.max_characters):
                yield self._planned(batch)
                batch, characters = [], 0
            batch.append(row)
            characters += len(pieces[row])
        if batch:
            yield self._planned(batch)

    def _takes_known(self) -> bool:
        return self.options.endpoint.max_texts > 1 and self._order.is_due()

    def _planned(self, batch: list[int]) -> tuple[list[int], int | None]:
        # One text has no order, unless no request can have more beside the known one.
        several = len(batch) > 1 or self.options.endpoint.max_texts == 2
        return batch, self._order.place(len(batch)) if several and self._takes_known() else None

    async def _embed(self, batch: list[int], pieces: list[str], results: list[Any], place: int | None = None) -> None:
        """Fills the rows of one batch; a text that is refused, or has no usable vector, fails alone."""
        try:
            self._order.require_trust()
            alone = len(batch) == 1 and place is None
            vectors = await self._post([pieces[row] for row in batch], self._format, strict=alone, place=place)
        except (RejectedError, BadResponse) as error:
            if place is not None:
                self._order.not_seen()
            if not self._may_be_the_text(error):
                raise
            if len(batch) == 1:
                results[batch[0]] = Failure(error)
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                await self._embed(half, pieces, results)
            return
        for row, vector in zip(batch, vectors, strict=True):
            if vector is not None:
                results[row] = vector
                continue
            try:
                (results[row],) = await self._post([pieces[row]], self._format, strict=True)
            except PbrlsvrError as error:
                results[row] = Failure(
                    ModelError(f"model {self.options.model!r} has no vector for the text {pieces[row][:80]!r}: {error}")
                )

    def _may_be_the_text(self, error: RejectedError | BadResponse) -> bool:
        if isinstance(error, RejectedError):
            return error.status in _TEXT_REFUSED
        self._trust -= 1
        return self._trust >= 0

    async def _settle_format(self) -> None:
        """Asks for one vector as numbers, which cannot be misread, and as bytes, which are taken if they say the same.

        Bytes take a quarter of the room and no time to parse. Some servers have none, or of another number format.
        """
        text = [self._order.text]
        (numbers,) = await self._post(text, "float", strict=True)
        assert numbers is not None
        self._order.known = numbers / norms(numbers)
        self._dimension, self._format = len(numbers), "float"
        try:
            (from_bytes,) = await self._post(text, "base64", strict=True)
            assert from_bytes is not None
            cosine = float(numbers @ from_bytes / (norms(numbers) * norms(from_bytes)))
            reason = "" if cosine > _SAME else f"they say something else than the numbers do (cosine {cosine:.3f})"
        except (RejectedError, BadResponse) as error:
            reason = str(error)
        if reason:
            log.warning("model=%r: the server's vectors in base64 are not used: %s", self.options.model, reason)
        else:
            self._format = "base64"

    async def _post(self, texts: list[str], form: str, strict: bool, place: int | None = None) -> list[Vector | None]:
        if place is not None:
            texts = [*texts[:place], self._order.text, *texts[place:]]
        model = self.options.endpoint.served_model or self.options.model
        payload = {"model": model, "input": texts, "encoding_format": form}
        most = _ANSWER_BYTES + len(texts) * (self._dimension or _MOST_DIMENSIONS) * _NUMBER_BYTES
        read = partial(self._read, len(texts), form, strict, place)
        found = await self._endpoint.post("/embeddings", payload, read, most)
        # One bad text costs a failure for each halving of its batch.
        self._trust = self.options.endpoint.max_texts.bit_length() + 3
        return found

    def _read(self, count: int, form: str, strict: bool, place: int | None, body: Any) -> list[Vector | None]:
        vectors = _vectors(body, count, form)
        self._warn_of_another(body.get("model"))
        sizes = [len(vector) for vector in vectors if vector is not None]
        expected = self._dimension or max(sizes, default=0)
        strange = sorted(set(sizes) - {expected})
        vectors = [vector if vector is not None and len(vector) == expected else None for vector in vectors]
        found = [None if vector is None else float(norms(vector)) for vector in vectors]
        usable = [norm is not None and bool(are_usable(np.float64(norm))) for norm in found]
        # One text that breaks the model is that text's affair; when most are broken, the server is.
        if not all(usable) and (strict or 2 * sum(usable) < count):
            if strange:
                raise BadResponse(
                    f"vectors of {strange[:5]} dimensions where {expected} are expected; do all URLs serve the model "
                    f"{self.options.model!r}?"
                )
            wrong = [norm for norm, fine in zip(found, usable, strict=True) if not fine]
            raise BadResponse(
                f"{len(wrong)} of {count} vectors are no lists of numbers, or have a norm outside of {SMALLEST_NORM:g} "
                f"to {LARGEST_NORM:g}: {wrong[:5]!r}"
            )
        vectors = [vector if fine else None for vector, fine in zip(vectors, usable, strict=True)]
        if place is not None:
            self._order.look(vectors, place)
            del vectors[place]
        return vectors

    def _warn_of_another(self, said: Any) -> None:
        """Some servers ignore which model they are asked for, and say which one it was."""
        asked = self.options.endpoint.served_model or self.options.model
        if not isinstance(said, str) or said in self._warned or len(self._warned) > 9:
            return
        if last_part(said).casefold() == last_part(asked).casefold():
            return
        self._warned.add(said)
        log.warning("asked for model %r, the server says that %r answered: compare both", asked, said[:200])


def _vectors(body: Any, count: int, form: str) -> list[Vector | None]:
    """The vectors in the order of the texts; `None` for one that cannot be read."""
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadResponse("the answer holds no list 'data' of embeddings")
    indices = [row.get("index") for row in rows]
    # `True`, and 1.0, are equal to 1.
    if not all(type(index) is int for index in indices) or sorted(indices) != list(range(count)):
        raise BadResponse(f"{len(rows)} embeddings with indices {repr(indices[:40])[:200]} for {count} texts")
    by_index = {row["index"]: row.get("embedding") for row in rows}
    return [_vector(by_index[index], form) for index in range(count)]


def _vector(value: Any, form: str) -> Vector | None:
    try:
        if isinstance(value, str) and form == "base64":  # which may be answered with numbers, but not the other way
            vector = np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float64)
        elif isinstance(value, list) and all(type(x) in (int, float) for x in value):
            vector = np.asarray(value, dtype=np.float64)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return vector if len(vector) else None
