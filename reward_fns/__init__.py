"""pbrlsvr: semantically verifiable rewards for multilingual reasoning.

The public names, each loaded on first use: `import pbrlsvr` loads neither torch nor veRL.

    embed_cosine           cosine of the response's reasoning with the English pivot's, across languages
    exact_answer           1 if the final answer is right, in whatever language and digits
    format                 1 if the response thinks and answers where it should
    language_consistency   how far the response is in the row's language
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Reward functions: each is an option `reward_fn: pbrlsvr.<name>` in a veRL config.
REWARD_FUNCTIONS = ("embed_cosine", "exact_answer", "format", "language_consistency")

__all__ = ["REWARD_FUNCTIONS", "__version__", "embed_cosine", "exact_answer", "format", "language_consistency"]

if TYPE_CHECKING:
    from pbrlsvr.functions import embed_cosine, exact_answer, format, language_consistency  # noqa: A004


def __getattr__(name: str) -> Any:
    if name in REWARD_FUNCTIONS:
        return getattr(import_module("pbrlsvr.functions"), name)
    raise AttributeError(
        f"module 'pbrlsvr' has no attribute {name!r}; its reward functions are {list(REWARD_FUNCTIONS)}"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
