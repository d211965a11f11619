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
from pbrlsvr.table_files import Malformed, records
from pbrlsvr_plugin.whole_file import whole_file

FORMAT = 1
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
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{str(file)!r} is no JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else None
        raise DataError(f"{str(file)!r} has format {said!r}; this version reads {FORMAT}")
    return found


def read_samples(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of samples.jsonl.

    Raises:
        DataError: one cannot be read.
    """
    for line, row in records(folder / SAMPLES):
        if isinstance(row, Malformed):
            raise DataError(f"{str(folder / SAMPLES)!r}:{line}: {row.detail}")
        yield row
