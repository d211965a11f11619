"""The network of a COMET checkpoint: encoder, layer pooling, estimator and, in XCOMET, the tagger of errors."""

import torch
from torch import Tensor, nn

from pbrlsvr.errors import ModelError
from pbrlsvr.models.comet.checkpoint import Checkpoint
from pbrlsvr.models.comet.encoder import TextEncoder
from pbrlsvr.models.comet.layers import LayerPooler, build_estimator
from pbrlsvr.models.files import brief, clip

# In checkpoints, but not needed for a score: buffers that transformers once stored, poolers, metrics and losses.
_UNUSED = (
    "encoder.model.embeddings.position_ids", "encoder.model.embeddings.token_type_ids", "encoder.model.pooler.",
    "layerwise_attention.dropout_", "train_", "val_", "loss.", "sentloss.", "wordloss.",
)  # fmt: skip


class CometNetwork:
    """The loaded network.

    Raises:
        ModelError: the weights are not those that the hyper-parameters call for.
    """

    def __init__(self, checkpoint: Checkpoint, encoder: str | None, device: torch.device, dtype: torch.dtype):
        self.hparams = hparams = checkpoint.hparams
        self._path = str(checkpoint.path)
        self._device = device
        self.encoder = TextEncoder(hparams.encoder_model, hparams.pretrained_model, encoder)
        self.features = 1 if hparams.joint else 6 if hparams.class_identifier == "regression_metric" else 4
        # Without memory, which a wrong checkpoint may call for any amount of, until its weights have been seen to fit.
        with torch.device("meta"):
            self._estimator = build_estimator(hparams, self.encoder.size * self.features)
            self._tagger = self._build_tagger()
        names = {
            "encoder.model.": {name for name, _ in self.encoder.network.named_parameters()},
            "layerwise_attention.": LayerPooler.keys(hparams, self.encoder.layers),
            "estimator.ff.": set(self._estimator.state_dict()),
            "hidden2tag.": set(self._tagger.state_dict()) if self._tagger else set(),
        }
        weights = self._taken(checkpoint.weights, names)
        try:
            self.encoder.load(weights["encoder.model."], device, dtype)
            self._load(self._estimator, weights["estimator.ff."])
            if self._tagger:
                self._load(self._tagger, weights["hidden2tag."])
        except RuntimeError as error:
            raise ModelError(f"{self._path!r}: its weights do not fit its hyper-parameters: {clip(error)}") from error
        pad_id = self.encoder.tokenizer.pad_id
        self._pooler = LayerPooler(hparams, weights["layerwise_attention."], self.encoder.layers, pad_id, device)

    def encode(self, sequences: list[list[int]], first: list[int] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Sentence vectors `[B, d]` of what `TextEncoder` takes; in XCOMET also chances by token, `[T, 1 + n]`."""
        encoded = self.encoder(sequences, first)
        vectors = self._pooler(encoded.layers, encoded.ids, encoded.attention).cpu()
        if self._tagger is None:
            return vectors, []
        chances = self._tagger(encoded.layers[self.hparams.word_layer].float()).softmax(-1).cpu()
        return vectors, list(chances)

    def estimate(self, features: Tensor) -> Tensor:
        """Scores `[N]` from features `[N, features * d]`."""
        scores: Tensor = self._estimator(features.to(self._device))
        return scores.view(-1).cpu()

    def _build_tagger(self) -> nn.Linear | None:
        if self.hparams.class_identifier != "xcomet_metric":
            return None
        if not 0 <= self.hparams.word_layer < self.encoder.layers:
            raise ModelError(
                f"{self._path!r}: word_layer={self.hparams.word_layer!r}: the encoder has the layers 0 to "
                f"{self.encoder.layers - 1}"
            )
        return nn.Linear(self.encoder.size, len(self.hparams.error_labels) + 1)

    def _taken(self, stored: dict[str, Tensor], names: dict[str, set[str]]) -> dict[str, dict[str, Tensor]]:
        wanted = {prefix + name for prefix, group in names.items() for name in group}
        # The tagger of other classes than XCOMET was trained along, but does not count in the score.
        unused = _UNUSED if self._tagger else (*_UNUSED, "hidden2tag.")
        found = {name for name in stored if not name.startswith(unused)}
        if wanted - found:
            raise ModelError(f"{self._path!r} lacks the weights {_some(wanted - found)}, which its hparams call for")
        if found - wanted:
            raise ModelError(
                f"{self._path!r} holds the weights {_some(found - wanted)}, which its hparams do not call for: its "
                "architecture is not one that is known here"
            )
        return {prefix: {name: stored[prefix + name] for name in group} for prefix, group in names.items()}

    def _load(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        module.load_state_dict(weights, assign=True)
        for parameter in module.parameters():
            parameter.data = parameter.data.to(self._device, torch.float32, copy=True)
        module.eval().requires_grad_(False)


def _some(names: set[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(brief, sorted(names)[:5])) + more
