"""Results of `pbrlsvr eval` -> what the page shows of them: figures per language, and some samples."""

import heapq
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pbrlsvr.errors import DataError
from pbrlsvr.tables import Malformed, records
from pbrlsvr_plugin.evaluate.results import RESULTS, SAMPLES, read_results
from pbrlsvr_plugin.report.samples import LONGEST_RESPONSE, LONGEST_TEXT, SEED, Picks, Sample, figures, shown, size

#: Samples of a language and a data set.
OF_A_LANGUAGE = 3
MOST_LANGUAGES, MOST_DATA = 300, 50

_FIGURES = ("accuracy", "majority", "gap_to_english", "answered", "truncated", "reasoning_in_language",
            "answer_in_language", "reply_in_language", "tokens", "questions")  # fmt: skip
_INTERVALS = ("accuracy_interval", "gap_to_english_interval")
_SAMPLE = ("correct", "answered", "truncated", "answer", "reading", "reasoning_in_language", "answer_in_language",
           "tokens", "finish_reason")  # fmt: skip
_STEP = re.compile(r"global_step_(\d{1,12})")


def read_evaluation(name: str, folder: Path, sample_bytes: int) -> tuple[dict[str, Any], Picks]:
    """A result, and samples of it.

    Raises:
        ConfigError, DataError: it is no finished result.
    """
    results = read_results(folder)
    model = results["settings"]["model"]
    steps = _STEP.findall(model) or _STEP.findall(str(folder.absolute()))
    found = {
        "name": shown(name),
        "model": shown(model, 300),
        "step": int(steps[-1]) if steps else None,
        "data": {shown(data): figures for data, figures in _data(results["data"])},
    }
    if not found["data"]:
        raise DataError(f"{str(folder / RESULTS)!r} has no figures of a data set; run `pbrlsvr eval` again")
    return found, list(_samples(folder, sample_bytes)) if (folder / SAMPLES).is_file() else []


def _data(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, content in [*data.items()][:MOST_DATA]:
        kinds = {}
        for kind in ("languages", "averages"):
            listed = content.get(kind) if isinstance(content, Mapping) else None
            entries = list(listed.items())[:MOST_LANGUAGES] if isinstance(listed, Mapping) else []
            kinds[kind] = {shown(tag, 40): _one(each) for tag, each in entries if isinstance(each, Mapping)}
        if kinds["languages"]:
            yield name, kinds


def _one(each: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: value for key in _FIGURES if (value := _number(each.get(key))) is not None}
    for key in _INTERVALS:
        limits = each.get(key)
        if isinstance(limits, list) and len(limits) == 2 and None not in (pair := [*map(_number, limits)]):
            found[key] = pair
    return found


def _number(value: Any) -> float | None:
    return round(float(value), 5) if isinstance(value, int | float) and abs(value) < 1e100 else None


def _samples(folder: Path, most_bytes: int) -> Iterator[Sample]:
    draw = random.Random(SEED)
    kept: dict[tuple[str, str], list[tuple[float, int, Sample]]] = {}
    for number, row in records(folder / SAMPLES):
        if isinstance(row, Malformed):
            continue
        priority = -draw.random()
        key = (shown(row.get("data", "")), shown(row.get("language", ""), 40))
        if key not in kept and len(kept) == MOST_LANGUAGES:
            continue
        heap = kept.setdefault(key, [])
        if len(heap) < OF_A_LANGUAGE:
            heapq.heappush(heap, (priority, number, _sample(row, *key)))
        elif priority > heap[0][0]:
            heapq.heapreplace(heap, (priority, number, _sample(row, *key)))
    in_turn = sorted(kept.values(), key=len, reverse=True)
    for place in range(OF_A_LANGUAGE):
        for heap in in_turn:
            if place < len(heap):
                sample = sorted(heap, reverse=True, key=lambda each: each[:2])[place][2]
                most_bytes -= size(sample)
                if most_bytes < 0:
                    return
                yield sample


def _sample(row: Mapping[str, Any], data: str, language: str) -> Sample:
    return {
        "step": None,
        "language": language,
        "why": "at random",
        "data": data,
        "uid": shown(row.get("id", "")),
        "index": shown(row.get("problem", "")),
        "question": shown(row.get("question", ""), LONGEST_TEXT),
        "pivot": "",
        "truth": shown(row.get("truth", "")),
        "response": shown(row.get("response", ""), LONGEST_RESPONSE),
        "numbers": figures({name: row[name] for name in _SAMPLE if name in row}),
    }
