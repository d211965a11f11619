"""A response -> what is known of it: the final answer, whether it is right, and in which language it speaks."""

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from pbrlsvr import answers, languages
from pbrlsvr.languages import LanguagePolicy
from pbrlsvr.responses.spans import split
from pbrlsvr_plugin.evaluate import harness
from pbrlsvr_plugin.evaluate.benchmarks import Question

#: From this share of the letters on, a span counts as being in the language.
CONSISTENT = 0.8
#: So many are read in this process before others are started, which takes seconds.
_FEW = 200
_AT_ONCE = 2_048
_MOST_PROCESSES = 16
_LOOK = LanguagePolicy(mode="gate", threshold=CONSISTENT)


@dataclass(frozen=True)
class Response:
    """What a model said.

    Attributes:
        thinking: apart from the text, where a server gives it so.
        text: the response, or what follows the thinking.
        finish_reason: "stop", or "length" where it was cut off.
        tokens: of the whole response; None where nobody says.
    """

    thinking: str
    text: str
    finish_reason: str
    tokens: int | None

    @property
    def whole(self) -> str:
        """The response as a policy writes it, with its thinking between tags."""
        return f"<think>\n{self.thinking}\n</think>\n\n{self.text}" if self.thinking else self.text


def read(question: Question, sample: int, response: Response) -> dict[str, Any]:
    """The row of samples.jsonl: see `pbrlsvr_plugin.evaluate.results`."""
    text, language = response.whole, question.language
    spans = split(text)
    row: dict[str, Any] = {
        "id": question.id,
        "data": question.data,
        "language": language,
        "problem": question.problem,
        "sample": sample,
        "question": question.text,
        "truth": question.truth,
        "response": text,
        "finish_reason": response.finish_reason,
        "tokens": response.tokens,
        "answer": spans.answer,
        "reading": answers.normalise(spans.answer, language) if spans.answer else None,
        "correct": bool(spans.answer) and answers.equal(spans.answer, question.truth, language),
        "answered": bool(spans.answer),
        "truncated": response.finish_reason == "length",
    }
    row["reasoning_in_language"] = _in_language(spans.reasoning, language)
    row["answer_in_language"] = _in_language(spans.answer, language)
    _, thinks, reply = text.rpartition("</think>")
    # Without thinking, the reply is the reasoning and the answer behind it. Cut off while it thought, there is none.
    row["reply_in_language"] = (
        _in_language(reply, language) if thinks else None if "<think>" in text else row["reasoning_in_language"]
    )
    if question.numeric:
        for name in harness.FILTERS:
            extracted = harness.extract(text, language, name)
            row[name] = {"reading": extracted, "correct": harness.matches(extracted, question.truth)}
    return row


def _in_language(span: str, language: str) -> bool | None:
    """None where there is too little text to tell."""
    check = languages.check(span, language, _LOOK)
    return None if check.undetermined else check.share >= CONSISTENT


def _attend() -> None:
    """A process that reads leaves Ctrl-C to the one that started it, and ends when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def read_all(spoken: Iterable[tuple[Question, int, Response]]) -> Iterator[dict[str, Any]]:
    """`read` of each, in order, in several processes where there is much: a long response takes a tenth of a second."""
    spoken = iter(spoken)
    first = list(islice(spoken, _FEW))
    yield from (read(*each) for each in first)
    if len(first) < _FEW:
        return
    # Not forked: there may be a model on a GPU in this process.
    with ProcessPoolExecutor(min(_MOST_PROCESSES, os.cpu_count() or 1), get_context("spawn"), _attend) as pool:
        try:
            while batch := list(islice(spoken, _AT_ONCE)):
                yield from pool.map(read, *zip(*batch, strict=True), chunksize=16)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
