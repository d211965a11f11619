"""Stage `reference`: the pivot model writes English references, `candidates` of them for each question.

    endpoint       any OpenAI-compatible server, asked by many requests at once
    vllm           vLLM in Ray Data, on all GPUs of a Ray cluster
    transformers   the same with transformers: for small models, and machines without a GPU
    dataset        the solutions that the data set has, or a file of references

A reference has its reasoning and its final answer apart, by the rules of `pbrlsvr.responses.spans`. What a model thinks
in `<think>` or in a field of its own is kept apart from both; it is the reference only with `use: thinking`.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pbrlsvr.errors import ConfigError, DataError, PbrlsvrError
from pbrlsvr.responses.spans import split
from pbrlsvr_plugin.prepare.load.mapping import lookup, text_of
from pbrlsvr_plugin.prepare.load.sources import Malformed, find_sources
from pbrlsvr_plugin.prepare.requests.asking import Asker, ChatOptions, fill, prompt_path, read_prompt
from pbrlsvr_plugin.prepare.requests.concurrent import Failures, in_order
from pbrlsvr_plugin.prepare.stage import Context, Reject, Row, Rows, Stage, operational

Engine = Literal["endpoint", "vllm", "transformers", "dataset"]
Use = Literal["answer_text", "thinking"]
#: A finish reason that says that the answer is not whole.
CUT_OFF = "length"


@dataclass(frozen=True)
class ReferenceOptions(ChatOptions):
    """Who writes the references, and how. The options of `ChatOptions` as well.

    Attributes:
        engine: see the top of this module.
        candidates: how many references for each question; `verify` takes the best.
        use: "answer_text", what the model says; "thinking", what it thinks before.
        prompt: a built-in prompt or a text file with {question}; "auto" takes the one that fits the data set.
        regenerate: how often an answer that was cut off at `max_tokens` is asked for again; at temperature 0 it is not,
            as it would be the same.
        file: for "dataset": a file with the columns `id` and `reference` instead of the data set's own solutions.
        engine_kwargs: for "vllm": of `vllm.LLM`, as in {"tensor_parallel_size": 4, "max_model_len": 16384}; for
            "transformers": of `from_pretrained`.
        replicas: copies of the model, spread over the Ray cluster.
        batch_size: questions that one of them gets at a time.
    """

    engine: Engine = "endpoint"
    candidates: int = 1
    use: Use = "answer_text"
    prompt: str = "auto"
    regenerate: int = 2
    file: str | None = None
    engine_kwargs: dict[str, Any] = field(default_factory=dict)
    replicas: int = operational(default=1)
    batch_size: int = operational(default=256)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("engine", get_args(Engine)), ("use", get_args(Use))):
            if getattr(self, name) not in known:
                raise ConfigError(f"reference.{name}={getattr(self, name)!r} is not one of {list(known)}")
        for name, least in (("candidates", 1), ("regenerate", 0), ("replicas", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"reference.{name}={value!r} must be a whole number of {least} or more")
        if self.candidates > 1 and not self.temperature and self.engine != "dataset":
            raise ConfigError(
                f"reference.candidates={self.candidates} at temperature 0 would be {self.candidates} times the same; "
                "set reference.temperature, such as 0.7"
            )

    @property
    def attempts(self) -> int:
        """How often one candidate is asked for at most."""
        return 1 + (self.regenerate if self.temperature else 0)


class Reference(Stage):
    """Adds `candidates` to each row. A question that occurs in several rows is asked once."""

    name = "reference"
    depends = ("seed",)

    def __init__(self, options: ReferenceOptions, context: Context):
        self.options, self._context = options, context
        self._facts: dict[str, Any] = {}
        if options.engine == "endpoint":
            options.endpoint()
        elif options.engine != "dataset" and not options.model:
            raise ConfigError(f"reference.engine={options.engine!r} needs reference.model, a folder or a hub name")

    def files(self) -> list[Path]:
        if self.options.engine == "dataset":
            return [Path(self.options.file)] if self.options.file else []
        return [prompt_path(self.options.prompt)]

    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        if self.options.engine == "dataset":
            return self._from_dataset(rows, reject)
        if self.options.engine == "endpoint":
            return self._from_endpoint(rows, reject)
        return self._from_cluster(rows, reject)

    def _from_endpoint(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        options, seed = self.options, self._context.seed
        prompt = read_prompt(options.prompt, "{question}")
        asker = Asker(options, self._context.journal)

        async def candidate(question: str, number: int) -> dict[str, str]:
            for attempt in range(options.attempts):
                answer = await asker.ask(fill(prompt, question=question), seed, number, attempt)
                if answer["finish_reason"] != CUT_OFF:
                    break
            return self._candidate(answer)

        async def candidates(row: Row) -> list[dict[str, str]]:
            wanted = (candidate(row["english"], number) for number in range(options.candidates))
            return list(await asyncio.gather(*wanted))

        window = 4 * options.max_concurrency
        for row, found in in_order(rows, candidates, window, Failures(options.give_up_after), asker.aclose):
            self._facts = {"asked": asker.answers.asked, "from_journal": asker.answers.kept, **asker.tokens}
            if isinstance(found, PbrlsvrError):
                reject(row, "no_reference", str(found))
            else:
                yield from self._checked(row, found, reject)

    def _from_cluster(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        from pbrlsvr_plugin.prepare.reference.offline import Offline

        offline = Offline(self.options, self._context.journal, self._context.seed)
        self._facts = {"asked": offline.answer_all(rows)}
        for row in rows:
            yield from self._checked(row, [self._candidate(answer) for answer in offline.answers(row)], reject)

    def _from_dataset(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        references = References(Path(self.options.file), self._context.scratch) if self.options.file else None
        for row in rows:
            text = references.of(row) if references else row["extra"].get("solution", "")
            if not text:
                where = self.options.file or "the data set; a mapping names its column with `solution`"
                reject(row, "no_reference", f"there is none in {where}")
                continue
            answer = {"text": text, "thinking": "", "finish_reason": "stop"}
            yield from self._checked(row, [self._candidate(answer)], reject)

    def _candidate(self, answer: Mapping[str, Any]) -> dict[str, str]:
        spans = split(answer["text"])
        thinking = answer["thinking"]
        return {
            "reasoning": thinking if self.options.use == "thinking" else spans.reasoning,
            "answer": spans.answer,
            "thinking": thinking,
            "finish_reason": answer["finish_reason"],
            "model": "dataset" if self.options.engine == "dataset" else self.options.model,
        }

    def _checked(self, row: Row, candidates: list[dict[str, str]], reject: Reject) -> Iterator[Row]:
        if all(candidate["finish_reason"] == CUT_OFF for candidate in candidates):
            reject(row, "cut_off", f"each of {len(candidates)} answers was cut off at {self.options.max_tokens} tokens")
        else:
            yield {**row, "candidates": candidates}


class References:
    """A file of references: the columns `id` (a row's, or the data set's own) and `reference`; on disk, by id."""

    def __init__(self, path: Path, scratch: Path):
        self._db = sqlite3.connect(scratch / "references.sqlite", isolation_level=None)
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE found (id TEXT PRIMARY KEY, reference TEXT)")
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", _references(path))
        self._db.execute("COMMIT")

    def of(self, row: Row) -> str:
        """The reference of a row, "" where there is none."""
        for key in (row["id"], row["extra"].get("id"), row["problem"]):
            found = self._db.execute("SELECT reference FROM found WHERE id = ?", (key,)).fetchone()
            if found:
                return str(found[0])
        return ""


def _references(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        raise ConfigError(f"there is no file {str(path)!r} (reference.file)")
    for source in find_sources(str(path), (), "train", None, False):
        for line, record in source.records():
            if isinstance(record, Malformed):
                raise DataError(f"{source.name}:{line}: {record.reason}: {record.detail}")
            try:
                yield text_of(lookup(record, "id")), text_of(lookup(record, "reference"))
            except KeyError as error:
                raise ConfigError(
                    f"{source.name}:{line} has the columns {sorted(record)}; a file of references needs `id` and "
                    "`reference`"
                ) from error
