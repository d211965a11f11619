"""Unbabel's checkpoints on disk: `hparams.yaml` and a Lightning `model.ckpt` -> checked hyper-parameters and weights.

    <model>/hparams.yaml              class_identifier, and a copy of the hyper-parameters
    <model>/checkpoints/model.ckpt    state_dict, and the hyper-parameters that count

Nothing in the file is executed: it is read with `torch.load(weights_only=True)`.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ModelError

ENCODERS = ("XLM-RoBERTa", "XLM-RoBERTa-XL", "BERT", "MiniLM", "RemBERT")
POOLS = ("avg", "max", "cls", "default")
# Unbabel marks with `sparsemax_patch` the models whose training by mistake used softmax in place of sparsemax.
TRANSFORMATIONS = ("softmax", "sparsemax", "sparsemax_patch")

# Hyper-parameters that a checkpoint leaves out have the defaults of its class in unbabel-comet 2.2.7.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "regression_metric": {},
    "referenceless_regression_metric": {"hidden_sizes": [2048, 1024]},
    "unified_metric": {"pretrained_model": "microsoft/infoxlm-large", "layer_transformation": "sparsemax"},
    "xcomet_metric": {
        "encoder_model": "XLM-RoBERTa-XL",
        "pretrained_model": "facebook/xlm-roberta-xl",
        "layer_transformation": "sparsemax",
        "layer_norm": False,
        "word_layer": 36,
        "hidden_sizes": [2560, 1280],
    },
}
CLASSES = tuple(_DEFAULTS)


@dataclass(frozen=True)
class Hparams:
    """The hyper-parameters that a score depends on; their names are those of `hparams.yaml`.

    Attributes:
        class_identifier: one of `CLASSES`.
        encoder_model: the encoder's architecture, one of `ENCODERS`.
        pretrained_model: whose configuration and tokenizer the encoder has: a folder or a name on the hub.
        pool: token vectors -> sentence vector, one of `POOLS`.
        layer: the layer that is pooled, 0 being the embeddings, or "mix" for a learned mixture of all.
        layer_transformation: the mixture's weights from its parameters.
        layer_norm: whether each layer is normalised before it is mixed.
        hidden_sizes: of the feed-forward estimator.
        activations, final_activation: of the estimator; names in `torch.nn`.
        input_segments: what a unified model reads, of "mt", "src", "ref".
        word_layer: the layer whose tokens are tagged with errors.
        error_labels: the tags, beside "no error".
    """

    class_identifier: str
    encoder_model: str = "XLM-RoBERTa"
    pretrained_model: str = "xlm-roberta-large"
    pool: str = "avg"
    layer: int | str = "mix"
    layer_transformation: str = "softmax"
    layer_norm: bool = True
    hidden_sizes: tuple[int, ...] = (3072, 1024)
    activations: str = "Tanh"
    final_activation: str | None = None
    input_segments: tuple[str, ...] = ("mt", "src", "ref")
    word_layer: int = 24
    error_labels: tuple[str, ...] = ("minor", "major", "critical")

    def __post_init__(self) -> None:
        _known("class_identifier", self.class_identifier, CLASSES)
        _known("encoder_model", self.encoder_model, ENCODERS)
        _known("pool", self.pool, POOLS)
        _known("layer_transformation", self.layer_transformation, TRANSFORMATIONS)
        for label in self.error_labels if self.class_identifier == "xcomet_metric" else ():
            _known("an error label", label, ("minor", "major", "critical"))
        if self.pool == "default" and self.encoder_model == "BERT" and not self.joint:
            raise ModelError("pool='default' asks for BERT's pooler, which unbabel-comet's checkpoints do not hold")
        if self.layer != "mix" and (not isinstance(self.layer, int) or self.layer < 0):
            raise ModelError(f"layer={self.layer!r} is not supported; known are 'mix' and a layer's number, from 0")
        if not self.hidden_sizes or not all(isinstance(size, int) and size > 0 for size in self.hidden_sizes):
            raise ModelError(f"hidden_sizes={list(self.hidden_sizes)!r} must be whole numbers of 1 or more")
        if self.joint and set(self.input_segments) not in ({"mt", "src"}, {"mt", "ref"}, {"mt", "src", "ref"}):
            raise ModelError(f"input_segments={list(self.input_segments)!r} must be 'mt' with 'src', 'ref' or both")

    @property
    def joint(self) -> bool:
        """Whether the texts are encoded together, in one sequence, instead of each alone."""
        return self.class_identifier in ("unified_metric", "xcomet_metric")

    @classmethod
    def of(cls, stored: Mapping[str, Any], class_identifier: str) -> "Hparams":
        """The hyper-parameters of a checkpoint, with the defaults of its class."""
        _known("class_identifier", class_identifier, CLASSES)
        values = _DEFAULTS[class_identifier] | dict(stored)
        if class_identifier in ("unified_metric", "xcomet_metric"):
            # These two call it by another name, and always pool [CLS].
            values |= {"layer": values.get("sent_layer", "mix"), "pool": "cls"}
        if class_identifier == "xcomet_metric":
            values["input_segments"] = ["mt", "src", "ref"]
        wanted = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        lists = {name: tuple(value) for name, value in wanted.items() if isinstance(value, list)}
        return cls(**{**wanted, **lists, "class_identifier": class_identifier})


@dataclass(frozen=True)
class Checkpoint:
    """Hyper-parameters, and weights by the names of unbabel-comet's modules."""

    hparams: Hparams
    weights: dict[str, Any]
    path: Path


