"""Guards: factors in [0, 1] against responses that loop, and against responses far too long or too short.

They are there for degenerate text and leave honest text alone: a factor of 1 is the rule. Both measure text in letters
of an alphabet, a Chinese character counting as three of them, so that one option serves every language. Both take time
linear in the length of the text.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages.tables import LETTERS_PER_SIGN, SCRIPT_OF_NAME
from pbrlsvr.options import from_mapping


def _check_number(guard: str, name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ConfigError(f"a {guard}'s {name} is a number, not {value!r}")


@dataclass(frozen=True, slots=True)
class RepetitionGuard:
    r"""Lowers the score of text that says the same thing over and over.

    .. math:: \text{factor} = \min(1, \max(0, \frac{\text{limit} - \rho}{\text{limit} - \text{threshold}}))

    with :math:`\rho` = `repetition(text, window)`.

    Attributes:
        threshold: up to this share of repeated text the factor is 1; in [0, 1).
        limit: from this share on the factor is 0; in (threshold, 1].
        window: length of the n-grams, in letters of an alphabet; at least 8. At 30, about six words of English, the
            steps of a worked solution differ by their numbers.

    Raises:
        ConfigError: a value is out of its range, or of the wrong type.

    >>> RepetitionGuard().factor(0.2), round(RepetitionGuard().factor(0.5), 3), RepetitionGuard().factor(0.8)
    (1.0, 0.5, 0.0)
    """

    threshold: float = 0.3
    limit: float = 0.7
    window: int = 30

    def __post_init__(self) -> None:
        for name in ("threshold", "limit"):
            _check_number("repetition guard", name, getattr(self, name))
        if not 0 <= self.threshold < self.limit <= 1:
            raise ConfigError(
                f"a repetition guard has 0 <= threshold < limit <= 1, not threshold={self.threshold!r} and "
                f"limit={self.limit!r}"
            )
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 8:
            raise ConfigError(f"a repetition guard's window is an integer of at least 8, not {self.window!r}")

    def factor(self, repeated: float) -> float:
        """What the score is multiplied with, in [0, 1], at this share of repeated text."""
        return min(1.0, max(0.0, (self.limit - repeated) / (self.limit - self.threshold)))


@dataclass(frozen=True, slots=True)
class LengthGuard:
    r"""Lowers the score of text far shorter or far longer than its reference.

    .. math:: \text{factor} = \min(1, r / \text{min}, \text{max} / r)

    with :math:`r` = `length(text) / length(reference)`. At the bounds it is 1 and continuous; half as short, or twice
    as long, is a factor of one half.

    Attributes:
        min: smallest ratio with a factor of 1; at least 0, and 0 for no lower bound.
        max: largest ratio with a factor of 1; above `min`. Infinity (`.inf` in YAML) for no upper bound. A policy that
            thinks aloud is easily ten times as long as a pivot that only explains.

    Raises:
        ConfigError: a value is out of its range, or of the wrong type.

    >>> LengthGuard().factor(10.0)
    0.5
    """

    min: float = 0.2
    max: float = 5.0

    def __post_init__(self) -> None:
        for name in ("min", "max"):
            _check_number("length guard", name, getattr(self, name))
        if not 0 <= self.min < self.max or math.isinf(self.min):
            raise ConfigError(f"a length guard has 0 <= min < max, not min={self.min!r} and max={self.max!r}")

    def factor(self, ratio: float) -> float:
        """What the score is multiplied with, in [0, 1], at this ratio of the lengths."""
        if ratio < self.min:
            return ratio / self.min
        return self.max / ratio if ratio > self.max else 1.0


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """Which guards look at a response: the whole configuration block.

    Attributes:
        repetition: a `RepetitionGuard`, or None for none.
        length: a `LengthGuard`, or None, the default, for none: it asks the policy to reason about as long as the
            pivot does, and that is for the user to decide.

    >>> GuardOptions.of({"length": {"max": 3}}).length
    LengthGuard(min=0.2, max=3)
    """

    repetition: RepetitionGuard | None = RepetitionGuard()
    length: LengthGuard | None = None

    @classmethod
    def of(cls, value: "bool | Mapping[str, Any] | GuardOptions | None") -> "GuardOptions":
        """Options from a mapping guard -> true (its defaults), false (off) or a mapping of its fields.

        False or None in place of the whole mapping turns every guard off. A guard that is not named keeps its default.

        Raises:
            ConfigError: it is none of these, or a field does not exist or has a value that cannot work.
        """
        if isinstance(value, GuardOptions):
            return value
        if value is None or value is False:
            return cls(None, None)
        if not isinstance(value, Mapping):
            raise ConfigError(f"guards are false, or a mapping of {sorted(_GUARDS)}, not {value!r}")
        if unknown := [name for name in value if name not in _GUARDS]:
            raise ConfigError(f"there is no guard {unknown[0]!r}; the guards are {sorted(_GUARDS)}")
        return cls(**{name: _guard(name, given) for name, given in value.items()})


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

    >>> check("I add them. " * 50, "Add 3 and 4: 7.", GuardOptions.of({"repetition": True})).repetition_factor
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

    Args:
        text: any text.
        window: length of the n-grams, in letters of an alphabet.

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


_GUARDS: dict[str, type[RepetitionGuard] | type[LengthGuard]] = {"repetition": RepetitionGuard, "length": LengthGuard}


def _guard(name: str, value: Any) -> Any:
    guard = _GUARDS[name]
    if value is None or value is False:
        return None
    if value is True:
        return guard()
    if isinstance(value, guard):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"the {name} guard is true, false or a mapping of its options, not {value!r}")
    return from_mapping(guard, value, f"the {name} guard")
