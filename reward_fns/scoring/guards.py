"""Guards: factors in [0, 1] against responses that loop, and against responses far too long or too short.

They are there for degenerate text and leave honest text alone: a factor of 1 is the rule. Both measure text in letters
of an alphabet, a Chinese character counting as three of them, so that one option serves every language. Both take time
linear in the length of the text.
"""

import unicodedata
from collections import Counter
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from pydantic import model_validator
from typing_extensions import Self

from pbrlsvr.languages.tables import LETTERS_PER_SIGN, SCRIPT_OF_NAME
from pbrlsvr.options import Field, Options, switch


class RepetitionGuard(Options):
    r"""Lowers the score of text that says the same thing over and over.

    .. math:: \text{factor} = \min(1, \max(0, \frac{\text{limit} - \rho}{\text{limit} - \text{threshold}}))

    with :math:`\rho` = `repetition(text, window)`.

    >>> RepetitionGuard().factor(0.2), round(RepetitionGuard().factor(0.5), 3), RepetitionGuard().factor(0.8)
    (1.0, 0.5, 0.0)
    """

    threshold: float = Field(0.3, ge=0, lt=1)
    """Up to this share of repeated text the factor is 1."""
    limit: float = Field(0.7, gt=0, le=1)
    """From this share on the factor is 0; above `threshold`."""
    window: int = Field(30, ge=8)
    """Length of the n-grams, in letters of an alphabet. At 30, about six words of English, the steps of a worked
    solution differ by their numbers."""

    @model_validator(mode="after")
    def _threshold_is_below_limit(self) -> Self:
        if not self.threshold < self.limit:
            raise ValueError(f"threshold={self.threshold!r} must be below limit={self.limit!r}")
        return self

    def factor(self, repeated: float) -> float:
        """What the score is multiplied with, in [0, 1], at this share of repeated text."""
        return min(1.0, max(0.0, (self.limit - repeated) / (self.limit - self.threshold)))


class LengthGuard(Options):
    r"""Lowers the score of text far shorter or far longer than its reference.

    .. math:: \text{factor} = \min(1, r / \text{min}, \text{max} / r)

    with :math:`r` = `length(text) / length(reference)`. At the bounds it is 1 and continuous; half as short, or twice
    as long, is a factor of one half.

    >>> LengthGuard().factor(10.0)
    0.5
    """

    min: float = Field(0.2, ge=0)
    """Smallest ratio with a factor of 1; 0 for no lower bound."""
    max: float = Field(5.0, gt=0, allow_inf_nan=True)
    """Largest ratio with a factor of 1; above `min`, `.inf` for no upper bound. A policy that thinks aloud is easily
    ten times as long as a pivot that only explains."""

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min={self.min!r} must be below max={self.max!r}")
        return self

    def factor(self, ratio: float) -> float:
        """What the score is multiplied with, in [0, 1], at this ratio of the lengths."""
        if ratio < self.min:
            return ratio / self.min
        return self.max / ratio if ratio > self.max else 1.0


