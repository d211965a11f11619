"""From what was measured to what a reward returns.

score = combine(components) * language factors * guard factors
"""

import logging
from collections.abc import Mapping
from functools import cache

from pbrlsvr import languages
from pbrlsvr.errors import DataError
from pbrlsvr.languages import LanguageCheck, LanguageOptions
from pbrlsvr.scoring import guards
from pbrlsvr.scoring.combine import Combined, CombineOptions
from pbrlsvr.scoring.guards import GuardOptions
from pbrlsvr.scoring.rollout import TRAINING_STEP, Rollout

log = logging.getLogger(__name__)


def finish(
    rollout: Rollout,
    components: Mapping[str, float | None],
    *,
    language: LanguageOptions,
    guard: GuardOptions,
    combination: CombineOptions,
) -> dict[str, float]:
    """The dictionary that a reward returns: the same keys for every sample.

    Returns:
        `score`; for each component its value, `<name>_missing`, and `<name>_reward` and `<name>_ungated` for veRL's
        GDPO (see `pbrlsvr.scoring.combine.Combined.exposed`); the shares and factors of the language policies and of
        the guards; `acc`, 1.0 where the final answer is that of the row, else 0.0, also where the row has none: veRL
        reports it for each data source in validation, and DAPO's filter of groups reads it; `answered`,
        1.0 where a final answer was found; `nearest`, which of the row's references the response was compared with: 0.0
        for the pivot's own, 1.0 for the first of `pivot_references`, and so on; with `combine.schedule`,
        `<name>_weight` for each component and `gate_floor`, as they are at the row's step of training.
    """
    spoken = check_languages(rollout, language)
    reference = str(rollout.row["pivot_reasoning"]) if guard.length is not None and rollout.pivot_reasoning() else ""
    guarded = guards.check(rollout.text, reference, guard)
    factors = {f"{span}_language": check.factor for span, check in spoken.items()} | guarded.factors()
    combined = Combined.of(components, _at_the_step(rollout, components, combination), factors)
    found = {"score": combined.score()} | combined.exposed()
    if combination.schedule is not None:
        found |= combined.weighing()
    for span, check in spoken.items():
        found |= check.components(f"{span}_language")
    found |= guarded.components()
    answer = components.get("answer")
    found["acc"] = rollout.accuracy() if answer is None else answer
    found["answered"] = float(bool(rollout.spans.answer))
    found["nearest"] = float(rollout.reference)
    return found


def _at_the_step(
    rollout: Rollout, components: Mapping[str, float | None], combination: CombineOptions
) -> CombineOptions:
    """The weights of the rollout's step of training.

    Raises:
        DataError: the row has no component that weighs anything at the schedule's end: it would end the run then.
    """
    schedule = combination.schedule
    if schedule is None:
        return combination
    step = rollout.training_step()
    if step is None:
        _warn_no_step()
    Combined.of(components, combination).score()
    return combination.at(step)


@cache
def _warn_no_step() -> None:
    log.warning(
        "combine.schedule: the rows name no step of training (extra_info[%r]), as outside of a run of veRL's: the "
        "weights at the schedule's end count",
        TRAINING_STEP,
    )


def check_languages(rollout: Rollout, options: LanguageOptions) -> dict[str, LanguageCheck]:
    """What language the reasoning and the answer are in, and what their policies make of it.

    Raises:
        DataError: a policy needs the row's language, and the row has none.
    """
    found = {}
    row = {"question": str(rollout.row.get("question") or ""), "reference": rollout.all_references()}
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
