"""Sentence embeddings: any sentence-transformers model, long texts split and pooled, each text encoded once."""

import asyncio
import re
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.errors import ConfigError, MissingDependencyError, ModelError
from pbrlsvr.serving.batcher import Batcher

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vector = NDArray[np.float32]

DTYPES = ("float32", "bfloat16", "float16")

#: What a model's card asks to put before each text when two texts are compared as equals, for models whose own
#: configuration does not say it. Matched against the last part of the model's name or path.
CARD_PROMPTS = (
    (r"multilingual-e5-(small|base|large)", "query: "),
    (
        r"multilingual-e5-large-instruct",
        "Instruct: Retrieve texts that state the same reasoning and the same result.\nQuery: ",
    ),
    (
        r"Qwen3-Embedding-.*",
        "Instruct: Retrieve texts that state the same reasoning and the same result.\nQuery:",
    ),
)

# The end of a sentence in the scripts of the supported languages, or a line break.
_SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？।॥؟۔]|\n")


@dataclass(frozen=True)
class EmbeddingOptions:
    """How texts become vectors.

    Attributes:
        model: a sentence-transformers model: a folder, or a name on the Hugging Face hub.
        revision: the commit, tag or branch of a hub model.
        prompt: put before each text. `None` takes what the model's card asks for (`CARD_PROMPTS`), else what the
            model's own configuration says; `""` puts nothing.
        max_tokens: the longest piece that is encoded at once. `None` takes the model's own limit.
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


class Embedder:
    """One loaded model and the vectors that it has made. Get it with `embedder(options)`, which shares it."""

    def __init__(self, options: EmbeddingOptions):
        self.options = options
        self._model: SentenceTransformer | None = None
        self._load_error: ModelError | MissingDependencyError | None = None
        self._batcher = Batcher[Vector](
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

    def encode(self, texts: list[str]) -> list[Vector]:
        """Unit vectors, `[N]` texts -> `[N, d]`: of a long text, the length-weighted mean of its pieces'."""
        model = self._loaded()
        pieces, weights, owners = [], [], []
        for owner, text in enumerate(texts):
            for piece, length in split_to_fit(text, model.tokenizer, self.piece_tokens):
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
        limit = min(self.options.max_tokens or _model_limit(model), _model_limit(model))
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
    """The prompt that the card of a known model asks for; `None` for a model that is not in `CARD_PROMPTS`.

    Example:
        >>> card_prompt("intfloat/multilingual-e5-small")
        'query: '
    """
    name = re.split(r"[/\\]", model.rstrip("/\\"))[-1]
    return next((prompt for pattern, prompt in CARD_PROMPTS if re.fullmatch(pattern, name, re.IGNORECASE)), None)


def split_to_fit(text: str, tokenizer: Any, limit: int) -> list[tuple[str, int]]:
    """Pieces of at most `limit` tokens with their token counts, cut after sentences where one ends in reach.

    Nothing is lost: the pieces joined are the text.
    """
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    if len(offsets) <= limit:
        return [(text, max(len(offsets), 1))]
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    pieces, start_token, start_char = [], 0, 0
    while start_token < len(offsets):
        stop_token = min(start_token + limit, len(offsets))
        stop_char = len(text) if stop_token == len(offsets) else offsets[stop_token][0]
        if stop_token < len(offsets):
            # The last sentence end in the second half of the window; a cut in its first half would waste the window.
            half = offsets[start_token + limit // 2][0]
            fitting = [end for end in ends if half < end <= stop_char]
            if fitting:
                stop_char = fitting[-1]
                stop_token = next(i for i in range(start_token + 1, stop_token + 1) if offsets[i][0] >= stop_char)
        pieces.append((text[start_char:stop_char], stop_token - start_token))
        start_token, start_char = stop_token, stop_char
    return pieces


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
        return SentenceTransformer(
            options.model,
            revision=options.revision,
            device=device,
            model_kwargs={"dtype": getattr(torch, options.dtype)},
            trust_remote_code=False,
        ).eval()
    except Exception as error:
        raise ModelError(
            f"model={options.model!r} (revision={options.revision!r}, device={device!r}) cannot be loaded as a "
            f"sentence-transformers model: {type(error).__name__}: {error}\n"
            "Give an existing folder or a model name on the Hugging Face hub, and download it to every node beforehand "
            "where nodes have no network."
        ) from error


def _model_limit(model: "SentenceTransformer") -> int:
    limit = model.max_seq_length
    return limit if isinstance(limit, int) and limit > 0 else int(model.tokenizer.model_max_length)
