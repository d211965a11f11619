"""Sentence embeddings: any sentence-transformers model, long texts split and pooled, each text encoded once."""

import asyncio
import logging
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.alignment import alignment
from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError
from pbrlsvr.scorers.encoders import known_encoder
from pbrlsvr.scorers.pieces import split_steps, split_to_fit
from pbrlsvr.serving.batcher import Batcher

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vector = NDArray[np.float32]

DTYPES = ("float32", "bfloat16", "float16")

#: The most steps of a text that are told apart; more are joined. Bounds the work of `alignment`.
MAX_STEPS = 256

_JOINERS = "\u200c\u200d"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddingOptions:
    """How texts become vectors.

    Attributes:
        model: a sentence-transformers model: a folder, or a name on the Hugging Face hub.
        revision: the commit, tag or branch of a hub model.
        prompt: put before each text. `None` takes what the model's card asks for (`scorers/encoders.py`), else what
            the model's own configuration says; `""` puts nothing.
        max_tokens: the longest piece that is encoded at once, never more than the model takes. `None` takes what the
            model's card recommends, else the model's own limit.
        device: "auto" (a GPU where this process sees one, else the CPU) or a torch device.
        dtype: "float32", "bfloat16" or "float16".
        batch_size: pieces in one forward pass.
        cache_size: vectors kept in memory, the least recently used leave first.
    """

    model: str
    revision: str | None = None
    prompt: str | None = None
    max_tokens: int | None = None
    device: str = "auto"
    dtype: str = "float32"
    batch_size: int = 64
    cache_size: int = 100_000

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model.strip():
            raise ConfigError(f"model={self.model!r} names no model; give a folder or a name on the Hugging Face hub")
        for name in ("max_tokens", "batch_size", "cache_size"):
            value = getattr(self, name)
            unset = name == "max_tokens" and value is None
            if not unset and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigError(f"{name}={value!r} must be a whole number of 1 or more")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype={self.dtype!r} is not one of {list(DTYPES)}")
        known = known_encoder(self.model)
        # A folder of that name may hold a converted model; loading it shows.
        if known and known.refused and not Path(self.model).is_dir():
            raise ConfigError(f"model={self.model!r} cannot be used: {known.refused}")


@dataclass(frozen=True)
class Steps:
    """The sentences of a text: unit vectors `[n, d]` and lengths in characters `[n]`, in order."""

    vectors: Vector
    lengths: NDArray[np.float64]


