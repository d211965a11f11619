"""`pbrlsvr check`: one table, what is wrong below it, and the exit code."""

from collections.abc import Sequence
from statistics import quantiles
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError, PbrlsvrError, did_you_mean
from pbrlsvr.tables import distinct, table_paths
from pbrlsvr_plugin.check.facts import SAMPLE, Facts, facts
from pbrlsvr_plugin.check.findings import NEEDS, REFERENCE, doubtful, shared, wrong
from pbrlsvr_plugin.terminal import Screen, say, say_error
from pbrlsvr_plugin.verl import rows
from pbrlsvr_plugin.verl.compose import compose

FINE, WRONG, ERROR = 0, 1, 2


def run(
    files: Sequence[str],
    *,
    validation: Sequence[str],
    reward: str,
    tokenizer: str | None,
    prompt_key: str,
    recipe: str | None = None,
) -> int:
    """Look at the files and print. Returns 0, 1 where a run would fail on them, 2 where one cannot be read."""
    try:
        config = compose(recipe) if recipe else None
        reward = str(config.get("reward_fn") or reward) if config else reward
        _require_reward(reward)
        lengths = _tokenizer(tokenizer) if tokenizer is not None else None
        training, validated_on = (
            [path for name in names for path in table_paths(name)] for names in (files, validation)
        )
        distinct(training)
        distinct(validated_on)
        looked = [facts(path, prompt_key) for path in (*training, *validated_on)]
        cells = [_cells(one, lengths) for one in looked]
    except PbrlsvrError as error:
        say_error(error)
        return ERROR
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for one in looked:
        table.add_column(one.path.name, overflow="fold")
    for name, *line in zip(_LINES, *cells, strict=True):
        table.add_row(name, *line)
    Screen().print(table)
    needs = NEEDS.get(reward.removeprefix("pbrlsvr."), REFERENCE)
    stops = [(one, text) for one in looked for text in wrong(one, needs)]
    notes = [f"{one.path.name}: {text}" for one in looked for text in doubtful(one)]
    for one, text in stops:
        say(f"WRONG {one.path.name}: {text}")
    too_few = _too_few(config, looked[: len(training)]) if config else ""
    if too_few:
        say(f"WRONG {too_few}")
    elif config:
        validated = sum(one.rows for one in looked[len(training) :]) if validation else None
        notes += rows.warnings(config, sum(one.rows for one in looked[: len(training)]), validated)
    for text in (*notes, *shared(looked[: len(training)], looked[len(training) :])):
        say(f"note  {text}")
    if any(one.rows > SAMPLE for one in looked):
        say(f"answers, the language of references and lengths: of {SAMPLE} rows of each file, drawn at random")
    if lengths is None:
        say("lengths: not looked at; name your policy's tokenizer with --tokenizer")
    return WRONG if stops or too_few else FINE


def _require_reward(reward: str) -> None:
    """
    Raises:
        ConfigError: there is no such reward; what one of the user's own reads cannot be known here.
    """
    name = reward.removeprefix("pbrlsvr.")
    if ".py" not in reward and name not in pbrlsvr.REWARD_FUNCTIONS:
        known = list(pbrlsvr.REWARD_FUNCTIONS)
        raise ConfigError(f"--reward={reward!r}: there is no such reward.{did_you_mean(name, known)} There are {known}")


def _too_few(config: DictConfig, train: Sequence[Facts]) -> str:
    """Why a run of the config would make no step on these rows; empty where it makes one."""
    try:
        rows.require_a_step(config, sum(one.rows for one in train))
    except ConfigError as error:
        return str(error)
    return ""


_LINES = ("rows", "columns", "languages", "references", "answers that compare in any language", "prompt", "reference")


def _cells(one: Facts, lengths: Any) -> list[str]:
    count, truths = one.verifiable()
    further = sum(number * times for number, times in one.references.items())
    named = [f"{tag or '(none)'} {number:,}" for tag, number in one.languages.most_common(12)]
    more = [f"{len(one.languages) - 12} more"] if len(one.languages) > 12 else []
    cells = [
        f"{one.rows:,}" + (f" and {one.lost:,} that cannot be read" if one.lost else ""),
        ", ".join(one.columns[:20]) + (", ..." if len(one.columns) > 20 else ""),
        ", ".join([*named, *more]),
        f"{one.rows - one.no_reference.count:,}" + (f", and {further:,} further ones" if further else ""),
        f"{count:,} of {truths:,} looked at",
    ]
    if lengths is None:
        return [*cells, "-", "-"]
    conversations = [prompt for _, prompt, *_ in one.sample if isinstance(prompt, list) and prompt]
    try:
        prompts = lengths.of_prompts(conversations)
    except Exception as error:  # the template is the model's own program
        raise DataError(f"{one.path.name}: the tokenizer's chat template refuses a prompt: {error}") from error
    references = lengths.of_texts([reference for _, _, _, reference, *_ in one.sample if reference])
    return [*cells, _spread(prompts), _spread(references)]


def _spread(lengths: Sequence[int]) -> str:
    if not lengths:
        return "-"
    high = quantiles(lengths, n=100)[98] if len(lengths) > 1 else lengths[0]
    return f"{sorted(lengths)[len(lengths) // 2]:,} tokens, 99 % up to {high:,.0f}, longest {max(lengths):,}"


def _tokenizer(name: str) -> Any:
    from pbrlsvr_plugin.prepare.export.lengths import Lengths

    if not name:
        raise ConfigError("--tokenizer='' names none; give a folder or a hub name, or leave it out")
    try:
        return Lengths(name)
    except ConfigError as error:
        raise ConfigError(str(error).replace("export.tokenizer", "--tokenizer")) from error
