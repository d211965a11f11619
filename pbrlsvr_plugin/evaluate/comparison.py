"""Several runs beside each other: accuracies per language on the questions that all of them answered, tested in pairs.

The first run is what the others are compared with. A language's test is McNemar's exact test where each question was
answered once, else random signs of the paired differences; an average's is random signs over problems, since the
languages of a problem go together. Holm's correction is over all models and languages of a table, and over all models
and averages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.evaluate.metrics import groups as groups_of
from pbrlsvr_plugin.evaluate.results import read_results, read_samples
from pbrlsvr_plugin.evaluate.settings import LOW_RESOURCE
from pbrlsvr_plugin.evaluate.statistics import Array, holm, interval, matrix, mcnemar, resampled_means, sign_flips

#: Settings that make figures differ for other reasons than the model.
_SAME = ("samples", "temperature", "top_p", "max_tokens", "thinking_tokens", "thinking", "mark", "system", "prompts")

Key = tuple[str, str]


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        name: as the table calls it.
        results: results.json.
        values: data set -> (language, problem) -> share of right samples.
        questions: data set -> (language, problem) -> question and right answer.
    """

    name: str
    results: Mapping[str, Any]
    values: Mapping[str, Mapping[Key, float]]
    questions: Mapping[str, Mapping[Key, tuple[str, str]]]


def read_run(said: str) -> Run:
    """A run from its folder, or "name=folder".

    Raises:
        ConfigError: the folder holds no finished run.
        DataError: a file in it cannot be read.
    """
    name, equals, place = said.partition("=")
    folder = Path(place) if equals and not Path(said).exists() else Path(said)
    results = read_results(folder)
    right: dict[str, dict[Key, list[bool]]] = {}
    questions: dict[str, dict[Key, tuple[str, str]]] = {}
    for row in read_samples(folder):
        key = (row["language"], row["problem"])
        right.setdefault(row["data"], {}).setdefault(key, []).append(row["correct"])
        questions.setdefault(row["data"], {})[key] = (row["question"], row["truth"])
    label = name if folder != Path(said) else str(results["name"])
    values = {data: {key: sum(all_) / len(all_) for key, all_ in found.items()} for data, found in right.items()}
    return Run(label, results, values, questions)


def compare(runs: Sequence[Run], seen: Sequence[str] = ()) -> dict[str, Any]:
    """{"baseline": name, "data": {NAME: {"languages", "groups", "models": [...], "notes": [...]}}}

    A model has `name`; `accuracy`, `interval`, and against the first run `difference`, `p` and `p_holm`, by language
    and by group; `gap_to_english`; `gain`, the difference of the averages.

    Raises:
        ConfigError: the runs have no data set or no question in common, or two of them the same name.
        DataError: they had other questions under the same name.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two runs are called {twice!r}; give names, as in base=runs/base rl=runs/rl")
    shared = [data for data in runs[0].values if all(data in run.values for run in runs)]
    if not shared:
        have = {run.name: list(run.values) for run in runs}
        raise ConfigError(f"the runs have no data set in common: {have}")
    seen = seen or next((known for run in runs if (known := run.results["settings"].get("seen"))), ())
    return {"baseline": names[0], "data": {data: _compare(data, runs, seen) for data in shared}}


def _compare(data: str, runs: Sequence[Run], seen: Sequence[str]) -> dict[str, Any]:
    keys = [key for key in runs[0].values[data] if all(key in run.values[data] for run in runs)]
    if not keys:
        raise ConfigError(f"{data}: the runs have no question in common")
    _require_same(data, runs, keys)
    languages = list(dict.fromkeys(language for language, _ in keys))
    problems = list(dict.fromkeys(problem for _, problem in keys))
    low = runs[0].results["settings"].get("low_resource") or LOW_RESOURCE
    groups = groups_of(languages, seen, low)
    matrices = [matrix({key: run.values[data][key] for key in keys}, languages, problems) for run in runs]
    once = all(set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0} for values in matrices)
    models = [_figures(run.name, values, languages, groups) for run, values in zip(runs, matrices, strict=True)]
    p: dict[tuple[int, str], float] = {}
    for place, values in enumerate(matrices[1:], start=1):
        models[place]["difference"] = {
            column: models[place]["accuracy"][column] - models[0]["accuracy"][column]
            for column in models[0]["accuracy"]
        }
        models[place]["gain"] = models[place]["difference"]["all"]
        for index, language in enumerate(languages):
            p[place, language] = _test(matrices[0][:, index], values[:, index], once)
        for group, chosen in groups.items():
            columns = [languages.index(language) for language in chosen]
            p[place, group] = _test_average(matrices[0][:, columns], values[:, columns])
    corrected = holm({key: value for key, value in p.items() if key[1] in languages})
    corrected |= holm({key: value for key, value in p.items() if key[1] not in languages})
    for (place, column), value in p.items():
        models[place]["p"][column] = value
        models[place]["p_holm"][column] = corrected[place, column]
    notes = _notes(data, runs, keys, once)
    return {"languages": languages, "groups": list(groups), "models": models, "notes": notes}


def _require_same(data: str, runs: Sequence[Run], keys: Sequence[Key]) -> None:
    first = runs[0].questions[data]
    for run in runs[1:]:
        for key in keys:
            if run.questions[data][key] != first[key]:
                raise DataError(
                    f"{data}/{'/'.join(key)} is another question in {run.name!r} than in {runs[0].name!r}: they had "
                    "different data under one name"
                )


def _figures(name: str, values: Array, languages: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    means, draws = np.nanmean(values, axis=0), resampled_means(values)
    accuracy = {language: float(means[place]) for place, language in enumerate(languages)}
    limits = {language: interval(draws[:, place]) for place, language in enumerate(languages)}
    for group, chosen in groups.items():
        columns = [languages.index(language) for language in chosen]
        accuracy[group] = float(means[columns].mean())
        limits[group] = interval(draws[:, columns].mean(axis=1))
    found: dict[str, Any] = {"name": name, "accuracy": accuracy, "interval": limits, "difference": {}, "p": {},
                             "p_holm": {}}  # fmt: skip
    if "en" in languages and "without_english" in groups:
        found["gap_to_english"] = accuracy["en"] - accuracy["without_english"]
    return found


def _test(first: Array, second: Array, once: bool) -> float:
    if not once:
        return sign_flips(second - first)
    return mcnemar(int(np.sum(first > second)), int(np.sum(second > first)))


def _test_average(first: Array, second: Array) -> float:
    """Random signs of each problem's part in the difference of the averages."""
    difference = second - first
    parts = np.nansum(difference / np.sum(~np.isnan(difference), axis=0), axis=1)
    return sign_flips(parts)


def _notes(data: str, runs: Sequence[Run], keys: Sequence[Key], once: bool) -> list[str]:
    notes = [f"Accuracy in %, on {len(keys):,} questions."]
    if len(runs) > 1:
        test = "McNemar's exact test" if once else "random signs of paired differences"
        notes.append(
            f"* differs from {runs[0].name}: p < 0.05 by {test}, averages by random signs over problems; Holm."
        )
    more = {run.name: len(run.values[data]) - len(keys) for run in runs}
    notes += [
        f"{name} has {left:,} questions more, which others lack; left out." for name, left in more.items() if left
    ]
    for name in _SAME:
        said = {run.name: run.results["settings"].get(name) for run in runs}
        if len({str(value) for value in said.values()}) > 1:
            notes.append(
                f"The runs differ in {name}: " + ", ".join(f"{run} {value!r}" for run, value in said.items()) + "."
            )
    return notes
