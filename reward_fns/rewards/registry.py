"""The reward functions, with veRL's signature: one rollout in, a score and its components out.

Each is `async`: veRL awaits it for every sample on its reward worker's event loop, and the model behind it sees the
samples that wait at the same time as one batch. Each returns the same keys for every sample, because veRL reads the
keys from the first one. Keyword arguments are the reward's options; `pbrlsvr_plugin/config/reward_fn/` documents them.
"""

from pbrlsvr.rewards.comet_score import comet_options, comet_score
from pbrlsvr.rewards.embed_cosine import embed_cosine, embed_options
from pbrlsvr.rewards.hybrid import hybrid, hybrid_options
from pbrlsvr.rewards.rules import (
    consistency_options,
    exact_answer,
    format,  # noqa: A004 - the name that users write
    format_options,
    language_consistency,
)
from pbrlsvr.rewards.translated import (
    mt_bleu,
    mt_bleu_options,
    mt_chrf,
    mt_chrf_options,
    mt_embed_cosine,
    mt_embed_options,
)

__all__ = [
    "OPTION_CHECKS",
    "comet_score",
    "embed_cosine",
    "exact_answer",
    "format",
    "hybrid",
    "language_consistency",
    "mt_bleu",
    "mt_chrf",
    "mt_embed_cosine",
]

#: For each reward with options, what checks them without loading a model.
OPTION_CHECKS = {
    "comet_score": comet_options,
    "embed_cosine": embed_options,
    "format": format_options,
    "hybrid": hybrid_options,
    "language_consistency": consistency_options,
    "mt_bleu": mt_bleu_options,
    "mt_chrf": mt_chrf_options,
    "mt_embed_cosine": mt_embed_options,
}
