"""From what was measured to what a reward returns.

score = combine(components) * language factors * guard factors
"""

from collections.abc import Mapping

from pbrlsvr import languages
from pbrlsvr.errors import DataError
from pbrlsvr.languages import LanguageCheck, LanguageOptions
from pbrlsvr.scoring import guards
from pbrlsvr.scoring.combine import Combined, CombineOptions
from pbrlsvr.scoring.guards import GuardOptions
from pbrlsvr.scoring.rollout import Rollout


def finish(
    rollout: Rollout,
    components: Mapping[str, float | None],
    *,
    language: LanguageOptions,
    guard: GuardOptions,
    combination: CombineOptions,
) -> dict[str, float]:
    """The dictionary that a reward returns: the same keys for every sample.

    Args:
        rollout: the response and its row.
        components: what the reward measured, each in [0, 1], or None where the row has nothing to compare with.
        language: the language policies of the two spans.
        guard: against loops, and against responses far too long or too short.
        combination: how the components become one score.

    Returns:
        `score`; for each component its value, `<name>_missing`, and `<name>_reward` and `<name>_ungated` for veRL's
        GDPO (see `pbrlsvr.scoring.combine.Combined.exposed`); the shares and factors of the language policies and of
        the guards; `acc`, 1.0 where the final answer is that of the row, else 0.0, also where the row has none: veRL
        reports it for each data source in validation, and DAPO's filter of groups reads it; `answered`,
        1.0 where a final answer was found.
    """
    spoken = check_languages(rollout, language)
    reference = str(rollout.row["pivot_reasoning"]) if guard.length is not None and rollout.pivot_reasoning() else ""
    guarded = guards.check(rollout.text, reference, guard)
    factors = {f"{span}_language": check.factor for span, check in spoken.items()} | guarded.factors()
    combined = Combined.of(components, combination, factors)
    found = {"score": combined.score()} | combined.exposed()
    for span, check in spoken.items():
        found |= check.components(f"{span}_language")
    found |= guarded.components()
    answer = components.get("answer")
    found["acc"] = rollout.accuracy() if answer is None else answer
    found["answered"] = float(bool(rollout.spans.answer))
    return found


def check_languages(rollout: Rollout, options: LanguageOptions) -> dict[str, LanguageCheck]:
    """What language the reasoning and the answer are in, and what their policies make of it.

    Raises:
        DataError: a policy needs the row's language, and the row has none.
    """
    found = {}
    names = {"question": "question", "reference": "pivot_reasoning"}
    row = {name: str(rollout.row.get(key) or "") for name, key in names.items()}
    for span, text, policy, beside in (
        ("reasoning", rollout.spans.reasoning, options.reasoning, row),
        ("answer", rollout.spans.answer, options.answer, {}),
    ):
        expected = policy.language or rollout.language
        if expected is None and policy.mode != "off":
            raise DataError(
                f"{rollout.place} has no extra_info['language'], which the {span}'s language policy "
                f"{policy.mode!r} needs. Write the BCP-47 code into each row, or set language.{span}.mode=off."
            )
        found[span] = languages.check(text, expected or "en", policy, **beside)
    return found
