"""The language reward: how far a response is in the row's language."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar

from pbrlsvr.languages import LanguageOptions, LanguagePolicy
from pbrlsvr.scoring.base import Reward, verl_function
from pbrlsvr.scoring.finish import check_languages
from pbrlsvr.scoring.rollout import Rollout


class LanguageConsistency(Reward):
    r"""How far the response is in the row's language.

    .. math:: \text{score} = \text{factor}_\text{reasoning} \cdot \text{factor}_\text{answer}

    with the factors of the two language policies. By default that is the share of the reasoning's letters in the
    row's language. It says nothing about the content: use it beside another reward, against drift to English.

    Returns:
        `score` in [0, 1], 0 for a response without a letter; and for each span its share, factor and more
        (`pbrlsvr.languages.LanguageCheck.components`); `acc`, 1.0 where the final answer is that of the row.

    Raises:
        DataError: the row has no `language`, or one that does not exist.
        MissingDependencyError: the language identifier is not installed.

    Example:
        >>> import asyncio, pbrlsvr
        >>> response = "Ana tiene 17 manzanas y regala 6 a su hermana, así que le quedan 11. #### 11"
        >>> asyncio.run(pbrlsvr.language_consistency("demo/es", response, "", {"language": "es"}))["score"]
        1.0
    """

    MOVED: ClassVar[Mapping[str, str]] = {"reasoning": "language.reasoning", "answer": "language.answer"}

    language: LanguageOptions = LanguageOptions(reasoning=LanguagePolicy(mode="penalty", threshold=1.0))
    """The language policies of the two spans."""

    async def __call__(self, rollout: Rollout) -> dict[str, float]:
        spoken = await asyncio.to_thread(check_languages, rollout, self.language)
        written = any(character.isalpha() for character in rollout.text)
        found = {"score": spoken["reasoning"].factor * spoken["answer"].factor if written else 0.0}
        for span, check in spoken.items():
            found |= check.components(f"{span}_language")
        return found | {"acc": await asyncio.to_thread(rollout.accuracy)}


language_consistency = verl_function(LanguageConsistency)
