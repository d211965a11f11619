"""Samples -> figures per language, and averages over languages, with intervals.

For a question with k samples, its value is the mean of `correct` (so that accuracy is mean@k), and majority is 1 where
the answer that most samples agree on is right (maj@k); of readings with equally many votes, the share that is right.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pbrlsvr_plugin.evaluate.harness import FILTERS
from pbrlsvr_plugin.evaluate.statistics import Array, interval, matrix, resampled_means

SPANS = ("reasoning", "answer", "reply")


@dataclass
class Counts:
    """What is counted of a language's samples, in flat memory besides the votes."""

    samples: int = 0
    answered: int = 0
    truncated: int = 0
    characters: int = 0
    tokens: int = 0
    with_tokens: int = 0
    in_language: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    harness: Counter[str] = field(default_factory=Counter)
    numeric: int = 0
    #: problem -> reading -> votes; a right reading is True.
    votes: dict[str, Counter[Any]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, row: Mapping[str, Any]) -> None:
        """Counts a row of samples.jsonl."""
        self.samples += 1
        self.answered += row["answered"]
        self.truncated += row["truncated"]
        self.characters += len(row["response"])
        if row["tokens"] is not None:
            self.tokens += row["tokens"]
            self.with_tokens += 1
        for span in SPANS:
            if row[f"{span}_in_language"] is not None:
                self.judged[span] += 1
                self.in_language[span] += row[f"{span}_in_language"]
        if FILTERS[0] in row:
            self.numeric += 1
            self.harness.update(name for name in FILTERS if row[name]["correct"])
        # A right answer is one reading, however it is written; without an answer there is no vote.
        self.votes[row["problem"]][True if row["correct"] else (row["reading"] or row["answer"])] += 1

    def value(self, problem: str) -> float:
        """The share of right samples."""
        votes = self.votes[problem]
        return votes[True] / votes.total()

    def majority(self, problem: str) -> float:
        """Whether the answer with the most votes is right; of several, the share of them."""
        votes = {reading: count for reading, count in self.votes[problem].items() if reading not in ("", None)}
        if not votes:
            return 0.0
        most = [reading for reading, count in votes.items() if count == max(votes.values())]
        return float(True in most) / len(most)

    def figures(self, samples_wanted: int) -> dict[str, Any]:
        """All but accuracies and their intervals."""
        found: dict[str, Any] = {
            "questions": len(self.votes),
            "samples": self.samples,
            "missing": samples_wanted - self.samples,
            "answered": self.answered / self.samples,
            "truncated": self.truncated / self.samples,
            "characters": self.characters / self.samples,
            "tokens": self.tokens / self.with_tokens if self.with_tokens else None,
        }
        for span in SPANS:
            judged = self.judged[span]
            found[f"{span}_in_language"] = self.in_language[span] / judged if judged else None
            found[f"{span}_judged"] = judged / self.samples
        for name in FILTERS:
            found[name] = self.harness[name] / self.numeric if self.numeric else None
        return found


#: data set -> language -> what was counted of its samples.
Counted = dict[str, dict[str, Counts]]


def count(counted: Counted, row: Mapping[str, Any]) -> None:
    """Counts a row of samples.jsonl."""
    counted.setdefault(row["data"], {}).setdefault(row["language"], Counts()).add(row)


def figures(
    counts: Mapping[str, Counts],
    wanted: Mapping[str, int],
    *,
    seen: Sequence[str] = (),
    low_resource: Sequence[str] = (),
    samples: int = 1,
) -> dict[str, Any]:
    """The figures of one data set: {"languages": {...}, "averages": {...}}, see `pbrlsvr_plugin.evaluate.results`.

    Args:
        counts: language -> what was counted of its samples.
        wanted: language -> samples that were asked for, in the order of the tables.
        seen, low_resource: languages whose averages stand apart.
        samples: of each question; majority is given from 2 on.
    """
    known = {language: counts[language] for language in wanted if language in counts}
    order = list(known)
    result: dict[str, Any] = {
        "languages": {language: counts[language].figures(wanted[language]) for language in order},
        "unanswered_languages": [language for language in wanted if language not in known],
        "averages": {},
    }
    if not order:
        return result
    problems = list(dict.fromkeys(problem for each in known.values() for problem in each.votes))
    values = _matrix(known, problems, Counts.value)
    draws = resampled_means(values)
    means = np.nanmean(values, axis=0)
    _add_accuracies(result, order, means, draws, "accuracy")
    if samples > 1:
        voted = _matrix(known, problems, Counts.majority)
        _add_accuracies(result, order, np.nanmean(voted, axis=0), resampled_means(voted), "majority")
    result["averages"] = {
        name: _average(order, chosen, means, draws) for name, chosen in groups(order, seen, low_resource).items()
    }
    return result


def _matrix(counts: Mapping[str, Counts], problems: Sequence[str], value: Any) -> Array:
    found = {(language, problem): value(each, problem) for language, each in counts.items() for problem in each.votes}
    return matrix(found, list(counts), problems)


def _add_accuracies(result: dict[str, Any], order: Sequence[str], means: Array, draws: Array, name: str) -> None:
    for column, language in enumerate(order):
        one = result["languages"][language]
        one[name], one[f"{name}_interval"] = float(means[column]), interval(draws[:, column])
        if "en" in order and language != "en":
            english = order.index("en")
            key = "gap_to_english" if name == "accuracy" else f"{name}_gap_to_english"
            one[key] = float(means[english] - means[column])
            one[f"{key}_interval"] = interval(draws[:, english] - draws[:, column])


def groups(order: Sequence[str], seen: Sequence[str], low_resource: Sequence[str]) -> dict[str, list[str]]:
    """Averages over languages; one without languages is left out."""

    def within(tag: str, group: Sequence[str]) -> bool:
        return tag in group or tag.partition("-")[0] in group

    groups = {"all": list(order), "without_english": [tag for tag in order if tag != "en"]}
    if seen:
        groups["seen"] = [tag for tag in order if within(tag, seen)]
        # English is the pivot: it is in neither, unless it was trained in.
        groups["unseen"] = [tag for tag in order if tag != "en" and not within(tag, seen)]
    groups["low_resource"] = [tag for tag in order if within(tag, low_resource)]
    return {name: chosen for name, chosen in groups.items() if chosen}


def _average(order: Sequence[str], chosen: Sequence[str], means: Array, draws: Array) -> dict[str, Any]:
    columns = [order.index(language) for language in chosen]
    resampled = draws[:, columns].mean(axis=1)
    found: dict[str, Any] = {
        "languages": list(chosen),
        "accuracy": float(means[columns].mean()),
        "accuracy_interval": interval(resampled),
    }
    others = [column for column, language in zip(columns, chosen, strict=True) if language != "en"]
    if "en" in order and others:
        english = order.index("en")
        found["gap_to_english"] = float(means[english] - means[others].mean())
        found["gap_to_english_interval"] = interval(draws[:, english] - draws[:, others].mean(axis=1))
    return found
