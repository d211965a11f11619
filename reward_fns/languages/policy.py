"""What a reward does about the language of a span."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr.languages.identify import LanguageProfile, known_languages, profile, reported_as, scripts_of, shared_credit
from pbrlsvr.languages.tags import parse
from pbrlsvr.options import from_mapping

Mode = Literal["gate", "penalty", "off"]


@dataclass(frozen=True, slots=True)
class LanguagePolicy:
    """What a span's language does to the score: `score * factor`. One policy for the reasoning, one for the answer.

    With s = share of the expected language, t = `threshold`, w = `weight`:

        off       factor = 1, and the text is not looked at
        gate      factor = 1 if s >= t else 0
        penalty   factor = 1 - w * max(0, 1 - s / t)

    An undetermined text has s = 1, and so factor 1 in every mode. `penalty` with `weight=0` measures without effect.

    Attributes:
        mode: "gate", "penalty" or "off".
        language: the language that the span must be in; None for the sample's own. "en" on the reasoning and None on
            the answer asks for English thinking and a native answer.
        threshold: t, in (0, 1]. Below 1, since a borrowed word or a quotation is no failure.
        weight: w, in [0, 1]: what a span wholly in other languages loses.
        min_letters: text with fewer letters than this that could be judged is undetermined; at least 1.

    Raises:
        ConfigError: a value is out of its range, or of the wrong type.

    >>> LanguagePolicy("penalty", weight=0.5).factor(0.4)
    0.75
    """

    mode: Mode = "gate"
    language: str | None = None
    threshold: float = 0.8
    weight: float = 1.0
    min_letters: int = 20

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ConfigError(f"a language policy's mode is one of {list(get_args(Mode))}, not {self.mode!r}")
        if self.language is not None:
            object.__setattr__(self, "language", parse(self.language, error=ConfigError))
        for name, low_included in (("threshold", False), ("weight", True)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not (0 <= value <= 1) or (value == 0 and not low_included):
                low = "[0" if low_included else "(0"
                raise ConfigError(f"a language policy's {name} is a number in {low}, 1], not {value!r}")
        if isinstance(self.min_letters, bool) or not isinstance(self.min_letters, int) or self.min_letters < 1:
            raise ConfigError(f"a language policy's min_letters is an integer of at least 1, not {self.min_letters!r}")

    def factor(self, share: float) -> float:
        """What the score is multiplied with, in [0, 1], at this share of the expected language."""
        if self.mode == "off":
            return 1.0
        if self.mode == "gate":
            return float(share >= self.threshold)
        return 1.0 - self.weight * max(0.0, 1.0 - share / self.threshold)

    @classmethod
    def of(cls, value: "str | bool | Mapping[str, Any] | LanguagePolicy") -> "LanguagePolicy":
        """A policy from an option: a mode (`"gate"`), a mapping of this class's fields, or a policy.

        YAML 1.1 reads a bare `off` as false, so False is taken for "off".

        Raises:
            ConfigError: it is none of these, or a field does not exist or has a value that cannot work.
        """
        if isinstance(value, LanguagePolicy):
            return value
        if value is False:
            return cls("off")
        if isinstance(value, str):
            return cls(value)  # type: ignore[arg-type]
        if not isinstance(value, Mapping):
            raise ConfigError(f"a language policy is one of {list(get_args(Mode))} or a mapping, not {value!r}")
        options = {**value, "mode": "off"} if value.get("mode") is False else dict(value)
        return from_mapping(cls, options, "a language policy")


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
