"""From what was measured to what a reward function returns: the options that all semantic rewards share.

score = combine(components) * language factors * guard factors
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from pbrlsvr import languages
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import LanguageCheck, LanguagePolicy
from pbrlsvr.rewards import guards
from pbrlsvr.rewards.combine import CombineOptions, combine, exposed
from pbrlsvr.rewards.guards import GuardOptions
from pbrlsvr.rewards.rollout import Rollout

Options = TypeVar("Options")

SPANS = ("reasoning", "answer")


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """What multiplies the score, and how its components become one.

    Attributes:
        reasoning_language, answer_language: the language policies of the two spans.
        guards: against loops, and against responses far too long or too short.
        combine: how the components become one score.
    """

    reasoning_language: LanguagePolicy
    answer_language: LanguagePolicy
    guards: GuardOptions
    combine: CombineOptions

    @classmethod
    def of(cls, language: Any, guards: Any, combine: Any, components: Sequence[str]) -> "ScoringOptions":
        """From the blocks `language` (a policy for each span), `guards` and `combine` of a config.

        Raises:
            ConfigError: a block has an option that does not exist, or a value that cannot work.
        """
        reasoning, answer = span_policies(language)
        combination = CombineOptions.of(combine)
        combination.check_names(components)
        return cls(reasoning, answer, GuardOptions.of(guards), combination)


def span_policies(language: Any) -> tuple[LanguagePolicy, LanguagePolicy]:
    """The policies of the reasoning and of the answer, from a mapping of these two; a span not named is "off"."""
    if not isinstance(language, Mapping):
        raise ConfigError(f"language={language!r} must map {list(SPANS)} to a language policy each")
    if unknown := [name for name in language if name not in SPANS]:
        raise ConfigError(f"language has no option {unknown[0]!r}; its options are {list(SPANS)}")
    reasoning, answer = (LanguagePolicy.of(language.get(span, "off")) for span in SPANS)
    return reasoning, answer


def finish(rollout: Rollout, components: Mapping[str, float | None], options: ScoringOptions) -> dict[str, float]:
    """The dictionary that a reward function returns: the same keys for every sample.

    Args:
        rollout: the response and its row.
        components: what the reward measured, each in [0, 1], or None where the row has nothing to compare with.
        options: how they become one score.

    Returns:
        `score`; for each component its value, `<name>_missing`, and `<name>_reward` for veRL's GDPO (see
        `pbrlsvr.rewards.combine.exposed`); the shares and factors of the language policies and of the guards; `acc`,
        1.0 where the final answer is that of the row, which veRL reports for each data source in validation.
    """
    spoken = check_languages(rollout, options.reasoning_language, options.answer_language)
    guarded = guards.check(rollout.text, _guard_reference(rollout, options.guards), options.guards)
    factors = {f"{span}_language": check.factor for span, check in spoken.items()} | guarded.factors()
    found = {"score": combine(components, options.combine, factors)}
    found |= exposed(components, options.combine, factors)
    for span, check in spoken.items():
        found |= check.components(f"{span}_language")
    found |= guarded.components()
    answer = components.get("answer")
    found["acc"] = (rollout.answer() or 0.0) if answer is None else answer
    return found


def check_languages(rollout: Rollout, reasoning: LanguagePolicy, answer: LanguagePolicy) -> dict[str, LanguageCheck]:
    """What language the reasoning and the answer are in, and what their policies make of it.

    Raises:
        DataError: a policy needs the row's language, and the row has none.
    """
    found = {}
    for span, text, policy in (
        ("reasoning", rollout.spans.reasoning, reasoning),
        ("answer", rollout.spans.answer, answer),
    ):
        expected = policy.language or rollout.language
        if expected is None and policy.mode != "off":
            raise DataError(
                f"{rollout.place} has no extra_info['language'], which the {span}'s language policy "
                f"{policy.mode!r} needs. Write the BCP-47 code into each row, or set language.{span}.mode=off."
            )
        found[span] = languages.check(text, expected or "en", policy)
    return found


def cached(build: Callable[..., Options]) -> Callable[..., Options]:
    """`build(**options)` once for equal options: veRL passes the same configuration with every sample."""

    @lru_cache(maxsize=64)
    def from_frozen(frozen: Any) -> Options:
        return build(**_thawed(frozen))

    return lambda **options: from_frozen(_frozen(options))


def _guard_reference(rollout: Rollout, options: GuardOptions) -> str:
    return rollout.pivot_reasoning() if options.length is not None else ""


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return "mapping", tuple((key, _frozen(value[key])) for key in value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "sequence", tuple(map(_frozen, value))
    # 1, 1.0 and True are equal, and are not the same option.
    return type(value), value


def _thawed(frozen: Any) -> Any:
    kind, value = frozen
    if kind == "mapping":
        return {key: _thawed(inner) for key, inner in value}
    return [_thawed(inner) for inner in value] if kind == "sequence" else value
