"""COMET's encoders on those of transformers: configuration and tokenizer by name, weights from the checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, normalizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast
from transformers.utils import cached_file

from pbrlsvr.errors import ModelError
from pbrlsvr.models.files import brief, check_model, clip, read_json


@dataclass(frozen=True)
class Architecture:
    """How unbabel-comet reads texts for one kind of encoder.

    Attributes:
        name: prefix of the classes in transformers.
        special: the tokens at the start, at the end and for padding, where the tokenizer names no others.
        separators: how many end tokens stand between two texts of one sequence.
        token_types: whether the first text of a sequence has another token type than the rest.
        tokenizer: whose tokenizer it has, where that is not the encoder's own.
    """

    name: str
    special: tuple[str, str, str]
    separators: int = 1
    token_types: bool = False
    tokenizer: str | None = None


_XLMR_TOKENS = ("<s>", "</s>", "<pad>")
ARCHITECTURES = {
    "XLM-RoBERTa": Architecture("XLMRoberta", _XLMR_TOKENS, separators=2),
    "XLM-RoBERTa-XL": Architecture("XLMRobertaXL", _XLMR_TOKENS, separators=2),
    "BERT": Architecture("Bert", ("[CLS]", "[SEP]", "[PAD]"), token_types=True),
    "MiniLM": Architecture("Bert", _XLMR_TOKENS, separators=2, tokenizer="xlm-roberta-base"),
    "RemBERT": Architecture("RemBert", ("[CLS]", "[SEP]", "<pad>")),
}


class TextTokenizer:
    """Texts -> token ids, as the fast tokenizers of transformers 4 give them.

    transformers 5 rebuilds the tokenizers of these encoders from their vocabulary alone, with another normalisation
    than that in `tokenizer.json`; other ids would be other scores, so that file is read as it is.
    """

    def __init__(self, architecture: Architecture, source: str):
        settings = _json(source, "tokenizer_config.json")
        names = dict(zip(("cls_token", "sep_token", "pad_token"), architecture.special, strict=True))
        tokens = {role: _token(settings.get(role), default) for role, default in names.items()}
        backend = _backend(architecture, source, settings)
        self.fast = PreTrainedTokenizerFast(tokenizer_object=backend, **tokens)
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.separators = architecture.separators
        ids = {role: backend.token_to_id(token) for role, token in tokens.items()}
        for role, token in tokens.items():
            if ids[role] is None:
                raise ModelError(f"the tokenizer of {source!r} has no {role} {token!r}")
        self.start_id, self.end_id, self.pad_id = ids["cls_token"], ids["sep_token"], ids["pad_token"]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without the special tokens around it."""
        return [encoding.ids for encoding in self._backend.encode_batch(list(texts), add_special_tokens=False)]

    def sequence(self, *parts: list[int]) -> list[int]:
        """One input of the encoder from the ids of its texts: `<s> a </s></s> b </s>`, `[CLS] a [SEP] b [SEP]`."""
        joined = [self.start_id, *parts[0]]
        for part in parts[1:]:
            joined += [self.end_id] * self.separators + part
        return [*joined, self.end_id]


