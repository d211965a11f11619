"""What a reward does about the language of a span."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages.identifier import known_languages, reported_as, scripts_of, shared_credit
from pbrlsvr.languages.identify import LanguageProfile, profile
from pbrlsvr.languages.short_text import english_sentences, english_share, in_another_language, likely_in
from pbrlsvr.languages.tags import base, parse
from pbrlsvr.languages.text import read
from pbrlsvr.options import Field, Options

Mode = Literal["gate", "penalty", "off"]

#: A reference with so many times `min_letters` letters is one in words.
_WORDY = 2
# Of 1,250 MGSM questions in five languages, 23 have a tenth of their letters in words of the English question.
_IN_COMMON = 0.1
_SURELY = 0.9


class LanguagePolicy(Options):
    """What a span's language does to the score: `score * factor`. One policy for the reasoning, one for the answer.

    With s = share of the expected language, t = `threshold`, w = `weight`:

        off       factor = 1, and the text is not looked at
        gate      factor = 1 if s >= t else 0
        penalty   factor = 1 - w * max(0, 1 - s / t)

    An undetermined text has s = 1, and so factor 1 in every mode. `penalty` with `weight=0` measures without effect.

    >>> LanguagePolicy(mode="penalty", weight=0.5).factor(0.4)
    0.75
    """

    BARE: ClassVar[str] = "mode"

    mode: Mode = "gate"
    """The rule: "gate" (0 below the threshold), "penalty" or "off"."""
    weight: float = Field(1.0, ge=0, le=1)
    """What a span wholly in other languages loses under "penalty"."""
    threshold: float = Field(0.8, gt=0, le=1)
    """Share of letters in the expected language from which on nothing is lost. Below 1, since a borrowed word or a
    quotation is no failure."""
    language: str | None = None
    """The language that is expected; null takes the row's own. "en" on the reasoning and null on the answer asks for
    English thinking and a native answer."""
    min_letters: int = Field(20, ge=1)
    """Spans with fewer letters that could be judged are judged by their few words."""

    @classmethod
    def from_bare(cls, value: Any) -> Any:
        return {"mode": "off"} if value is False else super().from_bare(value)

    @field_validator("mode", mode="before")
    @classmethod
    def _off_is_a_text(cls, mode: Any) -> Any:
        # YAML 1.1 reads a bare `off` as false.
        return "off" if mode is False else mode

    @field_validator("language")
    @classmethod
    def _is_a_language(cls, language: str | None) -> str | None:
        return None if language is None else parse(language, error=ConfigError)

    def factor(self, share: float) -> float:
        """What the score is multiplied with, in [0, 1], at this share of the expected language."""
        if self.mode == "off":
            return 1.0
        if self.mode == "gate":
            return float(share >= self.threshold)
        return 1.0 - self.weight * max(0.0, 1.0 - share / self.threshold)


class LanguageOptions(Options):
    """What the language of each span does to the score; a span that is not named is not looked at."""

    reasoning: LanguagePolicy = LanguagePolicy(mode="off")
    """The reasoning."""
    answer: LanguagePolicy = LanguagePolicy(mode="off")
    """The final answer, with the same options. Most final answers are too short to tell their language."""


def surely_in(text: str, language: str) -> bool:
    """Whether nine of ten letters of a text are in a language.

    >>> surely_in("Janet sells the remaining eggs at the market.", "en"), surely_in("42 = 42", "en")
    (True, False)
    """
    return profile(text).languages.get(base(language), 0.0) >= _SURELY


@dataclass(frozen=True, slots=True)
class LanguageCheck:
    """How far a span is in the language that it should be in.

    Attributes:
        share: letters in the expected language / letters in any language, in [0, 1]. If undetermined, 1, or at even
            odds beside a reference that has words: see `check`.
        factor: what the policy makes of it, in [0, 1]: the score is multiplied with it.
        undetermined: there was too little text to judge, or the policy is off.
        language: the language that was expected.
        known: the identifier can recognise that language. If not, only the script and a drift into a widely modelled
            language are seen.
        profile: what was found; None if the policy is off.
    """

    share: float
    factor: float
    undetermined: bool
    language: str
    known: bool
    profile: LanguageProfile | None

    @property
    def english(self) -> float:
        """Letters in English / letters in any language, in [0, 1 - share]: the drift that a training must notice.

        0 where English is expected, or too little was said to tell.

        >>> check("Janet sells the remaining eggs at the market for 2 dollars.", "es").english
        1.0
        """
        if self.profile is None or self.undetermined or reported_as(self.language) == "en":
            return 0.0
        spoken = self.profile.languages
        told = sum(spoken.values())
        return min(spoken.get("en", 0.0) / told, 1.0 - self.share) if told else 0.0

    def components(self, prefix: str = "language") -> dict[str, float]:
        """The numbers to log: the same keys for every sample and every policy, none of them NaN."""
        found = self.profile
        return {
            f"{prefix}_share": self.share,
            f"{prefix}_factor": self.factor,
            f"{prefix}_undetermined": float(self.undetermined),
            f"{prefix}_english": self.english,
            f"{prefix}_excluded": found.excluded if found else 0.0,
            f"{prefix}_lookalikes": found.lookalikes if found else 0.0,
            f"{prefix}_invisible": found.invisible if found else 0.0,
        }


def check(
    text: str,
    language: str,
    policy: "str | bool | Mapping[str, Any] | LanguagePolicy" = "gate",
    *,
    question: str = "",
    reference: str = "",
) -> LanguageCheck:
    """Whether a span is in the language that it should be in, and what that does to its score.

    share = (letters in `language`, in one of its scripts) / (letters in any language). Names, units, formulas, code,
    numbers and text too short to judge are in neither. English words among those of another language are wrong, if they
    have a tenth of the letters (`pbrlsvr.languages.short_text.english_share`). With fewer than `policy.min_letters`
    letters in any language, an empty text among them, the span is undetermined: share 1, factor 1.

    Beside a reference with twice as many letters a span should have words, too. An undetermined one is then
    judged by the words in its code, formulas and addresses (`pbrlsvr.languages.text.Reading.hidden`), if they are in
    `language`, or English sentences. Else, unless its few words are likely in `language`, it is in it as likely as not:
    with n letters, w = n / `min_letters`, share = (1 + w) / 2 and factor = share * factor(1) + (1 - share) * factor(0).
    With a question or a reference, a few words that are hardly in `language` are wrong
    (`pbrlsvr.languages.short_text`).

    Args:
        text: the span: the reasoning, or the answer.
        language: the sample's language, a BCP-47 code; `policy.language` goes before it.
        policy: a `LanguagePolicy`, or what `LanguagePolicy.of` makes one from.
        question: a text in the sample's language that the span may borrow names from.
        reference: the English text that the span is compared with.

    Raises:
        DataError: `language` is no language code.
        ConfigError: `policy` cannot work.
        MissingDependencyError: py3langid is not installed, and the policy is not off.

    >>> check("Janet vende los huevos restantes en el mercado por 2 dólares.", "es").factor
    1.0
    >>> check("Janet sells the remaining eggs at the market for 2 dollars.", "es").factor
    0.0
    """
    policy = LanguagePolicy.of(policy)
    expected = policy.language or parse(language)
    if policy.mode == "off":
        return LanguageCheck(1.0, 1.0, True, expected, True, None)
    known = reported_as(expected) in known_languages()
    found = profile(text, expected)
    native = question if policy.language is None else ""
    share, odds = _share(found, expected, policy.min_letters), 1.0
    if share is not None:
        share = min(share, 1.0 - _mixed_in(text, expected, native, reference))
    elif question or reference:
        share = 0.0 if in_another_language(text, expected, native, reference) else None
        if _letters(reference) >= _WORDY * policy.min_letters:
            share = _out_of_sight(text, expected, policy) if share is None else share
            words = 1.0 if likely_in(text, expected) else min(1.0, found.letters / policy.min_letters)
            odds = (1.0 + words) / 2.0
    if share is None:
        factor = odds * policy.factor(1.0) + (1.0 - odds) * policy.factor(0.0)
        return LanguageCheck(odds, factor, True, expected, known, found)
    return LanguageCheck(share, policy.factor(share), False, expected, known, found)


def _out_of_sight(text: str, expected: str, policy: LanguagePolicy) -> float | None:
    """The share that the words in code, formulas and addresses speak for; None where they are names, or none."""
    words = read(text).hidden
    share = _share(profile(" ".join(words), expected), expected, policy.min_letters)
    if share is not None and share >= policy.threshold:
        return share
    return 0.0 if reported_as(expected) != "en" and english_sentences(words) else None


def _mixed_in(text: str, expected: str, question: str, reference: str) -> float:
    """The share of English words in a text in another language, if they are more than languages have in common."""
    english = 0.0 if reported_as(expected) == "en" else english_share(text, question, reference)
    return english if english >= _IN_COMMON else 0.0


def _share(found: LanguageProfile, expected: str, min_letters: int) -> float | None:
    """Right letters / letters in any language; None for fewer of these than `min_letters`."""
    kin, scripts = shared_credit(reported_as(expected)), scripts_of(expected)
    right = wrong = 0.0
    for tag, share in found.shares.items():
        spoken, _, script = tag.partition("-")
        if spoken in kin and (not scripts or script in scripts):
            right += share
        else:
            wrong += share
    return None if (right + wrong) * found.letters < min_letters - 0.5 else right / (right + wrong)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, read(text).judged)) if text else 0
