"""Samples of responses: a bounded, seeded choice of them, cut to a length, with nothing that is not seen as itself."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pbrlsvr_plugin.terminal import plain

#: The fields of a line that are no result of the reward: see `pbrlsvr_plugin.verl.dump`.
FIELDS = frozenset(
    (
        *("input", "output", "gts", "score", "step", "uid", "group", "data_source", "language", "index", "question"),
        *("pivot_reasoning", "pivot_answer", "pivot_references", "response_length", "truncated"),
    )
)

SEED = 0
#: Characters that are shown of a response, and of another text.
LONGEST_RESPONSE, LONGEST_TEXT, LONGEST_NAME = 4000, 1500, 80
#: Responses of a language and a step that are taken at random.
AT_RANDOM = 2
MOST_NUMBERS = 60

Sample = dict[str, Any]
Picks = list[Sample]

RANDOM, GAMED, BEST = "at random", "highest score of a wrong answer", "highest score"


def shown(text: Any, longest: int = LONGEST_NAME) -> str:
    r"""A text from a file as the page shows it: cut, and invisible characters as their escapes.

    >>> shown("x\u202e" + "a" * 99, 8)
    'x\\u202eaaaaaa … (93 more characters)'
    """
    text = text if isinstance(text, str) else str(text)
    left = len(text) - longest
    return plain(text[:longest]) + (f" … ({left:,} more characters)" if left > 0 else "")


class Picker:
    """Chooses samples of a step: per language some at random, and the wrong answer with the highest score.

    Where no right answer is known, the response with the highest score stands in its place.
    """

    def __init__(self, step: int, most_bytes: int):
        self._random = random.Random(f"{SEED}/{step}")
        self._step, self._most_bytes = step, most_bytes
        # language -> (priority, sample): the lowest are kept, so that each response is as likely as the others.
        self._any: dict[str, list[tuple[float, Sample]]] = {}
        self._top: dict[tuple[str, bool], tuple[float, Sample]] = {}

    def look(
        self,
        row: Callable[[int], Mapping[str, Any]],
        languages: Sequence[str],
        scores: NDArray[np.float64],
        accuracies: NDArray[np.float64],
    ) -> None:
        """Looks at some rows: `row` gives one by its place."""
        each = zip(languages, scores.tolist(), accuracies.tolist(), strict=True)
        for place, (language, score, accuracy) in enumerate(each):
            priority = self._random.random()
            kept = self._any.setdefault(language, [])
            if len(kept) < AT_RANDOM or priority < kept[-1][0]:
                kept.append((priority, self._sample(row(place), language, RANDOM)))
                kept.sort(key=lambda each: each[0])
                del kept[AT_RANDOM:]
            wrong = accuracy < 0.5
            top = self._top.get((language, wrong))
            if not np.isnan(score) and not accuracy >= 0.5 and (top is None or score > top[0]):
                why = GAMED if wrong else BEST
                self._top[language, wrong] = (score, self._sample(row(place), language, why))

    def _sample(self, row: Mapping[str, Any], language: str, why: str) -> Sample:
        return {"step": self._step, "language": language, "why": why, **_of_row(row)}

    def picks(self) -> Picks:
        """The samples, of all languages in turn, as many as there is room for."""
        found: Picks = []
        left = self._most_bytes
        for sample in self._in_turn():
            left -= size(sample)
            if left < 0:
                break
            found.append(sample)
        return found

    def _in_turn(self) -> Iterator[Sample]:
        for language in self._any:
            wrong, unknown = self._top.get((language, True)), self._top.get((language, False))
            if best := wrong or unknown:
                yield best[1]
        for place in range(AT_RANDOM):
            for language, kept in self._any.items():
                tops = [self._top[key][1] for key in ((language, True), (language, False)) if key in self._top]
                if place < len(kept) and not any(_same(kept[place][1], top) for top in tops):
                    yield kept[place][1]


def _same(one: Sample, other: Sample) -> bool:
    return (one["uid"], one["response"]) == (other["uid"], other["response"])


def _of_row(row: Mapping[str, Any]) -> Sample:
    question = row.get("question") or row.get("input")
    pivot = [text for text in _nearest(row) if isinstance(text, str) and text]
    return {
        "uid": shown(row.get("uid", "")),
        "index": None if row.get("index") is None else shown(row["index"]),
        "question": shown("" if question is None else question, LONGEST_TEXT),
        "pivot": shown("\n→ ".join(pivot), LONGEST_TEXT),
        "truth": shown("" if row.get("gts") is None else row["gts"]),
        "response": shown(row.get("output", ""), LONGEST_RESPONSE),
        "numbers": figures({"score": row.get("score"), **{k: v for k, v in row.items() if k not in FIELDS}}),
    }


def _nearest(row: Mapping[str, Any]) -> tuple[Any, Any]:
    """Reasoning and answer of the reference that the response was compared with."""
    own, further, place = row.get("pivot_answer"), row.get("pivot_references"), row.get("nearest")
    if isinstance(further, list) and isinstance(place, int | float) and 1 <= place <= len(further):
        entry = further[int(place) - 1]
        return (entry.get("reasoning"), entry.get("answer") or own) if isinstance(entry, dict) else (entry, own)
    return row.get("pivot_reasoning"), own


def figures(row: Mapping[str, Any]) -> list[tuple[str, float | str]]:
    """Names and values, for the table beside a response."""
    found: list[tuple[str, float | str]] = []
    for name, value in row.items():
        # Of what says that a component is missing, only that it is.
        if value is None or len(found) == MOST_NUMBERS or (name.endswith("_missing") and value == 0):
            continue
        number = isinstance(value, bool | int | float) and abs(value) < 1e100
        found.append((shown(name), round(float(value), 4) if number else shown(value)))
    return found


def size(sample: Sample) -> int:
    """Bytes on the page."""
    return len(embedded(sample).encode("utf-8", "backslashreplace"))


def embedded(value: Any) -> str:
    r"""JSON that can stand in a page: nothing in it is a tag or ends the script that it is in.

    >>> embedded("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
