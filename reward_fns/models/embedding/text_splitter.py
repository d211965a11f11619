"""What the files of a model that runs elsewhere tell, without its weights: how a text becomes pieces for it, and how
many numbers its vectors have, which what a server gives is measured against."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.models.embedding.cards import card_prompt, known_encoder
from pbrlsvr.models.files import check_model, clip, read_json
from pbrlsvr.models.pieces import split_to_fit

if TYPE_CHECKING:
    from pbrlsvr.models.embedding.embedder import EncoderLoader

#: Where neither the option, nor the card, nor the model's configuration gives a limit.
DEFAULT_MAX_TOKENS = 512

# For [CLS], [SEP] and the like, where the tokenizer that adds them is not at hand.
_SPECIAL_TOKENS = 4

# Names of the hidden size in the configurations of transformers.
_HIDDEN = ("hidden_size", "d_model", "dim", "n_embd")
_MODES = {
    f"pooling_mode_{name}"
    for name in ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextSplitter:
    """Pieces of at most `piece_tokens` tokens; `prompt` is to be put before each.

    Without the model's tokenizer each character counts as a token. No encoder in use needs more tokens than that for
    the supported languages, so nothing is cut off; the pieces are shorter than they could be, and a long text's vector
    then differs a little from the one that the model gives locally.
    """

    tokenizer: Callable[..., Any]
    prompt: str
    piece_tokens: int

    @classmethod
    def of(cls, options: "EncoderLoader") -> "TextSplitter":
        """As the model itself would split, as far as its files can be had (a folder, or the hub).

        Raises:
            ConfigError: `max_tokens` leaves no room for text beside the prompt.
        """
        tokenizer = _tokenizer(options)
        wanted = options.max_tokens or known_encoder(options.model).max_tokens
        limit = _model_limit(options, tokenizer)
        max_tokens = min(wanted or limit or DEFAULT_MAX_TOKENS, limit or wanted or DEFAULT_MAX_TOKENS)
        prompt = _prompt(options)
        taken = len(tokenizer(prompt)["input_ids"]) if tokenizer else len(prompt) + _SPECIAL_TOKENS
        return cls(tokenizer or _characters, prompt, room_for_text(options, max_tokens, prompt, taken))

    def split(self, text: str) -> list[tuple[str, int]]:
        """Pieces with their relative lengths; joined they are the text."""
        if len(text.encode()) <= self.piece_tokens:  # a token is at least a byte
            return [(text, 1)]
        return split_to_fit(text, self.tokenizer, self.piece_tokens)


def room_for_text(options: "EncoderLoader", max_tokens: int, prompt: str, taken: int) -> int:
    """The tokens of text that fit into one forward pass beside the prompt and the special tokens.

    Raises:
        ConfigError: there is no room.
    """
    if max_tokens <= taken:
        raise ConfigError(
            f"max_tokens={options.max_tokens!r} leaves no room for text: model {options.model!r} takes {max_tokens} "
            f"tokens, of which the prompt {prompt!r} and the special tokens need {taken}"
        )
    return max_tokens - taken


def _characters(text: str, **_: Any) -> dict[str, Any]:
    return {"offset_mapping": [(start, start + 1) for start in range(len(text))]}


def _tokenizer(options: "EncoderLoader") -> Any:
    try:
        from transformers import AutoTokenizer

        check_model(options.model, options.revision)
        tokenizer = AutoTokenizer.from_pretrained(options.model, revision=options.revision, trust_remote_code=False)
        if tokenizer.is_fast:  # only these know where in the text a token stands
            return tokenizer
        reason = "its tokenizer has no fast version"
    except Exception as error:
        reason = f"{type(error).__name__}: {clip(error)}".splitlines()[0]
    log.warning(
        "model=%r: no tokenizer here (%s), so long texts are split by characters. Give as model a folder or a hub name "
        "whose tokenizer can be loaded, and the name at the server as serving.endpoint.served_model",
        options.model,
        reason,
    )
    return None


def _model_limit(options: "EncoderLoader", tokenizer: Any) -> int | None:
    """As sentence-transformers has it: its own configuration's, else what tokenizer and positions allow."""
    limit = _json_file(options, "sentence_bert_config.json").get("max_seq_length")
    if isinstance(limit, int) and limit > 0:
        return limit
    limits = [_json_file(options, "config.json").get("max_position_embeddings")]
    limits.append(tokenizer.model_max_length if tokenizer else None)
    # A tokenizer that knows no limit says 10^30.
    return min((n for n in limits if isinstance(n, int) and 0 < n < 10**9), default=None)


def _prompt(options: "EncoderLoader") -> str:
    wanted = card_prompt(options.model, options.prompt)
    if wanted is not None:
        return wanted
    config = _json_file(options, "config_sentence_transformers.json")
    return str(_mapping(config.get("prompts")).get(str(config.get("default_prompt_name") or ""), ""))


def _json_file(options: "EncoderLoader", name: str) -> dict[str, Any]:
    return _mapping(_model_json(options, name))


def _model_json(options: "EncoderLoader", name: str) -> Any:
    """The content of a model's JSON file; `None` where it has none, or cannot be reached."""
    try:
        path: Any = Path(options.model) / name
        if not Path(options.model).is_dir():
            from huggingface_hub import hf_hub_download

            path = Path(hf_hub_download(options.model, name, revision=options.revision))
        return read_json(path)
    except Exception:
        return None


def dimension_of(options: "EncoderLoader") -> int | None:
    """The dimension that the model's configuration gives, else its card's; `None` where neither tells.

    Example:
        >>> from types import SimpleNamespace
        >>> dimension_of(SimpleNamespace(model="/no/such/folder/bge-m3", revision=None))
        1024
    """
    return _configured(options) or known_encoder(options.model).dimensions or None


def _configured(options: "EncoderLoader") -> int:
    """0 where the files do not tell."""
    config = _json_file(options, "config.json")
    text = _mapping(config.get("text_config"))
    size = next((n for part in (config, text) for name in _HIDDEN if (n := _count(part.get(name)))), 0)
    modules = _model_json(options, "modules.json")
    for module in map(_mapping, modules if isinstance(modules, list) else []):
        kind = str(module.get("type", "")).rpartition(".")[2]
        own = _json_file(options, f"{module.get('path')}/config.json")
        if kind == "Pooling":
            # Several ways of pooling at once stand one after the other. The names are of versions 6 and 5.
            modes = own.get("pooling_mode")
            ways = len(modes) if isinstance(modes, list) else sum(own[name] is True for name in own if name in _MODES)
            tokens = _count(own.get("embedding_dimension")) or _count(own.get("word_embedding_dimension"))
            size = (tokens or size) * max(1, ways)
        elif kind == "Dense":
            size = _count(own.get("out_features"))
        elif kind not in ("Transformer", "Normalize", "Dropout"):
            return 0
    cut = _count(_json_file(options, "config_sentence_transformers.json").get("truncate_dim"))
    return min(size, cut) if size and cut else size


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