class Embedder:
    """One loaded model and the vectors that it has made. Get it with `embedder(options)`, which shares it."""

    def __init__(self, options: EmbeddingOptions):
        self.options = options
        self._model: SentenceTransformer | None = None
        self._load_error: ModelError | MissingDependencyError | None = None
        self._batcher = Batcher[str, Vector](
            self.encode, name=f"pbrlsvr-embed-{options.model}", max_cached=options.cache_size
        )

    async def embed(self, text: str) -> Vector:
        """The unit vector `[d]` of a text.

        Raises:
            ModelError: the model cannot be loaded, or returns something that is not a vector of numbers.
            MissingDependencyError: sentence-transformers is not installed.
        """
        return await asyncio.shield(asyncio.wrap_future(self._batcher.submit(text)))

    async def cosine(self, text: str, reference: str) -> float:
        """The cosine in [-1, 1] between the vectors of two texts."""
        a, b = await asyncio.gather(self.embed(text), self.embed(reference))
        return float(np.clip(np.dot(a.astype(np.float64), b.astype(np.float64)), -1.0, 1.0))

    async def steps(self, text: str) -> Steps:
        """The sentences of a text as vectors; a sentence that was seen before is not encoded again.

        Example:
            >>> import asyncio
            >>> encoder = embedder(EmbeddingOptions("intfloat/multilingual-e5-small"))
            >>> asyncio.run(encoder.steps("Ana has 17 apples. She gives away 6.")).lengths  # doctest: +SKIP
            array([18., 17.])
        """
        sentences = split_steps(text, MAX_STEPS)
        vectors = await asyncio.gather(*map(self.embed, sentences))
        lengths = np.array([len(sentence) for sentence in sentences], dtype=np.float64)
        return Steps(np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32), lengths)

    async def alignment(self, text: str, reference: str, floor: float = 0.0) -> float:
        """How far the sentences of two texts match in order, in [0, 1]; see `pbrlsvr.alignment`."""
        a, b = await asyncio.gather(self.steps(text), self.steps(reference))
        return alignment(a.vectors, b.vectors, a.lengths, b.lengths, floor=floor)

    def encode(self, texts: list[str]) -> list[Vector]:
        """Unit vectors, `[N]` texts -> `[N, d]`: of a long text, the length-weighted mean of its pieces'."""
        model = self._loaded()
        texts = [_plain(text) for text in texts]
        limit = self.piece_tokens
        pieces, weights, owners = [], [], []
        for owner, text in enumerate(texts):
            for piece, length in split_to_fit(text, model.tokenizer, limit):
                pieces.append(piece)
                weights.append(length)
                owners.append(owner)
        vectors = model.encode(
            pieces,
            prompt=self.prompt,
            batch_size=self.options.batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        ).astype(np.float32)
        if not np.isfinite(vectors).all():
            bad = pieces[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
            raise ModelError(
                f"model {self.options.model!r} gave a vector that is not finite for the text {bad[:80]!r}; "
                f"with dtype={self.options.dtype!r} try dtype='float32'"
            )
        pooled = np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)
        np.add.at(pooled, owners, vectors * np.asarray(weights, dtype=np.float32)[:, None])
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        return list(pooled / np.maximum(norms, np.finfo(np.float32).tiny))

    @property
    def prompt(self) -> str | None:
        """What is put before each text: the option, else the card's prompt, else the model's own default (`None`)."""
        return card_prompt(self.options.model) if self.options.prompt is None else self.options.prompt

    @property
    def piece_tokens(self) -> int:
        """How many tokens of text fit into one forward pass, beside the prompt and the special tokens."""
        model = self._loaded()
        known = known_encoder(self.options.model)
        wanted = self.options.max_tokens or (known.max_tokens if known else None)
        limit = min(wanted or _model_limit(model), _model_limit(model))
        prompt = self.prompt
        if prompt is None:
            prompt = model.prompts.get(model.default_prompt_name or "", "")
        taken = len(model.tokenizer(prompt)["input_ids"])
        if limit <= taken:
            raise ConfigError(
                f"max_tokens={self.options.max_tokens!r} leaves no room for text: model {self.options.model!r} takes "
                f"{limit} tokens, of which the prompt {prompt!r} and the special tokens need {taken}"
            )
        return limit - taken

    def _loaded(self) -> "SentenceTransformer":
        if self._load_error is not None:
            raise self._load_error
        if self._model is None:
            try:
                self._model = _load(self.options)
            except (ModelError, MissingDependencyError) as error:
                # Each later request fails at once with the same reason, instead of trying the hub again.
                self._load_error = error
                raise
        return self._model


def card_prompt(model: str) -> str | None:
    """The prompt that the card of a known model asks for; `None` where the model's own configuration decides.

    Example:
        >>> card_prompt("intfloat/multilingual-e5-small")
        'query: '
    """
    known = known_encoder(model)
    return known.prompt if known else None


_lock = Lock()


def embedder(options: EmbeddingOptions) -> Embedder:
    """The one embedder of this process for these options; the model is loaded at its first text."""
    with _lock:  # lru_cache alone may build twice when two threads ask at the same time
        return _embedder(options)


@cache
def _embedder(options: EmbeddingOptions) -> Embedder:
    return Embedder(options)


def _load(options: EmbeddingOptions) -> "SentenceTransformer":
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingDependencyError(
            "the embedding rewards need sentence-transformers; run `pip install 'pbrlsvr[embed]'` in the environment "
            f"of every node ({error})"
        ) from error
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = SentenceTransformer(
            options.model,
            revision=options.revision,
            device=device,
            model_kwargs={"dtype": getattr(torch, options.dtype)},
            trust_remote_code=False,
        ).eval()
    except Exception as error:
        mend = (
            "Give an existing folder or a model name on the Hugging Face hub, and download it to every node beforehand "
            "where nodes have no network."
        )
        if "trust_remote_code" in str(error):
            mend = (
                "pbrlsvr does not run code from a model's repository (trust_remote_code). Take an encoder whose "
                "architecture is part of transformers, such as 'BAAI/bge-m3' or 'intfloat/multilingual-e5-small'."
            )
        raise ModelError(
            f"model={options.model!r} (revision={options.revision!r}, device={device!r}) cannot be loaded as a "
            f"sentence-transformers model: {type(error).__name__}: {error}\n{mend}"
        ) from error
    known = known_encoder(options.model)
    if known and known.warning:
        log.warning("model=%r: %s", options.model, known.warning)
    return model


def _plain(text: str) -> str:
    """The text as a tokenizer takes it: lone surrogates replaced, and what shows nothing (direction marks) removed.

    The joiners stay: they shape letters in Indic and Arabic scripts.
    """
    if text.isascii():
        return text
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c for c in text if c in _JOINERS or unicodedata.category(c) != "Cf")


def _model_limit(model: "SentenceTransformer") -> int:
    limit = model.max_seq_length
    return limit if isinstance(limit, int) and limit > 0 else int(model.tokenizer.model_max_length)