def read_checkpoint(model: str, revision: str | None = None) -> Checkpoint:
    """The checkpoint of a folder, a `.ckpt` file in its `checkpoints/`, or a name on the Hugging Face hub.

    Raises:
        ModelError: a file is missing, needs unpickling, or describes an architecture that is not known here.
    """
    hparams_file, checkpoint_file = _locate(model, revision)
    described = _read_yaml(hparams_file)
    content = _read_weights(checkpoint_file)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ModelError(f"{str(checkpoint_file)!r} has no state_dict, so it is not a checkpoint of unbabel-comet")
    # As in unbabel-comet, what is stored in the checkpoint counts before its copy, except for the corrected mixture.
    stored = content.get("hyper_parameters") or described
    if described.get("layer_transformation") == "sparsemax_patch":
        stored = {**stored, "layer_transformation": "softmax"}
    try:
        hparams = Hparams.of(stored, str(described.get("class_identifier")))
    except ModelError as error:
        raise ModelError(f"model={model!r}: {error}") from error
    return Checkpoint(hparams, content["state_dict"], checkpoint_file)


def _locate(model: str, revision: str | None) -> tuple[Path, Path]:
    path = Path(model).expanduser()
    if not path.exists():
        path = _download(model, revision)
    if path.is_file():
        folder, checkpoint = path.parent.parent, path
    else:
        folder, checkpoint = path, path / "checkpoints" / "model.ckpt"
        others = sorted((path / "checkpoints").glob("*.ckpt"))
        if not checkpoint.is_file() and len(others) == 1:
            checkpoint = others[0]
    for file in (folder / "hparams.yaml", checkpoint):
        if not file.is_file():
            raise ModelError(
                f"model={model!r} has no {str(file)!r}. A COMET model is a folder with hparams.yaml and "
                "checkpoints/model.ckpt, as unbabel-comet writes and Unbabel publishes it"
            )
    return folder / "hparams.yaml", checkpoint


def _download(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise ModelError(
            f"model={model!r} is neither a folder, nor a file, nor a name such as 'Unbabel/wmt22-comet-da'"
        )
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=["hparams.yaml", "checkpoints/*.ckpt"]))
    except Exception as error:
        raise ModelError(
            f"model={model!r} (revision={revision!r}) is no folder here and cannot be downloaded: "
            f"{type(error).__name__}: {error}\nDownload it to every node beforehand where nodes have no network. For a "
            "gated model (CometKiwi, XCOMET) accept its licence on its page and set HF_TOKEN."
        ) from error


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{str(file)!r} cannot be read as plain YAML: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{str(file)!r} holds {type(content).__name__}, not a mapping of hyper-parameters")
    return content


def _read_weights(file: Path) -> Any:
    import torch

    try:
        # Mapped into memory, a model of ten billion parameters is not read into memory twice.
        return torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{str(file)!r} holds more than weights and plain values, and loading it would run code from it, which "
            f"pbrlsvr does not do. If you trust the file, save it again with its 'state_dict' and 'hyper_parameters' "
            f"alone. ({error})"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise ModelError(f"{str(file)!r} cannot be read as a checkpoint: {type(error).__name__}: {error}") from error


def _known(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ModelError(f"{name}={value!r} is not supported; known are {list(known)}")
