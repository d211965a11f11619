"""Which column of a file of responses is what: guessed from names that are in use, or named by the user.

A column inside another is written with dots: "extra_info.language". The names are those of veRL's data and rollout
dumps, of `pbrlsvr prepare` and `pbrlsvr eval`, and of what people call these things elsewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.languages import parse
from pbrlsvr.tables import shown_columns
from pbrlsvr_plugin.prepare.load.mapping import get, names, text_of
from pbrlsvr_plugin.verl.metrics import UNKNOWN, language_of

#: What a reward reads -> where it may stand, the surest first.
PLACES = {
    "response": (
        "response", "responses", "completion", "output", "generation", "generated_text", "prediction", "solution_str",
        "model_response", "text",
    ),
    "language": ("extra_info.language", "language", "lang", "language_code"),
    "reference": ("extra_info.pivot_reasoning", "pivot_reasoning", "reference", "reference_solution"),
    "pivot_answer": ("extra_info.pivot_answer", "pivot_answer"),
    "references": ("extra_info.pivot_references", "pivot_references"),
    "ground_truth": (
        "reward_model.ground_truth", "ground_truth", "gts", "truth", "gold", "target", "expected_answer", "answer",
    ),
    "question": ("extra_info.question", "question", "problem", "prompt", "input"),
    "data_source": ("data_source", "dataset", "source"),
}  # fmt: skip
_IN_ROW = {
    "language": "language",
    "reference": "pivot_reasoning",
    "pivot_answer": "pivot_answer",
    "references": "pivot_references",
    "question": "question",
}


@dataclass(frozen=True)
class Columns:
    """What a reward reads -> the column that has it."""

    of: Mapping[str, str]
    #: The language of all rows, where the user says so.
    language: str | None = None

    def sample(self, row: Mapping[str, Any], about: tuple[dict[str, Any], str]) -> dict[str, Any]:
        """The arguments of a reward function.

        Raises:
            DataError: the row has no response, or one that is no text.
        """
        info, source = about
        truth = _value(row, self.of["ground_truth"]) if "ground_truth" in self.of else None
        return {
            "data_source": source,
            "solution_str": _response(_value(row, self.of["response"]), self.of["response"]),
            "ground_truth": text_of(truth),
            "extra_info": info,
        }

    def about(self, row: Mapping[str, Any], number: int) -> tuple[dict[str, Any], str]:
        """The row's `extra_info`, whose `index` is the row's number where it has none, and its `data_source`."""
        given = row.get("extra_info")
        extra: dict[str, Any] = {"index": number, **(given if isinstance(given, dict) else {})}
        for name, key in _IN_ROW.items():
            if name in self.of and (value := _value(row, self.of[name])) is not None:
                extra[key] = _said(value, "user") if name == "question" else value
        found = _value(row, self.of["data_source"]) if "data_source" in self.of else None
        source = "file" if found is None else str(found)
        if self.language is not None:
            extra["language"] = self.language
        elif extra.get("language") in (None, "", UNKNOWN) and (spoken := language_of(None, source)) != UNKNOWN:
            extra["language"] = spoken
        elif extra.get("language") == UNKNOWN:
            del extra["language"]
        return extra, source

    def described(self) -> str:
        """One line for the user."""
        found = [f"{name} = {column}" for name, column in self.of.items()]
        return ", ".join([*found, *([f"language = {self.language!r} for all rows"] if self.language else [])])


def columns_of(
    rows: Iterable[Mapping[str, Any]], given: Mapping[str, str], language: str | None, needs: str = ""
) -> Columns:
    """Finds the columns in the first rows of a file; `needs` is what the reward reads of every row (`findings.NEEDS`).

    Raises:
        ConfigError: a name is unknown, a column is not there, or one that is needed is not found.
    """
    present = list(dict.fromkeys(name for row in rows for name in names(dict(row))))
    for name, column in given.items():
        if name not in PLACES:
            raise ConfigError(f"--column {name}={column}: there is no {name!r}; the names are {list(PLACES)}")
        if column not in present:
            raise ConfigError(f"--column {name}={column}: the file has no such column; it has {shown_columns(present)}")
    if language is not None:
        language = parse(language, error=ConfigError)
    found = {name: column for name, places in PLACES.items()
             if (column := given.get(name) or next((each for each in places if each in present), ""))}  # fmt: skip
    for need in dict.fromkeys(("response", needs)):
        if need in ("response", "reference") and need not in found:
            raise ConfigError(
                f"no column holds the {need}; the file has {shown_columns(present)}. Name it: --column {need}=<column>"
            )
    if needs == "answer" and not {"ground_truth", "pivot_answer"} & found.keys():
        raise ConfigError(
            f"no column holds the right answer; the file has {shown_columns(present)}. Name it: "
            "--column ground_truth=<column>"
        )
    return Columns(found, language)


def _value(row: Mapping[str, Any], column: str) -> Any:
    value = get(dict(row), column)
    # What pandas writes where there is nothing.
    return None if isinstance(value, float) and not isfinite(value) else value


def _response(value: Any, column: str) -> str:
    """A text; the one text of a list; or what the assistant said last in a list of messages."""
    if isinstance(value, list) and value:
        value = _said(value, "assistant") if isinstance(value[-1], dict) else value[0] if len(value) == 1 else value
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        raise DataError(f"{column}: a list of {len(value)} responses; write each into a row of its own")
    raise DataError(f"{column}={value!r:.80} is no response; a text is expected")


def _said(value: Any, role: str) -> Any:
    """What a role said last in a list of messages; anything else as it is."""
    if not isinstance(value, list):
        return value
    said = [each.get("content") for each in value if isinstance(each, dict) and each.get("role") == role]
    return said[-1] if said else None
