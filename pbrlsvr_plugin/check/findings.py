"""Facts of files -> what is wrong with them, and what to do."""

from collections.abc import Sequence

from pbrlsvr.tables import shown_columns
from pbrlsvr_plugin.check.facts import SAMPLE, Facts, Rows

#: What a reward reads of every row; the ones that are not listed need a reference as well.
NEEDS = {
    "exact_answer": "answer",
    "comet_score": "answer",
    "format": "",
    "language_consistency": "language",
}
REFERENCE = "reference"


def wrong(facts: Facts, needs: str = REFERENCE, needs_language: bool = False) -> list[str]:
    """What stops a run on this file, or makes its rewards fail; `needs` is one of `NEEDS`, and `needs_language` says
    whether a language policy or a translation stops at a row without a language."""
    found = [f"{facts.lost:,} rows cannot be read; the first: {facts.unreadable[0]}"] if facts.lost else []
    if not facts.rows:
        return [*found, "it has no rows"]
    if facts.missing_columns:
        lacks_prompts = facts.prompt_key in facts.missing_columns
        named = ", and veRL's data.prompt_key (--prompt-key) says which has the prompts" if lacks_prompts else ""
        found.append(
            f"it lacks the columns {facts.missing_columns}, and has {shown_columns(facts.columns)}; `pbrlsvr prepare` "
            f"writes what is needed{named}"
        )
    if facts.no_prompt.count and facts.prompt_key not in facts.missing_columns:
        found.append(f"{_of(facts.no_prompt, facts)} have no prompt; leave them out")
    if not facts.missing_columns:
        found += [f"{_of(rows, facts)} have {what}" for what, rows in facts.wrong_type.items()]
    for tag, why in list(facts.bad_languages().items())[:3]:
        found.append(f"{facts.languages[tag]:,} rows have extra_info.language={tag[:40]!r}: {why}")
    if needs == REFERENCE and facts.no_reference.count:
        found.append(
            f"{_of(facts.no_reference, facts)} have no extra_info.pivot_reasoning, the English reference that the "
            f"reward compares with: `pbrlsvr prepare` writes it; or leave these rows out"
        )
    if needs != "" and facts.bad_references.count:
        found.append(
            f"{_of(facts.bad_references, facts)} have an extra_info.pivot_references that no reward can read: "
            f"{facts.bad_reference}"
        )
    if needs == "answer" and facts.no_answer.count:
        found.append(
            f"{_of(facts.no_answer, facts)} have neither reward_model.ground_truth nor extra_info.pivot_answer"
        )
    if (needs == "language" or needs_language) and facts.languages[""]:
        found.append(
            f"{facts.languages['']:,} of {facts.rows:,} rows have no extra_info.language, which this reward needs"
        )
    return found


def doubtful(facts: Facts) -> list[str]:
    """What a run survives, and its user may not want. Costly looks are at a sample."""
    looked = min(SAMPLE, facts.rows)
    found = [
        f"{rows.count:,} of {looked:,} rows looked at (among them row {rows.first:,}) have a {what}"
        for rows, what in (
            (facts.not_english(), "pivot_reasoning that is not English"),
            (facts.disagreeing(), "pivot_answer that is not the ground truth"),
            (facts.unstated(), "pivot_answer_text that does not hold their pivot_answer"),
        )
        if rows
    ]
    if facts.languages[""]:
        found.append(
            f"{facts.languages['']:,} of {facts.rows:,} rows have no extra_info.language: a language policy and a "
            "translation stop there"
        )
    if facts.repeated.count:
        found.append(f"{_of(facts.repeated, facts)} have a prompt that an earlier row has")
    return found


def shared(train: Sequence[Facts], validation: Sequence[Facts]) -> list[str]:
    """Prompts that are validated on and trained on."""
    trained = set().union(*(facts.prompts for facts in train)) if train else set()
    return [
        f"{count:,} of {len(facts.prompts):,} prompts of {facts.path.name!r} are in the training files: validation "
        f"would measure what was learnt by heart"
        for facts in validation
        if (count := len(facts.prompts & trained))
    ]


def _of(rows: Rows, facts: Facts) -> str:
    return f"{rows.count:,} of {facts.rows:,} rows (the first is row {rows.first:,})"
