"""A model's config -> its parameters, counted on the meta device: exact, and no weights are loaded or downloaded."""

import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr.models.files import check_model, clip

Kind = Literal["policy", "critic"]


@dataclass(frozen=True)
class Lora:
    """The adapter that veRL's FSDP engine would make: `actor_rollout_ref.model.lora_rank` and its neighbours."""

    rank: int
    alpha: int
    target_modules: str | tuple[str, ...]
    exclude_modules: str | tuple[str, ...] | None = None


@dataclass(frozen=True)
class Tensors:
    """The parameters of one unit that FSDP2 shards and gathers as a whole: `(shape, trainable)` of each."""

    shapes: tuple[tuple[tuple[int, ...], bool], ...]

    def count(self, *, trainable: bool = False) -> int:
        """How many parameters; with `trainable`, only those that the optimiser updates."""
        return sum(math.prod(shape) for shape, learns in self.shapes if learns or not trainable)

    def shard(self, ranks: int, *, trainable: bool = False) -> int:
        r"""Parameters on rank 0, which has the most: $\sum \lceil d_0 / N \rceil \prod_{i>0} d_i$.

        FSDP2 cuts every parameter along its first dimension and pads all ranks to the same size.
        """
        return sum(
            math.ceil((shape[0] if shape else 1) / ranks) * math.prod(shape[1:])
            for shape, learns in self.shapes
            if learns or not trainable
        )


@dataclass(frozen=True)
class ModelSize:
    """What a model's config says about memory.

    Attributes:
        units: in the order of execution (embedding, layers, head), what FSDP2 gathers at once.
        root: what belongs to no unit; FSDP2 gathers it first and keeps it until the step's end.
        embedding: parameters of the input embedding.
        layer: parameters of the largest decoder layer.
    """

    name: str
    units: tuple[Tensors, ...]
    root: Tensors
    embedding: int
    layer: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    tied: bool
    qk_norm: bool

    def count(self, *, trainable: bool = False) -> int:
        """All parameters; with `trainable`, only those that the optimiser updates."""
        return sum(unit.count(trainable=trainable) for unit in (self.root, *self.units))

    def shard(self, ranks: int, *, trainable: bool = False) -> int:
        """Parameters on one of `ranks` ranks."""
        return sum(unit.shard(ranks, trainable=trainable) for unit in (self.root, *self.units))

    def kv_values(self) -> int:
        """Numbers in the key-value cache per token: 2 · layers · key-value heads · head size."""
        return 2 * self.layers * self.kv_heads * self.head_dim


@cache
def model_size(path: str, kind: Kind = "policy", lora: Lora | None = None) -> ModelSize:
    """The size of the model in a folder that has at least `config.json`, or of one on the hub.

    Raises:
        ConfigError: the config cannot be found, or is of an unknown architecture.
    """
    try:
        config = read_config(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the config of model {path!r} cannot be read: {first_line(error)}. Give a folder with its "
            "config.json (--model FOLDER), or a hub name where the hub can be reached"
        ) from error
    return size_of(config, path, kind, lora)


def read_config(path: str) -> Any:
    """The config in a folder, in the hub's cache, or on the hub where that can be reached.

    Raises:
        OSError, ValueError: there is none, or it is of an unknown kind.
        ModelError: it asks for code that came with it, or describes no model.
    """
    from transformers import AutoConfig

    check_model(path)
    offline = Path(path).is_dir() or not _hub_answers()
    return AutoConfig.from_pretrained(path, trust_remote_code=False, local_files_only=offline)


def first_line(error: Exception) -> str:
    """Of what a library says, which may say nothing."""
    return clip((str(error).splitlines() or [type(error).__name__])[0])


@cache
def _hub_answers() -> bool:
    """Whether the hub can be reached: a failed request to it is repeated for half a minute."""
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        return False
    if getproxies():
        return True
    url = urlsplit(ENDPOINT)
    try:
        socket.create_connection((url.hostname or "", url.port or 443), timeout=3).close()
    except OSError:
        return False
    return True


