"""Tasks for lm-evaluation-harness: our data, our prompt, and our reading of the answer. It imports this file by path.

    lm_eval --model hf --model_args pretrained=... --apply_chat_template \\
        --include_path $(pbrlsvr path lm_eval) --tasks pbrlsvr_mgsm [--metadata '{"folders": {"mgsm": "data/mgsm"}}']
"""

from typing import Any

from pbrlsvr_plugin.evaluate.benchmarks import Question
from pbrlsvr_plugin.evaluate.downloads import Source
from pbrlsvr_plugin.evaluate.reading import Response, read
from pbrlsvr_plugin.prepare.export.instructions import PromptOptions, Prompts


def questions(data: str, language: str, folders: dict[str, str] | None = None, **_: Any) -> dict[str, Any]:
    """The data set of a task: a row for each question of a benchmark in one language.

    `folders` has what is on this machine already (`--metadata`), by the name of the benchmark.
    """
    import datasets

    place = (folders or {}).get(data)
    source = Source.of(f"{data}={place}" if place else data)
    found, _digests = source.questions((language,), None)
    prompts = Prompts(PromptOptions())
    rows = [
        {
            "data": each.data,
            "language": each.language,
            "problem": each.problem,
            "question": each.text,
            "truth": each.truth,
            "prompt": prompts.messages(each.text, each.language)[-1]["content"],
        }
        for each in found
    ]
    return {"test": datasets.Dataset.from_list(rows)}


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """What `pbrlsvr eval` says of a response."""
    question = Question(doc["data"], doc["language"], doc["problem"], doc["question"], doc["truth"])
    found = read(question, 0, Response("", results[0], "", None))
    return {
        "acc": float(found["correct"]),
        "answered": float(found["answered"]),
        "reasoning_in_language": found["reasoning_in_language"],
        "reply_in_language": found["reply_in_language"],
    }


def mean_of_known(values: list[Any]) -> float:
    """The mean of what could be judged; NaN where nothing could."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else float("nan")