class GuardOptions(Options):
    """Which guards look at a response. False or null in place of the block turns every guard off.

    >>> GuardOptions(length={"max": 3}).length
    LengthGuard(min=0.2, max=3.0)
    """

    repetition: RepetitionGuard | None = switch(RepetitionGuard())
    """Text that says the same over and over: true, false, or the options threshold, limit and window."""
    length: LengthGuard | None = switch(None)
    """Text far longer or shorter than the reference: true, false, or the options min and max. It asks the policy to
    reason about as long as the pivot does, and that is for the user to decide."""

    @classmethod
    def from_bare(cls, value: Any) -> Any:
        return {"repetition": None, "length": None} if value is None or value is False else value


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """What the guards found.

    Attributes:
        repetition: share of the text that repeats what it said twice before, in [0, 1]; 0 if that guard is off.
        length_ratio: length of the text / length of the reference, at least 0; 1 if that guard is off, or if the
            reference has no letter or digit.
        repetition_factor: what the repetition guard multiplies the score with, in [0, 1].
        length_factor: what the length guard multiplies the score with, in [0, 1].
    """

    repetition: float
    length_ratio: float
    repetition_factor: float
    length_factor: float

    def factors(self) -> dict[str, float]:
        """What the score is multiplied with, by name."""
        return {"repetition": self.repetition_factor, "length": self.length_factor}

    def components(self) -> dict[str, float]:
        """The numbers to log: the same keys for every sample and every option, none of them NaN."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def check(text: str, reference: str, options: GuardOptions) -> GuardCheck:
    """Whether a text loops, and how long it is beside its reference, which may be in another language.

    Args:
        text: what the policy wrote: the response, or its reasoning. Empty text has a length ratio of 0, and no
            repetition.
        reference: what its length is compared with; not looked at without a length guard.
        options: which guards there are.

    >>> check("I add them. " * 50, "Add 3 and 4: 7.", GuardOptions()).repetition_factor
    0.0
    """
    repeated, ratio = 0.0, 1.0
    if options.repetition is not None:
        repeated = repetition(text, options.repetition.window)
    if options.length is not None and (expected := length(reference)):
        ratio = length(text) / expected
    return GuardCheck(
        repetition=repeated,
        length_ratio=ratio,
        repetition_factor=options.repetition.factor(repeated) if options.repetition else 1.0,
        length_factor=options.length.factor(ratio) if options.length else 1.0,
    )


def repetition(text: str, window: int = 30) -> float:
    r"""The share of a text's n-grams that occurred at least twice before.

    .. math:: \rho = \frac{\sum_{g} \max(0, \text{count}(g) - 2)}{\sum_{g} \text{count}(g)}

    over the n-grams :math:`g` of characters, without white space and invisible characters. One unit repeated k times
    has a share of about 1 - 2/k, wherever its sentences and lines begin and end. n is `window` letters of an alphabet:
    30 characters of Latin text, 10 of Chinese, in between for a mixture.

    It is seq-rep-n of "Neural Text Generation with Unlikelihood Training", https://arxiv.org/abs/1908.04319, with two
    choices of ours. Characters, since many languages write no spaces between words. And the third occurrence is the
    first that counts, since a response may well draft a solution and then write it down.

    What it is blind to: loops with a counter or a synonym in every `window` of letters.

    Returns:
        The share, in [0, 1]; 0 for a text shorter than one n-gram.

    >>> repetition("So the answer must be even, since two odd numbers add up to an even one.")
    0.0
    >>> round(repetition("所以我们再检查一遍答案。" * 10), 2)
    0.78
    """
    counts = Counter(text)
    shown = text.translate({ord(character): None for character in counts if _is_hidden(character)})
    if not shown:
        return 0.0
    letters = sum(
        max(1, _letters(character)) * count for character, count in counts.items() if not _is_hidden(character)
    )
    size = max(1, round(window * len(shown) / letters))
    total = len(shown) - size + 1
    if total < 1:
        return 0.0
    grams = Counter(shown[start : start + size] for start in range(total))
    return sum(count - 2 for count in grams.values() if count > 2) / total


def length(text: str) -> int:
    """The length of a text in letters of an alphabet, so that a text and its translation are about equally long.

    Letters, vowel signs and digits count 1 each; a Chinese character counts 3, a Korean syllable or Japanese kana 2.
    Spaces, punctuation and symbols count nothing. On MGSM's questions the median ratio to the English is 1.03 (Bengali)
    to 1.16 (German), and 1.08 for Chinese, which has 0.38 times the characters.

    >>> length("12 eggs"), length("12个鸡蛋")
    (6, 11)
    """
    return sum(_letters(character) * count for character, count in Counter(text).items())


@lru_cache(maxsize=65536)
def _letters(character: str) -> int:
    category = unicodedata.category(character)[0]
    if category == "L":
        script = SCRIPT_OF_NAME.get(unicodedata.name(character, "").split(" ", 1)[0], "")
        return LETTERS_PER_SIGN.get(script, 1)
    return int(category in "MN")


@lru_cache(maxsize=65536)
def _is_hidden(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cf"
