"""What a run needs to know of a file's rows. What is costly is looked at in a sample, and said to be."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from pbrlsvr import answers, languages
from pbrlsvr.errors import DataError
from pbrlsvr.responses.statements import states
from pbrlsvr.scoring.references import Reference, read_references
from pbrlsvr_plugin.check.columns import LEAVES, NEEDED, batches

#: Rows whose answers, references and lengths are looked at, the same ones each time.
SAMPLE = 500


@dataclass
class Rows:
    """How many rows have something, and the first of them, from 1."""

    count: int = 0
    first: int = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, row: int) -> None:
        self.count += 1
        self.first = self.first or row


@dataclass
class Facts:
    """Of one file.

    Attributes:
        prompt_key: the column of the prompts.
        rows: that could be read.
        unreadable: what is wrong with the others; at most ten texts are kept, `lost` counts them.
        columns: the names in the file.
        languages: tag -> rows; "" where a row has none.
        no_prompt, no_reference, no_answer: rows without it; no_answer: neither truth nor pivot answer.
        bad_references: rows whose pivot_references cannot be read; `bad_reference` says why the first cannot.
        wrong_type: what cannot be used, as it is said to the user -> rows.
        references: how many further references rows have -> rows.
        repeated: rows whose prompt an earlier row has.
        prompts: the hashes of the prompts.
        sample: of (row, prompt, language, reference, truth, pivot answer, the pivot's statement of it, further
            references).
    """

    path: Path
    prompt_key: str = "prompt"
    rows: int = 0
    lost: int = 0
    unreadable: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    no_prompt: Rows = field(default_factory=Rows)
    no_reference: Rows = field(default_factory=Rows)
    no_answer: Rows = field(default_factory=Rows)
    bad_references: Rows = field(default_factory=Rows)
    bad_reference: str = ""
    wrong_type: defaultdict[str, Rows] = field(default_factory=lambda: defaultdict(Rows))
    references: Counter[int] = field(default_factory=Counter)
    repeated: Rows = field(default_factory=Rows)
    prompts: set[int] = field(default_factory=set)
    sample: list[tuple[int, Any, str, str, str, str, str, tuple[Reference, ...]]] = field(default_factory=list)

    @property
    def missing_columns(self) -> list[str]:
        return [name for name in (self.prompt_key, *NEEDED) if name not in self.columns]

    def bad_languages(self) -> dict[str, str]:
        """The tags that are none -> why."""
        found = {}
        for tag in filter(None, self.languages):
            try:
                languages.parse(tag)
            except DataError as error:
                found[tag] = str(error)
        return found

    def not_english(self) -> Rows:
        """Of the sample: references that are surely in another language."""
        found = Rows()
        for row, _, _, reference, *_, further in self.sample:
            if any(map(_in_another_language, (reference, *(one.reasoning for one in further)))):
                found.add(row)
        return found

    def disagreeing(self) -> Rows:
        """Of the sample: references whose answer is not the ground truth, where that says the same in any language."""
        found = Rows()
        for row, _, _, _, truth, pivot, _, further in self.sample:
            said = filter(None, (pivot, *(one.answer for one in further)))
            if answers.is_verifiable(truth) and not all(answers.equal(one, truth, "en") for one in said):
                found.add(row)
        return found

    def unstated(self) -> Rows:
        """Of the sample: rows whose pivot_answer_text lacks the number that their pivot_answer is."""
        found = Rows()
        for row, *_, pivot, statement, further in self.sample:
            pairs = ((statement, pivot), *((one.answer_text, one.answer or pivot) for one in further))
            if any(text and answers.is_verifiable(said) and not states(text, said) for text, said in pairs):
                found.add(row)
        return found

    def verifiable(self) -> tuple[int, int]:
        """Of the sample: how many truths say the same in any language, and how many rows have one."""
        truths = [truth or pivot for *_, truth, pivot, _, _ in self.sample if truth or pivot]
        return sum(map(answers.is_verifiable, truths)), len(truths)


def facts(path: Path, prompt_key: str = "prompt", most: int = -1) -> Facts:
    """Read a file: the first `most` rows, all if that is below 1.

    Raises:
        DataError: the file cannot be read.
    """
    found, chance = Facts(path, prompt_key), random.Random(0)
    for columns, leaves, bad in batches(path, prompt_key):
        found.columns = list(dict.fromkeys([*found.columns, *columns]))
        found.lost += len(bad)
        found.unreadable += bad[: 10 - len(found.unreadable)]
        for values in zip(*(leaves[name] for name in ("prompt", *LEAVES)), strict=True):
            if 0 < most <= found.rows:
                return found
            _add(found, chance, *values)
    return found


def _add(
    found: Facts, chance: random.Random, prompt: Any, rule: Any, references: Any, source: Any, info: bool, *texts: Any
) -> None:
    found.rows += 1
    row = found.rows
    for what in _unusable(prompt, rule, *texts):
        found.wrong_type[what].add(row)
    if not isinstance(source, str) or not source.strip():
        found.wrong_type["a data_source that is no text: veRL's metrics go by it"].add(row)
    if not info:
        found.wrong_type["an extra_info that is no mapping, in which the rewards find nothing"].add(row)
    language, reference, truth, pivot, statement = map(_text, texts)
    found.languages[language] += 1
    if said := _said(prompt):
        key = hash(said)
        if key in found.prompts:
            found.repeated.add(row)
        found.prompts.add(key)
    else:
        found.no_prompt.add(row)
    if not reference.strip():
        found.no_reference.add(row)
    if not truth.strip() and not pivot.strip():
        found.no_answer.add(row)
    further: tuple[Reference, ...] = ()
    try:
        further = read_references(references)
        found.references[len(further)] += 1
    except DataError as error:
        found.bad_references.add(row)
        found.bad_reference = found.bad_reference or str(error)
    one = (row, prompt, language, reference, truth, pivot, statement, further)
    if len(found.sample) < SAMPLE:
        found.sample.append(one)
    elif (place := int(chance.random() * row)) < SAMPLE:
        found.sample[place] = one


def _unusable(prompt: Any, rule: Any, *texts: Any) -> Iterator[str]:
    """What veRL or a reward stops at, or passes over: values of another type than theirs."""
    language, reference, truth, pivot, statement = texts
    if prompt is not None and not _is_conversation(prompt):
        yield "a prompt that is no list of messages with 'role' and 'content': veRL leaves such rows out"
    if not isinstance(rule, dict) or "ground_truth" not in rule:
        yield "a reward_model without the key 'ground_truth', which veRL reads; write null where there is no answer"
    for name, value in (("reward_model.ground_truth", truth), ("extra_info.pivot_answer", pivot)):
        if not isinstance(value, str | int | float | Decimal | None) or isinstance(value, bool):
            yield f"a {name} that is neither a text nor a number"
        elif isinstance(value, float) and not isfinite(value):
            yield f"a {name} that is {value}; write null where there is no answer"
    for name, value in (("language", language), ("pivot_reasoning", reference), ("pivot_answer_text", statement)):
        if not isinstance(value, str | None):
            yield f"an extra_info.{name} that is no text"


def _is_conversation(prompt: Any) -> bool:
    return isinstance(prompt, list) and all(
        isinstance(message, dict) and isinstance(message.get("role"), str) and message.get("content") is not None
        for message in prompt
    )


def _in_another_language(reference: str) -> bool:
    shares = languages.profile(reference, "en").languages if reference else {}
    return shares.get("en", 0.0) < 0.5 < max((share for tag, share in shares.items() if tag != "en"), default=0.0)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _said(prompt: Any) -> str:
    """The texts of a prompt's messages; a text as it is."""
    if isinstance(prompt, str):
        return prompt.strip()
    messages: Iterable[Any] = prompt if isinstance(prompt, list) else []
    return "\n".join(str(message.get("content") or "") for message in messages if isinstance(message, dict)).strip()
