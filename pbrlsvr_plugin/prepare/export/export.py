"""export: training files, split by problem, and a data card.

1. Duplicate problems go (`duplicates.py`), then those that are in a benchmark (`contamination.py`), in all languages.
2. Each problem is for training or for testing, in all its languages (`split.py`).
3. The question gets the instruction in its language (`instructions.py`). A prompt longer than `max_prompt_length`
   tokens is rejected: veRL would drop it in silence, or stop.
4. The rows are shuffled by the seed (`split.py`) and written in each format (`writers.py`).
5. The card says what came out (`card.py`).

The same rows, options and seed give the same bytes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.responses.statements import statement
from pbrlsvr_plugin.prepare.export.benchmark_texts import Benchmark, read_texts
from pbrlsvr_plugin.prepare.export.card import FILE, write_card
from pbrlsvr_plugin.prepare.export.contamination import Overlap, find_overlaps
from pbrlsvr_plugin.prepare.export.duplicates import find_duplicates
from pbrlsvr_plugin.prepare.export.instructions import Message, Prompts
from pbrlsvr_plugin.prepare.export.lengths import Lengths
from pbrlsvr_plugin.prepare.export.minhash import hash_of
from pbrlsvr_plugin.prepare.export.options import ExportOptions
from pbrlsvr_plugin.prepare.export.split import Shuffle, Splitter
from pbrlsvr_plugin.prepare.export.tally import Tally
from pbrlsvr_plugin.prepare.export.writers import GROUP_ROWS, Example, Writer, path_of
from pbrlsvr_plugin.prepare.stage import Context, Reject, Row, Rows, Stage, fingerprint

_WINDOW = 512
_SPLITS = ("train", "test")
_COPIED = (
    "id", "source", "line", "problem", "language", "question", "answer", "pivot_reasoning", "pivot_answer",
    "pivot_model", "engine",
)  # fmt: skip


class Export(Stage):
    """Writes the training files into `context.out`; its rows are those that were written.

    Raises:
        ConfigError: a language has no instruction, or a benchmark is not there.
    """

    name = "export"

    def __init__(self, options: ExportOptions, context: Context):
        self.options = options
        self._context = context
        self._prompts = Prompts(options.prompt)
        for language in context.languages:
            self._prompts.instruction(language)
        self._facts: dict[str, Any] = {}
        self._asked_in_english: set[int] = set()

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        """The rows that were written, in the order in which they came.

        Raises:
            DataError: no row is left.
        """
        rejected: Counter[str] = Counter()

        def count_and_reject(row: Mapping[str, Any], reason: str, detail: str = "") -> None:
            rejected[reason] += 1
            reject(row, reason, detail)

        self._asked_in_english.clear()
        shuffle = Shuffle(self._context.scratch, self._context.seed, len(rows))
        lengths = Lengths(self.options.tokenizer, self.options.revision)
        tally = Tally(lengths.unit)
        for row, split, example in self._examples(rows, lengths, tally, count_and_reject):
            shuffle.add(split, row["id"], example)
            yield row
        if not tally.rows:
            raise DataError(
                f"no row is left to export: of {len(rows)} rows all were rejected, {dict(rejected)}; see rejects.jsonl "
                "of the stage for each of them"
            )
        self._write(shuffle, tally, len(rows), rejected)

    def needs(self, rows: Rows) -> None:
        test = self.options.split.test
        if isinstance(test, int) and test:
            problems = len({hash_of(row["problem"]) for row in rows})
            if problems <= test:
                raise ConfigError(
                    f"export.split.test={test!r}: the source has {problems:,} problems, so that none would be left to "
                    "train on; give a smaller number, or a fraction"
                )
        Lengths(self.options.tokenizer, self.options.revision)
        for name in self.options.contamination.benchmarks:
            next(read_texts(Benchmark.of(name)), None)

    def files(self) -> Sequence[Path]:
        own = [Path(self.options.prompt.file)] if self.options.prompt.file else []
        return [*own, *(Benchmark.of(name).path for name in self.options.contamination.benchmarks)]

    def outputs(self) -> Sequence[Path]:
        out = self._context.out
        return [*(path_of(name, "train", out) for name in self.options.formats if name != "sft"), out / FILE]

    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def _examples(
        self, rows: Rows, lengths: Lengths, tally: Tally, reject: Reject
    ) -> Iterator[tuple[Row, str, Example]]:
        """Each row that stays, its side, and its example; the others are rejected."""
        dropped = find_duplicates(rows, self.options.duplicates, self._context.scratch)
        overlaps = find_overlaps(_without(rows, dropped), self.options.contamination)
        drop = self.options.contamination.action == "drop"
        gone = {**dropped, **{name: ("contamination", str(overlap)) for name, overlap in overlaps.items() if drop}}
        usable = (row["problem"] for row in _without(rows, gone) if self._has_reference(row))
        splitter = Splitter(self.options.split, usable, self._context.seed)
        source = iter(rows)
        while window := list(islice(source, _WINDOW)):
            kept = []
            for row in window:
                if row["problem"] in gone:
                    reject(row, *gone[row["problem"]])
                elif not self._has_reference(row):
                    reject(row, "no_reference", "pivot_reasoning is empty")
                else:
                    kept.append(_marked(row, overlaps))
            yield from self._measured(kept, lengths, tally, splitter, reject)

    def _has_reference(self, row: Row) -> bool:
        return not self.options.require_reference or bool(row["pivot_reasoning"].strip())

    def _measured(
        self, rows: list[Row], lengths: Lengths, tally: Tally, splitter: Splitter, reject: Reject
    ) -> Iterator[tuple[Row, str, Example]]:
        prompts = [self._prompts.messages(row["question"], row["language"]) for row in rows]
        of_prompts = lengths.of_prompts(prompts)
        of_references = lengths.of_texts([row["pivot_reasoning"] for row in rows])
        bound = self.options.max_prompt_length if self.options.tokenizer else None
        for row, prompt, length, reference in zip(rows, prompts, of_prompts, of_references, strict=True):
            if bound is not None and length > bound:
                reject(row, "prompt_too_long", f"{length} tokens, and export.max_prompt_length is {bound}")
                continue
            split = splitter(row["problem"])
            tally.add(row, split, length, reference)
            yield row, split, self._example(row, split, prompt)

    def _example(self, row: Row, split: str, prompt: list[Message]) -> Example:
        example: Example = {name: row[name] for name in _COPIED}
        example |= {"data_source": f"{self._context.name}/{row['language']}", "ability": self.options.ability}
        example["pivot_answer_text"] = statement(row["pivot_reasoning"], row["pivot_answer"] or row["answer"])
        example["pivot_references"] = [_further(each) for each in row["candidates"]]
        example |= {"index": -1, "split": split, "extra": row["extra"], "prompt": prompt, "sft": []}
        if "sft" in self.options.formats and row["pivot_reasoning"].strip():
            example["sft"] = self._sft(row, prompt)
        return example

    def _sft(self, row: Row, prompt: list[Message]) -> list[Message]:
        """The prompt with its reply; nothing where the English question has been asked in another row."""
        if self.options.sft_question == "english":
            problem = hash_of(row["problem"])
            if problem in self._asked_in_english:
                return []
            self._asked_in_english.add(problem)
            prompt = self._prompts.messages(row["english"] or row["question"], "en")
        return [*prompt, {"role": "assistant", "content": self._reply(row)}]

    def _reply(self, row: Row) -> str:
        """The reference as a response: what the instruction asks for."""
        answer = row["pivot_answer"] or row["answer"]
        if not answer:
            return str(row["pivot_reasoning"])
        marked = f"#### {answer}" if self.options.prompt.mark == "hash" else f"\\boxed{{{answer}}}"
        return f"{row['pivot_reasoning'].rstrip()}\n{marked}"

    def _write(self, shuffle: Shuffle, tally: Tally, rows_in: int, rejected: Mapping[str, int]) -> None:
        out = self._context.out
        with ExitStack() as undo:
            writers = []
            for split in _SPLITS:
                begun = [Writer(name, split, out) for name in self.options.formats]
                for writer in begun:
                    undo.callback(writer.abandon)
                for batch in _batches(shuffle.records(split)):
                    for writer in begun:
                        writer.write(batch)
                writers += begun
            undo.pop_all()
        for writer in writers:
            writer.commit()
        own = {"name": self.name, "rows_in": rows_in, "rows_out": tally.rows, "rejected": dict(rejected)}
        files = {writer.path.relative_to(out).as_posix(): writer.rows for writer in writers if writer.rows}
        self._facts = {"files": files}
        print_of = fingerprint(self, self._context)
        write_card(tally, [*self._context.reports(), own], files, print_of, self.options.card, self._context)


def _marked(row: Row, overlaps: Mapping[str, Overlap]) -> Row:
    overlap = overlaps.get(row["problem"])
    return row if overlap is None else {**row, "extra": {**row["extra"], "contamination": str(overlap)}}


def _further(candidate: Mapping[str, str]) -> dict[str, str]:
    """A reference beside the pivot's own, as a row has it."""
    reasoning, answer = candidate["reasoning"], candidate["answer"]
    return {"reasoning": reasoning, "answer": answer, "answer_text": statement(reasoning, answer)}


def _without(rows: Rows, problems: Mapping[str, Any]) -> Iterator[Row]:
    return (row for row in rows if row["problem"] not in problems)


def _batches(records: Iterator[dict[str, Any]]) -> Iterator[list[Example]]:
    """Batches of a row group, with the place of each example in its file."""
    numbered = (record | {"index": place} for place, record in enumerate(records))
    while batch := list(islice(numbered, GROUP_ROWS)):
        yield batch
