"""The reward functions, with veRL's signature: one rollout in, a score and its components out.

Each is `async`: veRL awaits it for every sample on its reward worker's event loop, and the model behind it sees the
samples that wait at the same time as one batch. Each returns the same keys for every sample, because veRL reads the
keys from the first one. Keyword arguments are the reward's options; `pbrlsvr_plugin/config/reward_fn/` documents them.
"""

from pbrlsvr.functions.embedding import embed_cosine, embed_options
from pbrlsvr.functions.rules import (
    consistency_options,
    exact_answer,
    format,  # noqa: A004 - the name that users write
    format_options,
    language_consistency,
)

__all__ = ["OPTION_CHECKS", "embed_cosine", "exact_answer", "format", "language_consistency"]

#: For each reward with options, what checks them without loading a model.
OPTION_CHECKS = {
    "embed_cosine": embed_options,
    "format": format_options,
    "language_consistency": consistency_options,
}
