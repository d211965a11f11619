"""A loaded sentence-transformers model: texts -> unit vectors; long texts are split and pooled."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from pbrlsvr.errors import ModelError
from pbrlsvr.models.embedding.cards import card_prompt, known_encoder
from pbrlsvr.models.embedding.options import Unprompted
from pbrlsvr.models.embedding.pooling import Vector, are_usable, norms, plain_text, pooled
from pbrlsvr.models.embedding.text_splitter import room_for_text
from pbrlsvr.models.files import GIVE_A_MODEL, check_model, clip, missing
from pbrlsvr.models.pieces import split_to_fit
from pbrlsvr.serving.token_budget import TokenBudget, torch_device, usual_budget

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from pbrlsvr.models.embedding.embedder import EncoderLoader

# No script needs fewer tokens than a character in eight: a text that is longer is split before it is tokenized.
_CHARACTERS_PER_TOKEN = 8

# Texts are tokenized for about this many batches at a time: a GPU computes the last ones meanwhile.
_BATCHES_AHEAD = 4

log = logging.getLogger(__name__)


class SentenceEncoder:
    """The model of `pbrlsvr.models.embedding.embedder`. Get it with `EncoderLoader.of(options).load()`.

    Attributes:
        prompt: what is put before each text: the option, else the card's, else the model's own default.
        piece_tokens: tokens of text that fit into one forward pass, beside the prompt and the special tokens.
        batches: the budget of padded tokens of a forward pass, and what was computed so far.
    """

    def __init__(self, options: "EncoderLoader"):
        self.options = options
        self._model = _load(options)
        self.prompt = _prompt(self._model, options)
        self._max_tokens = _max_tokens(self._model, options)
        taken = len(self._model.tokenizer(self.prompt)["input_ids"])
        self.piece_tokens = room_for_text(options, self._max_tokens, self.prompt, taken)
        self._unprompted_tokens = self._max_tokens - len(self._model.tokenizer("")["input_ids"])
        self.batches = TokenBudget(options.batch_tokens or usual_budget(self._model.device.type), options.model)

    def run(self, texts: Sequence[str | Unprompted]) -> list[Vector]:
        """Unit vectors, `[N]` texts -> `[N, d]`: of a long text, the length-weighted mean of its pieces'.

        Raises:
            ModelError: a vector is not a vector of numbers, or a single piece does not fit into memory.
        """
        bare = [isinstance(text, Unprompted) for text in texts]
        if any(bare) and self.prompt:
            found: dict[int, Vector] = {}
            for wanted, prompt in ((False, self.prompt), (True, "")):
                rows = [row for row, is_bare in enumerate(bare) if is_bare is wanted]
                found.update(zip(rows, self._encode([_text(texts[row]) for row in rows], prompt), strict=True))
            return [found[row] for row in range(len(texts))]
        return self._encode([_text(text) for text in texts], self.prompt)

    def _encode(self, plain: list[str], prompt: str) -> list[Vector]:
        import torch

        if not plain:
            return []
        owners: list[int] = []
        weights: list[int] = []
        rows: list[Tensor] = []
        with torch.inference_mode():
            for tokens in self._tokenized(plain, prompt):
                owners += [piece.owner for piece in tokens.pieces]
                weights += [piece.weight for piece in tokens.pieces]
                rows += self.batches.run(tokens.lengths, partial(self._forward, tokens))
            # One copy from the device for all batches: between them it never waits.
            vectors = torch.stack(rows).float().cpu().numpy()
        self._require_usable(vectors, [plain[owner] for owner in owners])
        return pooled(vectors, weights, owners, len(plain))

    def _tokenized(self, texts: list[str], prompt: str) -> Iterator["_Tokens"]:
        """All texts as tokens, some batches at a time: first those that fit into one pass, then the others' pieces."""
        reach = self._max_tokens * _CHARACTERS_PER_TOKEN
        too_long = [owner for owner, text in enumerate(texts) if len(text) > reach]
        whole = [_Piece(owner, 1, text) for owner, text in enumerate(texts) if len(text) <= reach]
        for tokens in self._chunks(whole, prompt):
            fits = [not self._overflows(length) for length in tokens.lengths]
            too_long += [piece.owner for piece, fit in zip(tokens.pieces, fits, strict=True) if not fit]
            yield tokens if all(fits) else tokens.only(fits)
        room = self.piece_tokens if prompt == self.prompt else self._unprompted_tokens
        pieces = [
            _Piece(owner, tokens, piece)
            for owner in too_long
            for piece, tokens in split_to_fit(texts[owner], self._model.tokenizer, room)
        ]
        yield from self._chunks(pieces, prompt)

    def _chunks(self, pieces: list["_Piece"], prompt: str) -> Iterator["_Tokens"]:
        pieces = sorted(pieces, key=lambda piece: len(piece.text), reverse=True)
        while pieces:
            longest = max(1, len(pieces[0].text) // 4)
            count = max(1, _BATCHES_AHEAD * self.batches.max_tokens // longest)
            chunk, pieces = pieces[:count], pieces[count:]
            features = self._model.preprocess([piece.text for piece in chunk], prompt=prompt)
            lengths = features["attention_mask"].sum(dim=1).tolist()
            yield _Tokens(chunk, lengths, list(range(len(chunk))), features)

    def _overflows(self, length: int) -> bool:
        # At its own limit the model cuts a text off, so that one of just that length may have lost its end.
        return length > self._max_tokens or length >= _model_limit(self._model)

    def _forward(self, tokens: "_Tokens", batch: list[int]) -> "Tensor":
        import torch

        mask = tokens.features["attention_mask"]
        rows = torch.tensor([tokens.rows[at] for at in batch])
        columns = mask[rows].any(dim=0)  # without the padding of longer texts, whichever side it is on
        features = {
            name: value[rows][:, columns].to(self._model.device)
            if isinstance(value, torch.Tensor) and value.shape == mask.shape
            else value
            for name, value in tokens.features.items()
        }
        # Not normalised here: in half precision a norm overflows, and the vector would be 0.
        vectors: Tensor = self._model(features)["sentence_embedding"][:, : self._model.truncate_dim]
        return vectors

    def _require_usable(self, vectors: Vector, texts: list[str]) -> None:
        found = norms(vectors)
        bad = np.flatnonzero(~are_usable(found))
        if len(bad):
            raise ModelError(
                f"model {self.options.model!r} gave a vector of norm {float(found[bad[0]])!r} for the text "
                f"{texts[bad[0]][:80]!r}, which has no direction that can be trusted; with "
                f"dtype={self.options.dtype!r} try dtype='float32', else another model"
            )


@dataclass(frozen=True, slots=True)
class _Piece:
    owner: int
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Pieces `[n]`, their lengths in tokens, and their rows in `features`."""

    pieces: list[_Piece]
    lengths: list[int]
    rows: list[int]
    features: dict[str, Any]

    def only(self, kept: list[bool]) -> "_Tokens":
        lengths, rows = ([*compress(values, kept)] for values in (self.lengths, self.rows))
        return _Tokens([*compress(self.pieces, kept)], lengths, rows, self.features)


def _text(item: str | Unprompted) -> str:
    return plain_text(item.text if isinstance(item, Unprompted) else item)


def _prompt(model: "SentenceTransformer", options: "EncoderLoader") -> str:
    wanted = card_prompt(options.model, options.prompt)
    return model.prompts.get(model.default_prompt_name or "", "") if wanted is None else wanted


def _max_tokens(model: "SentenceTransformer", options: "EncoderLoader") -> int:
    limit = _model_limit(model)
    return min(options.max_tokens or known_encoder(options.model).max_tokens or limit, limit)


def _model_limit(model: "SentenceTransformer") -> int:
    limit = model.max_seq_length
    return limit if isinstance(limit, int) and limit > 0 else int(model.tokenizer.model_max_length)


def _load(options: "EncoderLoader") -> "SentenceTransformer":
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise missing("an embedding model", "embed", error) from error
    device = torch_device(options.device)
    check_model(options.model, options.revision)
    try:
        model = SentenceTransformer(
            options.model,
            revision=options.revision,
            device=device,
            model_kwargs={"dtype": getattr(torch, options.dtype)},
            trust_remote_code=False,
        ).eval()
    except Exception as error:
        fix = GIVE_A_MODEL
        if "trust_remote_code" in str(error):
            fix = (
                "pbrlsvr does not run code from a model's repository (trust_remote_code). Take an encoder whose "
                "architecture is part of transformers, such as 'BAAI/bge-m3' or 'intfloat/multilingual-e5-small'."
            )
        raise ModelError(
            f"model={options.model!r} (revision={options.revision!r}, device={device!r}) cannot be loaded as a "
            f"sentence-transformers model: {type(error).__name__}: {clip(error)}\n{fix}"
        ) from error
    if warning := known_encoder(options.model).warning:
        log.warning("model=%r: %s", options.model, warning)
    return model
