"""Unbabel's checkpoints on disk: `hparams.yaml` and a Lightning `model.ckpt` -> checked hyper-parameters and weights.

    <model>/hparams.yaml              class_identifier, and a copy of the hyper-parameters
    <model>/checkpoints/model.ckpt    state_dict, and the hyper-parameters that count

Nothing in these files is executed, and both are read within bounds: `models/files.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any

from pbrlsvr.errors import ModelError
from pbrlsvr.models.files import brief, read_weights, read_yaml

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
_KINDS: dict[str, tuple[type, ...]] = {
    "pretrained_model": (str,),
    "layer_norm": (bool,),
    "hidden_sizes": (tuple,),
    "activations": (str,),
    "final_activation": (str, NoneType),
    "input_segments": (tuple,),
    "word_layer": (int,),
    "error_labels": (tuple,),
}


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
        for name, kinds in _KINDS.items():
            if not isinstance(getattr(self, name), kinds):
                wanted = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
                raise ModelError(f"{name}={brief(getattr(self, name))} is not supported; it is of type {wanted}")
        _known("class_identifier", self.class_identifier, CLASSES)
        _known("encoder_model", self.encoder_model, ENCODERS)
        _known("pool", self.pool, POOLS)
        _known("layer_transformation", self.layer_transformation, TRANSFORMATIONS)
        for label in self.error_labels if self.class_identifier == "xcomet_metric" else ():
            _known("an error label", label, ("minor", "major", "critical"))
        if self.pool == "default" and self.encoder_model == "BERT" and not self.joint:
            raise ModelError("pool='default' asks for BERT's pooler, which unbabel-comet's checkpoints do not hold")
        if self.layer != "mix" and (not isinstance(self.layer, int) or self.layer < 0):
            raise ModelError(
                f"layer={brief(self.layer)} is not supported; known are 'mix' and a layer's number, from 0"
            )
        layers = len(self.hidden_sizes)
        if not 1 <= layers <= 100 or not all(isinstance(size, int) and size > 0 for size in self.hidden_sizes):
            raise ModelError(f"hidden_sizes={brief(list(self.hidden_sizes))} must be 1 to 100 whole numbers from 1 on")
        segments = {each for each in self.input_segments if isinstance(each, str)}
        if self.joint and segments not in ({"mt", "src"}, {"mt", "ref"}, {"mt", "src", "ref"}):
            raise ModelError(
                f"input_segments={brief(list(self.input_segments))} must be 'mt' with 'src', 'ref' or both"
            )

    @property
    def joint(self) -> bool:
        """Whether the texts are encoded together, in one sequence, instead of each alone."""
        return self.class_identifier in ("unified_metric", "xcomet_metric")

    @classmethod
    def of(cls, stored: Mapping[str, Any], class_identifier: Any) -> "Hparams":
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
    hparams_file, checkpoint_file = locate(model, revision)
    described = read_yaml(hparams_file)
    if not isinstance(described, dict):
        raise ModelError(f"{str(hparams_file)!r} holds {brief(described)}, not a mapping of hyper-parameters")
    content = read_weights(checkpoint_file)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ModelError(f"{str(checkpoint_file)!r} has no state_dict, so it is not a checkpoint of unbabel-comet")
    # As in unbabel-comet, what is stored in the checkpoint counts before its copy, except for the corrected mixture.
    stored = content.get("hyper_parameters") or described
    if not isinstance(stored, Mapping):
        raise ModelError(f"{str(checkpoint_file)!r}: hyper_parameters={brief(stored)} is no mapping")
    if described.get("layer_transformation") == "sparsemax_patch":
        stored = {**stored, "layer_transformation": "softmax"}
    try:
        hparams = Hparams.of(stored, described.get("class_identifier"))
    except ModelError as error:
        raise ModelError(f"model={model!r}: {error}") from error
    return Checkpoint(hparams, content["state_dict"], checkpoint_file)


def locate(model: str, revision: str | None) -> tuple[Path, Path]:
    """The hyper-parameters and the weights of a model, as files; a model of the hub is downloaded.

    Raises:
        ModelError: there are none.
    """
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


def _known(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ModelError(f"{name}={brief(value)} is not supported; known are {list(known)}")
