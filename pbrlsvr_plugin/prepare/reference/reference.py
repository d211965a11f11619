"""Stage `reference`: the pivot model writes English references, `candidates` of them for each question.

    endpoint       any OpenAI-compatible server, asked by many requests at once
    vllm           vLLM in Ray Data, on all GPUs of a Ray cluster
    transformers   the same with transformers: for small models, and machines without a GPU
    dataset        the solutions that the data set has, or a file of references

A reference has its reasoning and its final answer apart, by the rules of `pbrlsvr.responses.spans`. What a model thinks
in `<think>` or in a field of its own is kept apart from both; it is the reference only with `use: thinking`.
"""

import asyncio
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr.models.files import require_model
from pbrlsvr.responses.spans import split
from pbrlsvr_plugin.prepare.load.by_id import ById, named_texts
from pbrlsvr_plugin.prepare.reference.offline import Offline, require_engine
from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions
from pbrlsvr_plugin.prepare.requests.asking import (
    Asker,
    chat_request,
    estimate_of,
    fill,
    prompt_path,
    read_prompt,
)
from pbrlsvr_plugin.prepare.requests.concurrent import UNANSWERED, Failures, RefusedAnswer, in_order, reason_of
from pbrlsvr_plugin.prepare.requests.journal import request_key
from pbrlsvr_plugin.prepare.stage import Context, Estimate, Reject, Row, Rows, Stage, needed_for

#: A finish reason that says that the answer is not whole.
CUT_OFF = "length"
#: Of a reference, for an estimate before there is one.
_ANSWER_TOKENS = 400


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

    @cached_property
    def _prompt(self) -> str:
        return read_prompt(self.options.prompt, "{question}")

    def files(self) -> list[Path]:
        if self.options.engine == "dataset":
            return [Path(self.options.file)] if self.options.file else []
        return [prompt_path(self.options.prompt)]

    def needs(self, rows: Rows) -> None:
        if self.options.engine != "dataset":
            self._prompt  # noqa: B018 - it may lack its place
        elif self.options.file:
            next(_references(Path(self.options.file)), None)
        if self.options.engine in ("vllm", "transformers"):
            require_engine(self.options.engine)
            with needed_for("reference.model"):
                require_model(self.options.model, None, "config.json")

    def estimate(self, rows: Rows) -> Estimate | None:
        options = self.options
        if options.engine == "dataset":
            return None
        extra = {} if options.engine == "endpoint" else {"engine_kwargs": options.engine_kwargs}
        kind = "chat" if options.engine == "endpoint" else options.engine

        def requests() -> Iterator[tuple[str, int]]:
            for row in rows:
                filled = fill(self._prompt, question=row["english"])
                for candidate in range(options.candidates):
                    request = chat_request(options, filled, self._context.seed, candidate)
                    yield request_key(kind, **request, **extra), len(filled)

        return estimate_of(requests(), self._context.journal, _ANSWER_TOKENS, options)

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
        asker = Asker(options, self._context.journal)

        async def candidate(question: str, number: int) -> dict[str, str] | RefusedAnswer:
            try:
                for attempt in range(options.attempts):
                    answer = await asker.ask(fill(self._prompt, question=question), seed, number, attempt)
                    if answer["finish_reason"] != CUT_OFF:
                        break
                return self._candidate(answer)
            except RefusedAnswer as error:
                return error

        async def candidates(row: Row) -> list[dict[str, str]]:
            wanted = (candidate(row["english"], number) for number in range(options.candidates))
            found = await asyncio.gather(*wanted)
            refused = [each for each in found if isinstance(each, RefusedAnswer)]
            if len(refused) == len(found):
                raise refused[0]
            return [each for each in found if not isinstance(each, RefusedAnswer)]

        window = 4 * options.max_concurrency
        for row, found in in_order(rows, candidates, window, Failures(options.give_up_after), asker.aclose):
            self._facts = asker.facts()
            if isinstance(found, PbrlsvrError):
                reject(row, reason_of(found, "no_reference"), str(found))
            else:
                yield from self._checked(row, found, reject)

    def _from_cluster(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        offline = Offline(self.options, self._context.journal, self._context.seed)
        self._facts = {"asked": offline.answer_all(rows)}
        for row in rows:
            answers = offline.answers(row)
            if not answers:
                reject(row, UNANSWERED, f"the model {self.options.model!r} has answered with nothing")
                continue
            yield from self._checked(row, [self._candidate(answer) for answer in answers], reject)
        self._facts |= offline.cost.facts

    def _from_dataset(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        file = self.options.file
        references = ById(self._context.scratch, _references(Path(file)), last=True) if file else None
        for row in rows:
            text = references.of_row(row).get("", "") if references else row["extra"].get("solution", "")
            if not text:
                where = file or "the data set; a mapping names its column with `solution`"
                reject(row, "no_reference", f"there is none in {where}")
                continue
            answer = {"text": text, "thinking": "", "finish_reason": "stop"}
            yield from self._checked(row, [self._candidate(answer)], reject)

    def _candidate(self, answer: Mapping[str, Any]) -> dict[str, str]:
        # Half of a surrogate pair comes of an emoji that was cut; no file can hold it.
        spans, thinking = split(_whole(answer["text"])), _whole(answer["thinking"])
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


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _references(path: Path) -> Iterator[tuple[str, str, str]]:
    for _, (name, text) in named_texts(path, "reference.file", "id", "reference"):
        yield name, "", text
