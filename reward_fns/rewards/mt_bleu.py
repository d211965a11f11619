"""The translation reward with BLEU: the reasoning is translated into English, and common words count."""

from pbrlsvr.scoring.base import verl_function
from pbrlsvr.scoring.reasoning import ReasoningReward
from pbrlsvr.scoring.similarity import Translated, TranslatedOverlap, TranslationBlock


class MtBleu(ReasoningReward):
    r"""BLEU between the response's reasoning, translated into English, and the English pivot's reasoning.

    .. math:: \text{reasoning} = \text{BLEU}(t(\text{response's reasoning}), \text{pivot's reasoning})

    .. math:: \text{score} = \text{combine}(\text{reasoning}, \text{answer}) \cdot \prod \text{factors}

    BLEU (Papineni et al. 2002, https://aclanthology.org/P02-1040) of single texts, smoothed as in
    `pbrlsvr.scoring.overlap`, is near 0 for most right solutions in other words: prefer `pbrlsvr.mt_chrf`, and take
    this one for comparisons. Source: PB-RLSVR's translation-based reward, https://arxiv.org/abs/2509.25543; that the
    measure is BLEU is our choice.

    Example:
        >>> import asyncio, pbrlsvr
        >>> row = {"language": "es", "pivot_reasoning": "17 apples minus 6 apples are 11 apples."}
        >>> reward = pbrlsvr.mt_bleu("demo/es", "17 manzanas menos 6 son 11. #### 11", "11", row)
        >>> asyncio.run(reward)["score"]  # doctest: +SKIP
        0.23
    """

    translation: TranslationBlock = TranslationBlock()
    """What translates the reasoning into English."""

    def similarity(self) -> TranslatedOverlap:
        return TranslatedOverlap(Translated(self.translation, self.place(self.translation)), "bleu")


mt_bleu = verl_function(MtBleu)
