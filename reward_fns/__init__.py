"""pbrlsvr: semantically verifiable rewards for multilingual reasoning.

The public names, each loaded on first use: `import pbrlsvr` loads neither torch nor veRL.

    hybrid                 COMET on the answer, embedding or translation similarity on the reasoning
    embed_cosine           cosine of the response's reasoning with the English pivot's, across languages
    comet_score            COMET of the response's answer against the English pivot's
    mt_embed_cosine        cosine with the pivot's reasoning after translation into English
    mt_chrf, mt_bleu       overlap with the pivot's reasoning after translation into English
    exact_answer           1 if the final answer is right, in whatever language and digits
    format                 1 if the response thinks and answers where it should
    language_consistency   how far the response is in the row's language
"""

from typing import Any

from pbrlsvr.rewards import NAMES, load

__version__ = "0.1.0"

#: Reward functions: each is an option `reward_fn: pbrlsvr.<name>` in a veRL config.
REWARD_FUNCTIONS = NAMES

__all__ = ["REWARD_FUNCTIONS", "__version__", *NAMES]


def __getattr__(name: str) -> Any:
    if name in NAMES:
        try:
            return load(name)
        except Exception as error:
            # veRL's reward worker asks with hasattr, which would hide an AttributeError and its cause.
            raise ImportError(
                f"pbrlsvr.{name} cannot be imported: {type(error).__name__}: {error}; run `pbrlsvr doctor` here",
                name=getattr(error, "name", None),
            ) from error
    raise AttributeError(f"module 'pbrlsvr' has no attribute {name!r}; its reward functions are {list(NAMES)}")


def __dir__() -> list[str]:
    return sorted(__all__)
