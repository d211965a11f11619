"""What stands on top of COMET's encoder: the mixture of its layers, the pooling of tokens, the estimator; and XCOMET's
one score from its estimates and from the errors that it tags.

Sources: Rei et al. 2020 (arXiv 2009.09025), section 2.2 to 2.4; sparsemax: Martins & Astudillo 2016 (arXiv 1602.02068);
Guerreiro et al. 2023 (arXiv 2310.10482).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pbrlsvr.errors import ModelError
from pbrlsvr.models.comet.checkpoint import Hparams
from pbrlsvr.models.files import brief

# The names of torch.nn that unbabel-comet can build: it writes a name's first letter large and the rest small, so that
# "ReLU" and "GELU" were never possible.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    name: getattr(nn, name)
    for name in ("Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "Mish", "Sigmoid", "Softplus",
                 "Softshrink", "Softsign", "Tanh", "Tanhshrink")
}  # fmt: skip

_EPSILON = 1e-12

# The constants of unbabel-comet 2.2.7: what mt+src, mt+ref and mt+src+ref count in the tags and in the score, what the
# tags' own part counts in the score, what an error costs (as in MQM), and the most that a translation can lose.
_TAG_SHARES = (0.1667, 0.3333, 0.5)
_SCORE_SHARES = (0.12, 0.33, 0.33)
_MQM_SHARE = 0.22
_COSTS = {"minor": 1, "major": 5, "critical": 10}
_MOST = 25


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the simplex that is nearest to `scores` `[n]`: like softmax, but weak entries become exactly 0.

    `p = max(scores - tau, 0)`, with `tau` such that `p` sums to 1 (algorithm 1 of arXiv 1602.02068).

    Example:
        >>> sparsemax(torch.tensor([2.0, 1.5, -1.0]))
        tensor([0.7500, 0.2500, 0.0000])
    """
    ordered = scores.sort(descending=True).values
    sums = ordered.cumsum(0)
    ranks = torch.arange(1, len(scores) + 1, dtype=scores.dtype, device=scores.device)
    support = int((1 + ranks * ordered > sums).sum())
    return (scores - (sums[support - 1] - 1) / support).clamp(min=0)


