"""The translation reward with chrF: the reasoning is translated into English, and common runs of characters count."""

from pbrlsvr.options import Field
from pbrlsvr.scoring.base import verl_function
from pbrlsvr.scoring.reasoning import ReasoningReward
from pbrlsvr.scoring.similarity import Translated, TranslatedOverlap, TranslationBlock


class MtChrf(ReasoningReward):
    r"""chrF between the response's reasoning, translated into English, and the English pivot's reasoning.

    .. math:: \text{reasoning} = \text{chrF}(t(\text{response's reasoning}), \text{pivot's reasoning})

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    chrF (Popović 2015, https://aclanthology.org/W15-3049) counts common runs of characters (`pbrlsvr.scoring.overlap`):
    it rewards the pivot's wording, and a right solution in other words scores low. Source: PB-RLSVR's translation-based
    reward, https://arxiv.org/abs/2509.25543; that the measure is chrF is our choice.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.mt_chrf("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.58
    """

    translation: TranslationBlock = TranslationBlock()
    """What translates the reasoning into English."""
    word_order: int = Field(0, ge=0)
    """0 for chrF, 2 for chrF++, which counts words and pairs of words too."""

    def similarity(self) -> TranslatedOverlap:
        translated = Translated(self.translation, self.place(self.translation))
        return TranslatedOverlap(translated, "chrf", self.word_order)


mt_chrf = verl_function(MtChrf)
