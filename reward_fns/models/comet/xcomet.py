"""XCOMET: one score from its estimates and from the errors that it tags (Guerreiro et al. 2023, arXiv 2310.10482)."""

from collections.abc import Sequence

import torch
from torch import Tensor

# The constants of unbabel-comet 2.2.7: what mt+src, mt+ref and mt+src+ref count in the tags and in the score, what the
# tags' own part counts in the score, what an error costs (as in MQM), and the most that a translation can lose.
_TAG_SHARES = (0.1667, 0.3333, 0.5)
_SCORE_SHARES = (0.12, 0.33, 0.33)
_MQM_SHARE = 0.22
_COSTS = {"minor": 1, "major": 5, "critical": 10}
_MOST = 25


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