class TextEncoder:
    """A pretrained encoder without weights: `load` takes them from the checkpoint."""

    def __init__(self, encoder_model: str, pretrained_model: str, source: str | None = None):
        self._architecture = architecture = ARCHITECTURES[encoder_model]
        try:
            check_model(source or pretrained_model)
            config_class = getattr(transformers, f"{architecture.name}Config")
            config = config_class.from_pretrained(source or pretrained_model)
            self.tokenizer = TextTokenizer(architecture, source or architecture.tokenizer or pretrained_model)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"the configuration and tokenizer of the encoder {source or pretrained_model!r} cannot be loaded: "
                f"{type(error).__name__}: {clip(error)}\nWhere nodes have no network, download them (no weights are "
                "needed) to every node, and give their folder with the option `encoder`."
            ) from error
        # Neither memory nor time for random weights, which are all replaced.
        with torch.device("meta"):
            model_class = getattr(transformers, f"{architecture.name}Model")
            self.network: nn.Module = model_class._from_config(config, add_pooling_layer=False)
        self.size: int = config.hidden_size
        self.layers: int = config.num_hidden_layers + 1
        # unbabel-comet leaves two positions free in a sequence, and two more in a text that is tokenized alone.
        self.max_sequence: int = config.max_position_embeddings - 2
        self.max_text: int = self.max_sequence - 2 - 2

    def load(self, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> None:
        """Take the weights, by their names in transformers; `[CLS]` poolers and position buffers are not used."""
        for name, buffer in self.network.named_buffers():
            self._set_buffer(name, buffer, device)
        own = dict(self.network.named_parameters())
        for name in own.keys() & weights.keys():
            if weights[name].shape != own[name].shape:  # before its memory is taken
                shapes = tuple(weights[name].shape), tuple(own[name].shape)
                raise ModelError(
                    f"the weight {name!r} has the shape {shapes[0]}, and the configuration says {shapes[1]}"
                )
        taken = {name: weights[name].to(device, dtype, copy=True) for name in own.keys() & weights.keys()}
        self.network.load_state_dict(taken, assign=True, strict=False)
        self.network.eval().requires_grad_(False)

    def __call__(self, sequences: list[list[int]], first: Sequence[int] | None = None) -> "Encoded":
        """All layers' token vectors.

        Args:
            sequences: ids of `[B]` inputs, special tokens included.
            first: in joint inputs, how many tokens the first text has, with the special tokens around it.
        """
        device = next(self.network.parameters()).device
        lengths = [len(sequence) for sequence in sequences]
        longest = max(lengths)
        padded = [sequence + [self.tokenizer.pad_id] * (longest - len(sequence)) for sequence in sequences]
        ids = torch.tensor(padded, device=device)
        attention = (torch.arange(longest)[None] < torch.tensor(lengths)[:, None]).to(device)
        extra = {}
        if first is not None and self._architecture.token_types:
            extra["token_type_ids"] = (torch.arange(longest)[None] >= torch.tensor(first)[:, None]).long().to(device)
        output = self.network(
            input_ids=ids, attention_mask=attention.long(), output_hidden_states=True, return_dict=True, **extra
        )
        return Encoded(ids, attention.float(), output.hidden_states)

    def _set_buffer(self, name: str, buffer: Tensor, device: torch.device) -> None:
        owner, _, kind = name.rpartition(".")
        if kind == "position_ids":
            value = torch.arange(buffer.shape[-1]).expand(buffer.shape)
        elif kind == "token_type_ids":
            value = torch.zeros(buffer.shape, dtype=torch.long)
        else:
            raise ModelError(f"{type(self.network).__name__} of transformers {transformers.__version__} has the buffer "
                             f"{name!r}, which is not known here; please report it")  # fmt: skip
        self.network.get_submodule(owner)._buffers[kind] = value.to(device)


@dataclass(frozen=True)
class Encoded:
    """One batch's token ids `[B, T]`, attention `[B, T]` in 0.0 and 1.0, and layers, each `[B, T, d]`."""

    ids: Tensor
    attention: Tensor
    layers: tuple[Tensor, ...]


def _backend(architecture: Architecture, source: str, settings: dict[str, Any]) -> Tokenizer:
    file = _file(source, "tokenizer.json")
    if file is not None:
        tokenizer = Tokenizer.from_file(file)
        if isinstance(tokenizer.normalizer, normalizers.BertNormalizer):
            # BertTokenizerFast of transformers 4 puts these settings, and its defaults, above the file's own.
            tokenizer.normalizer = normalizers.BertNormalizer(
                clean_text=tokenizer.normalizer.clean_text,
                lowercase=settings.get("do_lower_case", True),
                strip_accents=settings.get("strip_accents"),
                handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
            )
        return tokenizer
    file = _file(source, "sentencepiece.bpe.model")
    if file is not None and architecture.special == _XLMR_TOKENS:
        return _from_sentencepiece(file)
    raise ModelError(f"the encoder {source!r} has no tokenizer.json; save its tokenizer with `save_pretrained`")


def _from_sentencepiece(file: str) -> Tokenizer:
    from transformers.convert_slow_tokenizer import XLMRobertaConverter

    # The converter asks its tokenizer only for the file and for the ids of the two special tokens, which are fixed.
    tokenizer = XLMRobertaConverter(
        SimpleNamespace(vocab_file=file, convert_tokens_to_ids={"<s>": 0, "</s>": 2}.__getitem__)
    ).converted()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer


def _token(value: Any, default: str) -> str:
    return str(value["content"] if isinstance(value, dict) else value or default)


def _file(source: str, name: str) -> str | None:
    return cached_file(  # type: ignore[no-any-return]
        source, name, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=True
    )


def _json(source: str, name: str) -> dict[str, Any]:
    file = _file(source, name)
    content = read_json(Path(file)) if file else {}
    if not isinstance(content, dict):
        raise ModelError(f"{file!r} holds {brief(content)}, not a mapping")
    return content