def size_of(config: Any, name: str, kind: Kind = "policy", lora: Lora | None = None) -> ModelSize:
    """The size of the model that a transformers config describes.

    Raises:
        ConfigError: it is of an architecture that has no such model.

    Example:
        >>> from transformers import LlamaConfig
        >>> tiny = LlamaConfig(vocab_size=100, hidden_size=8, intermediate_size=16, num_hidden_layers=1,
        ...                    num_attention_heads=2, num_key_value_heads=1)
        >>> size_of(tiny, "tiny").count()  # 2*100*8 + 8*(8+4+4+8) + 3*8*16 + 3*8
        2200
    """
    model = _on_meta(config, name, kind)
    if lora is not None:
        model = _with_adapter(model, lora)
    units, root = _units(model)
    text = config.get_text_config()
    heads = getattr(text, "num_attention_heads", 1)
    layers = [module for module in model.modules() if type(module).__name__ in set(_layer_classes(model))]
    return ModelSize(
        name=name,
        units=units,
        root=root,
        embedding=model.get_input_embeddings().weight.numel(),
        layer=max((sum(p.numel() for p in layer.parameters()) for layer in layers), default=0),
        layers=getattr(text, "num_hidden_layers", len(layers)),
        hidden=text.hidden_size,
        intermediate=getattr(text, "intermediate_size", 4 * text.hidden_size),
        heads=heads,
        kv_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // heads,
        vocab=text.vocab_size,
        max_positions=getattr(text, "max_position_embeddings", 0),
        tied=bool(getattr(config, "tie_word_embeddings", False)),
        qk_norm=any(name.endswith("q_norm") for name, _ in model.named_modules()),
    )


def _on_meta(config: Any, name: str, kind: Kind) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

    classes = {"policy": AutoModelForCausalLM, "critic": AutoModelForTokenClassification}
    if kind == "critic":
        config.num_labels = 1
    try:
        with torch.device("meta"):
            return classes[kind].from_config(config, trust_remote_code=False)
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:  # of numbers that make no model, the others
        raise ConfigError(f"{name!r} cannot be a {kind}: {first_line(error)}") from error


def _with_adapter(model: Any, lora: Lora) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model

    def plain(modules: str | tuple[str, ...] | None) -> Any:
        return list(modules) if isinstance(modules, tuple) else modules

    adapter = LoraConfig(
        task_type=TaskType.CAUSAL_LM, r=lora.rank, lora_alpha=lora.alpha, bias="none",
        target_modules=plain(lora.target_modules), exclude_modules=plain(lora.exclude_modules),
    )  # fmt: skip
    try:
        return get_peft_model(model, adapter)
    except (ValueError, AttributeError) as error:  # the second for a critic, whose adapter veRL makes for a policy too
        raise ConfigError(
            f"LoRA on {lora.target_modules!r} of {type(model).__name__} fails: {first_line(error)}"
        ) from error


def _layer_classes(model: Any) -> Sequence[str]:
    found = getattr(model, "_no_split_modules", None)
    if not found:
        raise ModelError(
            f"{type(model).__name__} does not say which modules are its layers (_no_split_modules): neither veRL's "
            "FSDP2 engine nor this plan can cut it"
        )
    return list(found)


def _units(model: Any) -> tuple[tuple[Tensors, ...], Tensors]:
    """The parameters of each module that veRL's `apply_fsdp2` wraps, and those that are left to the root."""
    from verl.utils.fsdp_utils import _select_fsdp2_wrap_targets

    seen: set[int] = set()

    def take(module: Any) -> Tensors:
        shapes = []
        for parameter in module.parameters():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                shapes.append((tuple(parameter.shape), bool(parameter.requires_grad)))
        return Tensors(tuple(shapes))

    units = tuple(take(module) for module in _select_fsdp2_wrap_targets(model, _layer_classes(model)))
    return units, take(model)
