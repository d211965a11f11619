"""Embeddings from OpenAI-compatible `/v1/embeddings` servers: the same vectors as the model gives in this process."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pbrlsvr.errors import ModelError, PbrlsvrError
from pbrlsvr.models.embedding.pooling import Vector, plain_text, pooled
from pbrlsvr.models.embedding.text_splitter import TextSplitter
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, RejectedError
from pbrlsvr.serving.endpoint_options import EndpointOptions

if TYPE_CHECKING:
    from pbrlsvr.models.embedding.options import EncoderSpec

_TEXT_REFUSED = {400, 413, 422}


@dataclass(frozen=True)
class ServedEmbeddings:
    """The options of an encoder, with the servers where it runs; a `ModelOptions`."""

    encoder: "EncoderSpec"
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
        self._format = "base64"  # a quarter of the size of the numbers as text, and no time to parse
        self._dimension: int | None = None

    def run(self, texts: Sequence[str]) -> list[Vector | Failure]:
        """Unit vectors, `[N]` texts -> `[N, d]`; a `Failure` for a text that the servers cannot take.

        When the servers do not answer at all, every text that is left fails with that reason.
        """
        pieces: list[str] = []
        weights: list[int] = []
        owners: list[int] = []
        for owner, text in enumerate(texts):
            for piece, weight in self._splitter.split(plain_text(text)):
                pieces.append(self._splitter.prompt + piece)
                weights.append(weight)
                owners.append(owner)
        vectors = self._loop.run_until_complete(self._embed_all(pieces))
        failures = {owner: v for owner, v in zip(owners, vectors, strict=True) if isinstance(v, Failure)}
        fine: list[Vector] = []
        fine_weights, fine_owners = [], []
        for vector, weight, owner in zip(vectors, weights, owners, strict=True):
            if owner not in failures and not isinstance(vector, Failure):
                fine.append(vector)
                fine_weights.append(weight)
                fine_owners.append(owner)
        if not fine:
            return [failures[owner] for owner in range(len(texts))]
        rows = pooled(np.stack(fine), fine_weights, fine_owners, len(texts))
        return [failures.get(owner, row) for owner, row in enumerate(rows)]

    async def _embed_all(self, pieces: list[str]) -> list[Vector | Failure]:
        results: list[Vector | Failure | None] = [None] * len(pieces)
        tasks = [asyncio.create_task(self._embed(batch, pieces, results)) for batch in self._batches(pieces)]
        try:
            await asyncio.gather(*tasks)
        except BaseException as error:
            # Each of the others would go through all its retries too, only to say the same.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if not isinstance(error, PbrlsvrError):
                raise
            return [Failure(error) if result is None else result for result in results]
        return [result for result in results if result is not None]

    def _batches(self, pieces: list[str]) -> Iterator[list[int]]:
        """Rows of `pieces` for each request; texts of about the same length together, so that a server pads little."""
        limits, batch, characters = self.options.endpoint, list[int](), 0
        for row in sorted(range(len(pieces)), key=lambda row: len(pieces[row]), reverse=True):
            full = len(batch) >= limits.max_texts or characters + len(pieces[row]) > limits.max_characters
            if batch and full:
                yield batch
                batch, characters = [], 0
            batch.append(row)
            characters += len(pieces[row])
        if batch:
            yield batch

    async def _embed(self, batch: list[int], pieces: list[str], results: list[Vector | Failure | None]) -> None:
        """Fills the rows of one batch; a text that is refused, or has no usable vector, fails alone."""
        try:
            vectors = await self._ask([pieces[row] for row in batch], strict=len(batch) == 1)
        except RejectedError as error:
            if error.status not in _TEXT_REFUSED:
                raise
            if len(batch) == 1:
                results[batch[0]] = Failure(error)
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                await self._embed(half, pieces, results)
            return
        for row, vector in zip(batch, vectors, strict=True):
            if _is_usable(vector):
                results[row] = vector / np.linalg.norm(vector)
                continue
            try:
                (again,) = await self._ask([pieces[row]], strict=True)
                results[row] = again / np.linalg.norm(again)
            except PbrlsvrError as error:
                results[row] = Failure(
                    ModelError(f"model {self.options.model!r} has no vector for the text {pieces[row][:80]!r}: {error}")
                )

    async def _ask(self, texts: list[str], strict: bool) -> list[Vector]:
        model = self.options.endpoint.served_model or self.options.model
        while True:
            form = self._format
            payload = {"model": model, "input": texts, "encoding_format": form}
            try:
                return await self._endpoint.post("/embeddings", payload, self._reader(len(texts), strict))
            except RejectedError as error:
                if form != "base64" or not ("encoding_format" in error.body or "base64" in error.body):
                    raise
                self._format = "float"

    def _reader(self, count: int, strict: bool) -> Callable[[Any], list[Vector]]:
        def read(body: Any) -> list[Vector]:
            vectors = _vectors(body, count)
            usable = [vector for vector in vectors if _is_usable(vector)]
            # One text that breaks the model is that text's affair; when most are broken, the server is.
            if len(usable) < len(vectors) and (strict or 2 * len(usable) < len(vectors)):
                raise BadResponse(f"{len(vectors) - len(usable)} of {len(vectors)} vectors are zero or not finite")
            sizes = {len(vector) for vector in vectors}
            expected = self._dimension or min(sizes)
            if sizes != {expected}:
                raise BadResponse(
                    f"vectors of {sorted(sizes)} dimensions where {expected} are expected; do all URLs serve the model "
                    f"{self.options.model!r}?"
                )
            self._dimension = expected
            return vectors

        return read


def _vectors(body: Any, count: int) -> list[Vector]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadResponse(f"the answer holds no list 'data' of embeddings: {str(body)[:300]!r}")
    by_index = {row.get("index"): row.get("embedding") for row in rows}
    if len(rows) != count or set(by_index) != set(range(count)):
        raise BadResponse(f"{len(rows)} embeddings with indices {list(by_index)[:40]} for {count} texts")
    return [_vector(by_index[index]) for index in range(count)]


def _vector(value: Any) -> Vector:
    try:
        if isinstance(value, str):
            vector = np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float32)
        else:
            vector = np.asarray([np.nan if x is None else x for x in value], dtype=np.float32)
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise BadResponse(f"an embedding is neither a list of numbers nor base64: {str(value)[:100]!r}") from error
    if vector.ndim != 1 or not len(vector):
        raise BadResponse(f"an embedding has the shape {vector.shape}")
    return vector


def _is_usable(vector: Vector) -> bool:
    return bool(np.isfinite(vector).all() and vector.any())
