"""How many numbers an encoder's vectors have, by its files alone: what a server gives is measured against that."""

from typing import TYPE_CHECKING, Any

from pbrlsvr.models.embedding.cards import known_encoder
from pbrlsvr.models.embedding.text_splitter import model_json

if TYPE_CHECKING:
    from pbrlsvr.models.embedding.embedder import EncoderLoader

# Names of the hidden size in the configurations of transformers.
_HIDDEN = ("hidden_size", "d_model", "dim", "n_embd")
_MODES = {
    f"pooling_mode_{name}"
    for name in ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
}


def dimension_of(options: "EncoderLoader") -> int | None:
    """The dimension that the model's configuration gives, else its card's; `None` where neither tells.

    Example:
        >>> from types import SimpleNamespace
        >>> dimension_of(SimpleNamespace(model="/no/such/folder/bge-m3", revision=None))
        1024
    """
    known = known_encoder(options.model)
    return _configured(options) or (known.dimensions if known else 0) or None


def _configured(options: "EncoderLoader") -> int:
    """0 where the files do not tell."""
    config = _mapping(model_json(options, "config.json"))
    text = _mapping(config.get("text_config"))
    size = next((n for part in (config, text) for name in _HIDDEN if (n := _count(part.get(name)))), 0)
    for module in model_json(options, "modules.json") or []:
        kind = str(_mapping(module).get("type", "")).rpartition(".")[2]
        own = _mapping(model_json(options, f"{_mapping(module).get('path')}/config.json"))
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
    cut = _count(_mapping(model_json(options, "config_sentence_transformers.json")).get("truncate_dim"))
    return min(size, cut) if size and cut else size


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
