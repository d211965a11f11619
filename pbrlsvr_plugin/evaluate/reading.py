"""A response -> what is known of it: the final answer, whether it is right, and in which language it speaks."""

from dataclasses import dataclass
from typing import Any

from pbrlsvr import answers, languages
from pbrlsvr.languages import LanguagePolicy
from pbrlsvr.responses.spans import split
from pbrlsvr_plugin.evaluate import harness
from pbrlsvr_plugin.evaluate.benchmarks import Question

#: From this share of the letters on, a span counts as being in the language.
CONSISTENT = 0.8
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
    reply = text.rpartition("</think>")[2] if "</think>" in text else text
    spoken = {"reasoning": spans.reasoning, "answer": spans.answer, "reply": "" if _is_cut(text) else reply}
    for name, span in spoken.items():
        check = languages.check(span, language, _LOOK)
        row[f"{name}_in_language"] = None if check.undetermined else check.share >= CONSISTENT
    if question.numeric:
        for name in harness.FILTERS:
            extracted = harness.extract(text, language, name)
            row[name] = {"reading": extracted, "correct": harness.matches(extracted, question.truth)}
    return row


def _is_cut(text: str) -> bool:
    """It was cut off while it was thinking, so that there is no reply."""
    return "<think>" in text and "</think>" not in text
