"""The reward functions, with veRL's signature: one rollout in, a score and its components out.

Each is `async`: veRL awaits it for every sample on its reward worker's event loop, and the model behind it sees the
samples that wait at the same time as one batch. Each returns the same keys for every sample, because veRL reads the
keys from the first one.
"""

from collections.abc import Mapping
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.languages import parse as parse_language
from pbrlsvr.response import split
from pbrlsvr.scorers.embedding import EmbeddingOptions, embedder

DEFAULT_ENCODER = "intfloat/multilingual-e5-small"


async def embed_cosine(
    data_source: str,
    solution_str: str,
    ground_truth: str | None,
    extra_info: Mapping[str, Any] | None = None,
    *,
    model: str = DEFAULT_ENCODER,
    revision: str | None = None,
    prompt: str | None = None,
    max_tokens: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    cache_size: int = 100_000,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
) -> dict[str, float]:
    r"""Cosine between the response's reasoning and the English pivot's reasoning, in a multilingual embedding space.

    .. math:: \text{score} = \max(0, \cos(e(\text{reasoning}), e(\text{pivot reasoning})))

    where :math:`e` is a sentence encoder that maps a text and its translation to nearby vectors, so that no
    annotation in the response's language is needed. Source: the embedding-based reward of PB-RLSVR,
    https://arxiv.org/abs/2509.25543; the encoder and the clipping at zero are our choice.

    What it is blind to: most encoders hardly see a changed digit, and English text scores above its translations.

    Args:
        data_source: the row's source; named in errors.
        solution_str: the response. Its reasoning span is compared; the final answer is not.
        ground_truth: not used; may be empty.
        extra_info: the row's `extra_info`. `pivot_reasoning` is the English reference; `language`, where it is
            given, must be a BCP-47 code.
        model: see `pbrlsvr.scorers.embedding.EmbeddingOptions` for this and the following ones.
        revision: revision of the model on the hub.
        prompt: text put before each input; by default what the model's card asks for.
        max_tokens: longest piece encoded at once, in tokens.
        device: "auto" or a torch device.
        dtype: "float32", "bfloat16" or "float16".
        batch_size: pieces in one forward pass.
        cache_size: vectors kept in memory.
        reward_router_address: given by veRL when it serves a reward model; not used.
        reward_model_tokenizer: given by veRL when it serves a reward model; not used.

    Returns:
        `score` in [0, 1]; `cosine` in [-1, 1]; `empty`, 1.0 where the reasoning has no letter or digit, which scores 0.

    Raises:
        DataError: the row has no `pivot_reasoning`, or a `language` that does not exist.
        ConfigError: an option has a value that cannot work.
        ModelError: the model cannot be loaded, or returns something that is not a number.
        MissingDependencyError: sentence-transformers is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.embed_cosine("demo/es", "17 manzanas menos 6 son 11 manzanas. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.93
    """
    options = EmbeddingOptions(model, revision, prompt, max_tokens, device, dtype, batch_size, cache_size)
    reference = pivot_reasoning(data_source, extra_info)
    reasoning = split(solution_str).reasoning.strip()
    if not any(character.isalnum() for character in reasoning):
        return {"score": 0.0, "cosine": 0.0, "empty": 1.0}
    cosine = await embedder(options).cosine(reasoning, reference)
    return {"score": max(0.0, cosine), "cosine": cosine, "empty": 0.0}


def pivot_reasoning(data_source: str, extra_info: Mapping[str, Any] | None) -> str:
    """The row's English reference, after a check of what the row says about its language."""
    row = extra_info or {}
    if row.get("language"):
        try:
            parse_language(row["language"])
        except DataError as error:
            raise DataError(f"row {row.get('index')!r} of {data_source!r}: {error}") from error
    reference = row.get("pivot_reasoning")
    if not isinstance(reference, str) or not reference.strip():
        raise DataError(
            f"row {row.get('index')!r} of {data_source!r} has extra_info['pivot_reasoning']={reference!r}, so there is "
            f"no English reference to compare with; extra_info has the keys {sorted(map(str, row))}. Write the "
            "reference into each row, or drop the rows that have none."
        )
    return reference
