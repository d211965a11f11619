"""What a reward does about the language of a span."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages.identify import LanguageProfile, known_languages, profile, reported_as, scripts_of, shared_credit
from pbrlsvr.languages.tags import parse
from pbrlsvr.options import Field, Options

Mode = Literal["gate", "penalty", "off"]


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
    """Spans with fewer letters that could be judged are undetermined, and lose nothing."""

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


@dataclass(frozen=True, slots=True)
class LanguageCheck:
    """How far a span is in the language that it should be in.

    Attributes:
        share: letters in the expected language / letters in any language, in [0, 1]; 1 if undetermined.
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

    def components(self, prefix: str = "language") -> dict[str, float]:
        """The numbers to log: the same keys for every sample and every policy, none of them NaN."""
        found = self.profile
        return {
            f"{prefix}_share": self.share,
            f"{prefix}_factor": self.factor,
            f"{prefix}_undetermined": float(self.undetermined),
            f"{prefix}_excluded": found.excluded if found else 0.0,
            f"{prefix}_lookalikes": found.lookalikes if found else 0.0,
            f"{prefix}_invisible": found.invisible if found else 0.0,
        }


def check(
    text: str, language: str, policy: "str | bool | Mapping[str, Any] | LanguagePolicy" = "gate"
) -> LanguageCheck:
    """Whether a span is in the language that it should be in, and what that does to its score.

    share = (letters in `language`, in one of its scripts) / (letters in any language). Names, units, formulas, code,
    numbers and text too short to judge are in neither. With fewer than `policy.min_letters` letters in any language,
    an empty text among them, the span is undetermined: share 1, factor 1.

    Args:
        text: the span: the reasoning, or the answer.
        language: the sample's language, a BCP-47 code; `policy.language` goes before it.
        policy: a `LanguagePolicy`, or what `LanguagePolicy.of` makes one from.

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
    found = profile(text, expected)
    spoken_in, scripts = reported_as(expected), scripts_of(expected)
    kin = shared_credit(spoken_in)
    right = wrong = 0.0
    for tag, share in found.shares.items():
        spoken, _, script = tag.partition("-")
        if spoken in kin and (not scripts or script in scripts):
            right += share
        else:
            wrong += share
    undetermined = (right + wrong) * found.letters < policy.min_letters - 0.5
    share = 1.0 if undetermined else right / (right + wrong)
    known = spoken_in in known_languages()
    return LanguageCheck(share, policy.factor(share), undetermined, expected, known, found)
