"""The files of the trainers. Each writer takes examples in batches, and its file appears when it is whole.

verl      train.parquet              veRL's RLHFDataset; the row is in docs/architecture.md
trl       trl/train.parquet          `prompt` and columns named after the arguments of pbrlsvr's rewards
openrlhf  openrlhf/train.jsonl       `prompt`, and `label` with those arguments as JSON: OpenRLHF passes nothing else
sft       sft/train.parquet          `messages` for veRL's SFT trainer: the prompt, and the pivot reference as reply
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pbrlsvr_plugin.json_lines import json_line
from pbrlsvr_plugin.whole_file import sync

#: Rows in a row group of a parquet file, and in the memory of a writer.
GROUP_ROWS = 1_000


#: A row with its prompt and what else the writers take: `export._example` makes it.
Example = dict[str, Any]

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_TEXTS = ("split", "language", "question", "pivot_reasoning", "pivot_answer", "pivot_answer_text", "pivot_model")
_ORIGIN = ("id", "source", "line", "problem", "engine", "extra")
_REFERENCE = pa.struct([(name, pa.string()) for name in ("reasoning", "answer", "answer_text")])
_EXTRA_INFO = pa.struct(
    [
        ("index", pa.int64()),
        *((name, pa.string()) for name in _TEXTS),
        ("pivot_references", pa.list_(_REFERENCE)),
        *((name, pa.int64() if name == "line" else pa.string()) for name in _ORIGIN),
    ]
)


def _reward_arguments(example: Example) -> dict[str, Any]:
    """What pbrlsvr's reward functions take of a row besides the response."""
    extra_info: dict[str, Any] = {name: example[name] for name in ("index", *_TEXTS, "pivot_references", *_ORIGIN)}
    # A column of text, since other data sets have other keys; "" where there is nothing.
    extra_info["extra"] = json.dumps(example["extra"], ensure_ascii=False) if example["extra"] else ""
    return {"data_source": example["data_source"], "ground_truth": example["answer"], "extra_info": extra_info}


def _row(format_name: str, example: Example) -> dict[str, Any] | None:
    """A row of a format; None where it has none for this example."""
    if format_name == "sft":
        row = {"messages": example["sft"], "language": example["language"], "id": example["id"]}
        return row if example["sft"] else None
    prompt, arguments = {"prompt": example["prompt"]}, _reward_arguments(example)
    if format_name == "openrlhf":
        label = json.dumps(arguments, ensure_ascii=False)
        return {**prompt, "label": label, "datasource": example["data_source"]}
    if format_name == "verl":
        rule = {"style": "pivot", "ground_truth": arguments.pop("ground_truth")}
        return {**prompt, **arguments, "ability": example["ability"], "reward_model": rule}
    return {**prompt, **arguments}


#: Of each format that is parquet; the other one is lines of JSON.
_SCHEMAS = {
    "verl": pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", _MESSAGES),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            ("extra_info", _EXTRA_INFO),
        ]
    ),
    "trl": pa.schema(
        [
            ("prompt", _MESSAGES),
            ("data_source", pa.string()),
            ("ground_truth", pa.string()),
            ("extra_info", _EXTRA_INFO),
        ]
    ),
    "sft": pa.schema([("messages", _MESSAGES), ("language", pa.string()), ("id", pa.string())]),
}


def path_of(format_name: str, split: str, out: Path) -> Path:
    """Where a format's file of a split is.

    >>> path_of("openrlhf", "train", Path("data")).as_posix()
    'data/openrlhf/train.jsonl'
    """
    folder = out if format_name == "verl" else out / format_name
    return folder / f"{split}{'.parquet' if format_name in _SCHEMAS else '.jsonl'}"


class Writer:
    """Writes one split in one format, into a file beside the final one."""

    def __init__(self, format_name: str, split: str, out: Path):
        self.path = path_of(format_name, split, out)
        self.rows = 0
        self._partial = self.path.with_name(f"{self.path.name}.partial")
        self._format, self._schema = format_name, _SCHEMAS.get(format_name)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: Any = (
            pq.ParquetWriter(self._partial, self._schema, compression="zstd")
            if self._schema
            else self._partial.open("w", encoding="utf-8")
        )

    def write(self, examples: Sequence[Example]) -> None:
        """Writes a row group."""
        rows = [row for example in examples if (row := _row(self._format, example)) is not None]
        if rows and self._schema:
            self._file.write_table(pa.Table.from_pylist(rows, schema=self._schema))
        elif rows:
            self._file.write("".join(map(json_line, rows)))
        self.rows += len(rows)

    def commit(self) -> None:
        """The file is whole: it takes its place. A split without rows has no file."""
        self._file.close()
        if self.rows:
            sync(self._partial)
            self._partial.replace(self.path)
        else:
            self._partial.unlink()
            self.path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Closes and removes what was begun."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
