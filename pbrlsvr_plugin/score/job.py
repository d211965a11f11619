"""What `pbrlsvr score` is to do, from its command line: which rows, by which reward, with which columns."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import known_tag
from pbrlsvr.tables import Malformed, Record, records
from pbrlsvr.yaml_files import read_yaml
from pbrlsvr_plugin.check.findings import NEEDS, REFERENCE
from pbrlsvr_plugin.last_wins import last_pairs, note_twice
from pbrlsvr_plugin.score.columns import Columns, columns_of
from pbrlsvr_plugin.verl import chosen_reward

#: Rows that are looked at to find the columns.
PEEK = 100
#: A row's `extra_info` and `data_source`.
About = tuple[dict[str, Any], str]


@dataclass(frozen=True)
class Job:
    """What is scored, and how."""

    file: Path
    function: chosen_reward.Function
    described: str
    columns: Columns
    limit: int | None
    window: int

    def rows(self, skip: int = 0) -> Iterator[tuple[int, Record]]:
        """Number and record of each row, behind the first `skip`."""
        return islice(records(self.file), skip, self.limit)

    def about(self, number: int, row: Record) -> About:
        """What the row says of itself; nothing where it cannot be read."""
        return ({}, "") if isinstance(row, Malformed) else self.columns.about(row, number)


def job_of(
    file: Path,
    arguments: Sequence[str],
    reward: str,
    config: Path | None,
    column: Sequence[str],
    language: str | None,
    limit: int | None,
    window: int,
) -> tuple[Job, str]:
    """What to do, and the reward's short name."""
    if not file.is_file():
        raise ConfigError(f"there is no file {str(file)!r}")
    for name, value in (("limit", limit), ("window", window)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} {value} must be 1 or more")
    options, more = _options(arguments)
    if config is not None:
        if more:
            raise ConfigError("a YAML file of options cannot stand beside --config; set them as key=value")
        function, described = chosen_reward.of_config(config, options)
        short = config.stem
    else:
        function, described = chosen_reward.named(reward, options, more, plain=True)
        described += f" with {json.dumps(more, sort_keys=True, default=str)}" if more else ""
        short = re.split(r"[.:]", reward)[-1]
    given = _named_columns(column)
    peeked = list(islice(records(file), PEEK))
    first = [row for _, row in peeked if not isinstance(row, Malformed)]
    if not peeked:
        raise DataError(f"{file.name!r} is empty: it has no row")
    if not first:
        number, row = peeked[0]
        why = row.detail if isinstance(row, Malformed) else ""
        raise DataError(f"{file.name!r} has no row that can be read in its first {len(peeked)}; row {number}: {why}")
    ours = short in pbrlsvr.REWARD_FUNCTIONS and ":" not in reward and config is None
    columns = columns_of(first, given, language, NEEDS.get(short, REFERENCE) if ours else "")
    return Job(file, function, described, columns, limit, window), short


def _options(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """`key=value` pairs, and the options of YAML files."""
    pairs: list[str] = []
    more: dict[str, Any] = {}
    for argument in arguments:
        if "=" in argument:
            pairs.append(argument)
            continue
        if not argument.endswith((".yaml", ".yml")):
            raise ConfigError(f"{argument!r} is neither key=value nor a .yaml file of the reward's options")
        found = read_yaml(Path(argument), f"the options {argument!r}")
        if not isinstance(found, Mapping):
            raise ConfigError(f"the options {argument!r} must be `option: value` pairs, found {found!r:.80}")
        if {"reward_fn", "reward", "defaults"} & found.keys():
            raise ConfigError(f"{argument!r} is a config of veRL; give it as --config {argument}")
        for key in more.keys() & found.keys():
            note_twice(str(key), [more[key], found[key]])
        more |= found
    return last_pairs(pairs, merges=True), more


def _named_columns(column: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in last_pairs(column, before="--column "):
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"--column {pair!r} is not <name>=<column>, as in --column response=completion")
        found[name] = value
    return found


def row_language(about: About) -> str:
    said = str(about[0].get("language") or "")
    return known_tag(said) or said[:64] or "?"
