r"""The folder of a run: what `pbrlsvr eval MODEL --out DIR` writes, and others read.

samples.jsonl   a row for each question and sample, in the order of the data:

    id              "mgsm/sw/17": data set, language, problem; with `sample` it names the row
    data, language, problem, sample
    question, truth the question as it was asked, without the instruction; the right answer
    response        all that the model wrote, its thinking between <think> and </think>
    finish_reason   "stop", or "length" where it was cut off
    tokens          of the response; null where a server does not say
    answer          the final answer, as it was written; "" for none
    reading         the answer in canonical form; null where there is none, or several
    correct, answered, truncated                                 true or false
    reasoning_in_language, answer_in_language, reply_in_language true, false, or null where there is too little text;
                    reasoning is all before the final answer; reply is all after the thinking, if there is any, else the
                    same as reasoning
    strict-match, flexible-extract, gsm8k-strict                 {"reading", "correct"}: what lm-evaluation-harness's
                    filters make of it; only where the right answer is a number

results.json    {"format": 1, "name", "settings", "fingerprint", "versions", "files", "data": {NAME: {...}}}

    name            the model's short name
    settings        what was asked, and how: `pbrlsvr_plugin.evaluate.settings.Settings`; no address
    fingerprint     tells the model from another
    versions        of pbrlsvr, python and what ran the model
    files           {"mgsm": {"mgsm_sw.tsv": "<sha256>"}}
    data.NAME.languages.TAG
        questions, samples, missing (samples without an answer: they are in no figure)
        accuracy (mean@k), accuracy_interval [low, high]
        majority (maj@k), majority_interval            from two samples on
        gap_to_english, gap_to_english_interval        accuracy in English minus this
        answered, truncated                            shares of the samples
        reasoning_in_language, reasoning_judged        share in the language, of the share that could be judged;
        answer_..., reply_...                          the same
        characters, tokens                             means
        strict-match, flexible-extract, gsm8k-strict   accuracies by lm-evaluation-harness's filters, or null
    data.NAME.averages.GROUP        all, without_english, seen, unseen, low_resource
        languages, accuracy, accuracy_interval, gap_to_english, gap_to_english_interval     macro averages

Intervals are at 95 %, by the bootstrap over problems. All shares and accuracies are in [0, 1].
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.tables import Malformed, records
from pbrlsvr_plugin.evaluate.harness import FILTERS
from pbrlsvr_plugin.json_lines import json_value
from pbrlsvr_plugin.whole_file import whole_file

FORMAT = 1
_OF_RESULTS: dict[str, type] = {"name": str, "settings": Mapping, "data": Mapping}
_OF_SETTINGS: dict[str, type] = {"model": str}
_IF_THERE: dict[str, type] = {"seen": list, "low_resource": list, **dict.fromkeys(FILTERS, Mapping)}
_OF_FILTERS: dict[str, type] = {"reading": str, "correct": int}
_OF_SAMPLES: dict[str, type] = {"id": str, "data": str, "language": str, "problem": str, "sample": int, "question": str,
                                "truth": str, "response": str, "answer": str, "correct": int}  # fmt: skip
_AGAIN = "delete the file and run the same `pbrlsvr eval` again"
SAMPLES, RESULTS, JOURNAL = "samples.jsonl", "results.json", "journal.sqlite"


def write_results(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes results.json, whole or not at all."""
    text = json.dumps({"format": FORMAT, **content}, indent=1, ensure_ascii=False)
    with whole_file(folder / RESULTS) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8")


def read_results(folder: Path) -> dict[str, Any]:
    """results.json of a run.

    Raises:
        ConfigError: the folder holds no finished run.
        DataError: its file is none of ours.
    """
    file = folder / RESULTS
    if not file.is_file():
        there = "its run has not finished; run the same `pbrlsvr eval` again" if (folder / JOURNAL).exists() else (
            "give the --out of a `pbrlsvr eval`")  # fmt: skip
        raise ConfigError(f"{str(folder)!r} has no {RESULTS}; {there}")
    try:
        found = json_value(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{str(file)!r} cannot be read as JSON: {error}; {_AGAIN}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else None
        raise DataError(f"{str(file)!r} has format {said!r:.80}; this version reads {FORMAT}; {_AGAIN}")
    _require(found, _OF_RESULTS, str(file))
    _require(found["settings"], _OF_SETTINGS, f"{file!s}: settings")
    return found


def read_samples(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of samples.jsonl.

    Raises:
        DataError: one cannot be read.
    """
    file = folder / SAMPLES
    if not file.is_file():
        raise DataError(f"{str(folder)!r} has no {SAMPLES}; run the same `pbrlsvr eval` again")
    for line, row in records(file):
        if isinstance(row, Malformed):
            raise DataError(f"{file!s}:{line}: {row.detail}; {_AGAIN}")
        _require(row, _OF_SAMPLES, f"{file!s}:{line}")
        for name in FILTERS:
            if name in row:
                _require(row[name], _OF_FILTERS, f"{file!s}:{line}: {name}")
        yield row


def _require(found: Mapping[str, Any], kinds: Mapping[str, type], place: str) -> None:
    for name, kind in {**kinds, **{name: kind for name, kind in _IF_THERE.items() if name in found}}.items():
        if not isinstance(found.get(name), kind):
            said = f"{name}={found[name]!r:.80}" if name in found else f"no {name!r}"
            raise DataError(f"{place} has {said}, and it is not as `pbrlsvr eval` writes it; {_AGAIN}")