class LayerPooler:
    """All layers' token vectors -> one vector for each sentence: a mixture of the layers, pooled over the tokens.

    Mean and [CLS] are linear, so each layer is pooled first, and only vectors are mixed: the same result as mixing
    token vectors, for a fraction of the memory traffic.
    """

    def __init__(self, hparams: Hparams, weights: dict[str, Tensor], layers: int, pad_id: int, device: torch.device):
        self._pool = "cls" if hparams.pool == "default" else hparams.pool
        self._pad_id = pad_id
        self._norm = False
        if hparams.pool == "default":
            self._weights = {layers - 1: torch.tensor(1.0, device=device)}
        elif hparams.layer != "mix":
            if int(hparams.layer) >= layers:
                raise ModelError(f"layer={hparams.layer!r}: the encoder has the layers 0 to {layers - 1}")
            self._weights = {int(hparams.layer): torch.tensor(1.0, device=device)}
        else:
            self._norm = hparams.layer_norm
            scalars = torch.cat([weights[f"scalar_parameters.{i}"] for i in range(layers)]).float()
            shares = sparsemax(scalars) if hparams.layer_transformation == "sparsemax" else scalars.softmax(0)
            mixed = (weights["gamma"].float() * shares).to(device)
            self._weights = {i: weight for i, weight in enumerate(mixed.unbind()) if weight != 0}

    @staticmethod
    def keys(hparams: Hparams, layers: int) -> set[str]:
        """The names of the weights that the mixture needs."""
        if hparams.layer != "mix":
            return set()
        return {"gamma", *(f"scalar_parameters.{i}" for i in range(layers))}

    def __call__(self, layers: Sequence[Tensor], token_ids: Tensor, attention: Tensor) -> Tensor:
        """Sentence vectors `[B, d]` in float32.

        Args:
            layers: the embeddings and each layer's output, each `[B, T, d]`.
            token_ids: `[B, T]`.
            attention: `[B, T]`, 1.0 for a token and 0.0 for padding.
        """
        # As in unbabel-comet, a "<pad>" that stands in the text counts in the mean's denominator but not in its sum.
        keep = token_ids.ne(self._pad_id)
        pooled = [
            weight * self._pooled(layers[i].float(), keep, attention)
            for i, weight in self._weights.items()
            if self._pool != "max"
        ]
        if pooled:
            return torch.stack(pooled).sum(0)
        mixed = torch.zeros_like(layers[0], dtype=torch.float32)
        for i, weight in self._weights.items():
            mean, deviation = self._moments(layers[i].float(), attention)
            mixed += weight * (layers[i].float() - mean[:, None]) / deviation[:, None]
        return mixed.masked_fill(~keep[..., None], float("-inf")).amax(1)

    def _pooled(self, layer: Tensor, keep: Tensor, attention: Tensor) -> Tensor:
        mean, deviation = self._moments(layer, attention)
        if self._pool == "cls":
            return (layer[:, 0] - mean) / deviation
        total = torch.einsum("btd,bt->bd", layer, keep.float())
        kept = keep.sum(1, keepdim=True)
        return (total - kept * mean) / deviation / attention.sum(1, keepdim=True)

    def _moments(self, layer: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over all numbers of a sentence, each `[B, 1]`; 0 and 1 without normalisation."""
        if not self._norm:
            return layer.new_zeros(len(layer), 1), layer.new_ones(len(layer), 1)
        numbers = attention.sum(1, keepdim=True) * layer.shape[-1]
        mean = torch.einsum("btd,bt->b", layer, attention)[:, None] / numbers
        squares = (layer - mean[..., None]).square()
        variance = torch.einsum("btd,bt->b", squares, attention)[:, None] / numbers
        return mean, (variance + _EPSILON).sqrt()


def build_estimator(hparams: Hparams, features: int) -> nn.Sequential:
    """The feed-forward network from features `[N, features]` to scores `[N, 1]`.

    Its modules have the numbers that they have in unbabel-comet's checkpoints, where dropout stands after each
    activation.
    """
    modules: list[nn.Module] = []
    for size in hparams.hidden_sizes:
        modules += [nn.Linear(features, size), _activation("activations", hparams.activations), nn.Identity()]
        features = size
    modules.append(nn.Linear(features, 1))
    if hparams.final_activation is not None:
        modules.append(_activation("final_activation", hparams.final_activation))
    return nn.Sequential(*modules)


def _activation(name: str, value: str) -> nn.Module:
    known = ACTIVATIONS.get(str(value).title())
    if known is None:
        raise ModelError(f"{name}={brief(value)} is not supported; known are {list(ACTIVATIONS)}")
    return known()


def xcomet_score(estimates: Tensor, chances: list[Tensor], labels: Sequence[str]) -> Tensor:
    """`sum_k share_k * min(estimate_k, 1) + 0.22 * (1 - min(cost, 25) / 25)`, at most 1.

    Args:
        estimates: of the inputs mt+src, mt+ref, mt+src+ref, `[3]`; or of mt+src alone, `[1]`.
        chances: for each input, of "no error" and of each label for each token of the translation, `[T, 1 + labels]`.
        labels: what the errors are called.
    """
    if len(estimates) == 1:
        shares, mixed = torch.tensor([sum(_SCORE_SHARES)]), chances[0]
    else:
        shares = torch.tensor(_SCORE_SHARES)
        mixed = torch.stack([share * row for share, row in zip(_TAG_SHARES, chances, strict=True)]).sum(0)
    cost = min(_MOST, error_cost(mixed.argmax(-1).tolist(), labels))
    return (shares * estimates.clamp(max=1.0)).sum() + _MQM_SHARE * (_MOST - cost) / _MOST


def error_cost(tags: Sequence[int], labels: Sequence[str]) -> int:
    """What the tagged errors of a translation cost: an error goes on until a token without one, and costs by its first.

    As in unbabel-comet, an error that goes on to the last token, which is the closing one, does not count.

    Args:
        tags: for each token, 0 where there is no error, else 1 + the label's index.
        labels: "minor" costs 1, "major" 5, "critical" 10.

    Example:
        >>> error_cost([0, 1, 1, 0, 2, 0, 3], ["minor", "major", "critical"])
        6
    """
    cost, going_on = 0, 0
    for tag in tags:
        if tag == 0:
            cost, going_on = cost + going_on, 0
        elif not going_on:
            going_on = _COSTS[labels[tag - 1]]
    return cost
