"""From logits to tokens, for a batch whose rows may each ask for something else.

The steps and their order are vLLM's: repetition penalty, temperature, top-k, top-p; a temperature of 0 takes the most
probable token. Log-probabilities are those of the processed distribution, as veRL's `logprobs_mode` asks for.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pbrlsvr.errors import ConfigError

GREEDY_BELOW = 1e-5


@dataclass(frozen=True)
class SamplingParams:
    """What one request asks for.

    Attributes:
        max_tokens: upper limit of new tokens, at least 1.
        temperature: 0 is greedy.
        top_k: keep the k most probable tokens; -1 or 0 keeps all.
        top_p: keep the smallest set of tokens whose probabilities sum to at least this, in (0, 1].
        repetition_penalty: divides positive and multiplies negative logits of tokens seen in prompt and response.
        stop_ids: token ids that end the response; the one that does is part of it.
        seed: of this request's random numbers.
    """

    max_tokens: int
    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop_ids: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens={self.max_tokens!r} leaves no room for a token; it must be at least 1")
        if self.temperature < 0:
            raise ConfigError(f"temperature={self.temperature!r} must not be negative")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p={self.top_p!r} must lie in (0, 1]")
        if self.repetition_penalty <= 0:
            raise ConfigError(f"repetition_penalty={self.repetition_penalty!r} must be positive")


def sample(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """One token per row, by inversion: the first whose cumulative probability exceeds `uniform`.

    Args:
        logits: [B, V].
        temperature: [B], 0 is greedy.
        top_k: [B], V or more keeps all.
        top_p: [B], 1 keeps all.
        uniform: [B], random numbers in [0, 1).

    Returns:
        Token ids [B] and their log-probabilities [B] in the processed distribution.

    >>> one = torch.ones(1)
    >>> token, logprob = sample(torch.tensor([[0.0, 2.0, 1.0]]), 0 * one, 3 * one, one, 0.9 * one)
    >>> token.item()
    1
    """
    greedy = temperature < GREEDY_BELOW
    logits = logits.float() / torch.where(greedy, 1.0, temperature)[:, None]
    if (top_k < logits.shape[1]).any() or (top_p < 1).any():
        logits = _truncate(logits, top_k, top_p)
    logprobs = logits.log_softmax(-1)
    if greedy.all():
        tokens = logits.argmax(-1)
    else:
        cumulative = logprobs.exp().cumsum(-1)
        # The sum may miss 1 by a rounding error; scaled and kept below it, no token of probability 0 is drawn.
        threshold = uniform.clamp(max=1 - 2**-24)[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, threshold, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
        tokens = torch.where(greedy, logits.argmax(-1), tokens)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)


def _truncate(logits: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Logits outside the top k, or outside the nucleus of mass top_p, become -inf."""
    descending, order = logits.sort(-1, descending=True)
    drop = torch.arange(logits.shape[1]) >= top_k[:, None]
    probs = descending.masked_fill(drop, float("-inf")).softmax(-1)
    drop |= probs.cumsum(-1) - probs >= top_p[:, None]
    return logits.masked_fill(torch.zeros_like(drop).scatter(1, order, drop), float("-inf"))


def penalise(logits: Tensor, ids: Tensor, mask: Tensor, penalty: Tensor) -> Tensor:
    """Divide the positive and multiply the negative logits of the tokens that a row has seen by its penalty.

    Args:
        logits: [B, V].
        ids: [B, L], prompt and response so far.
        mask: [B, L], 1 where `ids` is real.
        penalty: [B], 1 changes nothing.
    """
    seen = torch.zeros_like(logits).scatter_add_(1, ids, mask.to(logits.dtype)) > 0
    penalty = penalty[:, None]
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


_KNOWN = {
    "ignore_eos", "logprobs", "max_new_tokens", "max_tokens", "repetition_penalty", "seed", "stop_token_ids",
    "temperature", "top_k", "top_p",
}  # fmt: skip


def from_verl(
    params: dict[str, Any],
    *,
    default_max_tokens: int,
    limit: int,
    eos_ids: tuple[int, ...],
    ignore_eos: bool,
    seed: int,
) -> SamplingParams:
    """Read the dict that veRL's agent loops send; `limit` is what the model's context leaves.

    Raises:
        ConfigError: `params` asks for something that this backend does not do.
    """
    if unknown := sorted(params.keys() - _KNOWN):
        raise ConfigError(f"the hf rollout does not know the sampling parameters {unknown}; it knows {sorted(_KNOWN)}")
    wanted = params.get("max_tokens", params.get("max_new_tokens"))
    stop_ids = tuple(params.get("stop_token_ids") or ())
    own_seed = params.get("seed")
    return SamplingParams(
        max_tokens=max(1, min(default_max_tokens if wanted is None else int(wanted), limit)),
        temperature=float(params.get("temperature", 1.0)),
        top_k=int(params.get("top_k", -1)),
        top_p=float(params.get("top_p", 1.0)),
        repetition_penalty=float(params.get("repetition_penalty", 1.0)),
        stop_ids=stop_ids if params.get("ignore_eos", ignore_eos) else stop_ids + eos_ids,
        seed=seed if own_seed is None else int(own_seed),
    )
