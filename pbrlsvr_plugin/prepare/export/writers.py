"""The files of the trainers. Each writer takes examples in batches, and its file appears when it is whole.

verl      train.parquet              veRL's RLHFDataset; the row is in docs/architecture.md
trl       trl/train.parquet          `prompt` and columns named after the arguments of pbrlsvr's rewards
openrlhf  openrlhf/train.jsonl       `prompt`, and `label` with those arguments as JSON: OpenRLHF passes nothing else
sft       sft/train.parquet          `messages` for veRL's SFT trainer: the prompt, and the pivot reference as reply
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

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


def reward_arguments(example: Example) -> dict[str, Any]:
    """What pbrlsvr's reward functions take of a row besides the response."""
    extra_info: dict[str, Any] = {name: example[name] for name in ("index", *_TEXTS, "pivot_references", *_ORIGIN)}
    # A column of text, since other data sets have other keys; "" where there is nothing.
    extra_info["extra"] = json.dumps(example["extra"], ensure_ascii=False) if example["extra"] else ""
    return {"data_source": example["data_source"], "ground_truth": example["answer"], "extra_info": extra_info}


def verl_row(example: Example) -> dict[str, Any]:
    """A row of veRL's parquet format."""
    arguments = reward_arguments(example)
    return {
        "data_source": arguments["data_source"],
        "prompt": example["prompt"],
        "ability": example["ability"],
        "reward_model": {"style": "pivot", "ground_truth": arguments["ground_truth"]},
        "extra_info": arguments["extra_info"],
    }


def trl_row(example: Example) -> dict[str, Any]:
    """A row for TRL's GRPOTrainer, which passes each column to the reward function under its name."""
    return {"prompt": example["prompt"], **reward_arguments(example)}


def openrlhf_row(example: Example) -> dict[str, Any]:
    """A row for OpenRLHF, with `--data.input_key prompt --data.label_key label --data.apply_chat_template`."""
    label = json.dumps(reward_arguments(example), ensure_ascii=False)
    return {"prompt": example["prompt"], "label": label, "datasource": example["data_source"]}


def sft_row(example: Example) -> dict[str, Any] | None:
    """A row for veRL's MultiTurnSFTDataset; None where the row has no reference."""
    if not example["sft"]:
        return None
    return {"messages": example["sft"], "language": example["language"], "id": example["id"]}


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
_ROWS: Mapping[str, Callable[[Example], dict[str, Any] | None]] = {
    "verl": verl_row,
    "trl": trl_row,
    "openrlhf": openrlhf_row,
    "sft": sft_row,
}


class _File(Protocol):
    def write(self, rows: list[dict[str, Any]]) -> None: ...

    def close(self) -> None: ...


class _Parquet:
    def __init__(self, path: Path, schema: pa.Schema):
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema

    def write(self, rows: list[dict[str, Any]]) -> None:
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, path: Path):
        self._file = path.open("w", encoding="utf-8")

    def write(self, rows: list[dict[str, Any]]) -> None:
        self._file.write("".join(map(json_line, rows)))

    def close(self) -> None:
        self._file.close()


def path_of(format_name: str, split: str, out: Path) -> Path:
    """Where a format's file of a split is.

    >>> path_of("openrlhf", "train", Path("data")).as_posix()
    'data/openrlhf/train.jsonl'
    """
    folder = out if format_name == "verl" else out / format_name
    return folder / f"{split}{'.jsonl' if format_name == 'openrlhf' else '.parquet'}"


class Writer:
    """Writes one split in one format, into a file beside the final one."""

    def __init__(self, format_name: str, split: str, out: Path):
        self.path = path_of(format_name, split, out)
        self.rows = 0
        self._partial = self.path.with_name(f"{self.path.name}.partial")
        self._row = _ROWS[format_name]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        schema = _SCHEMAS.get(format_name)
        self._file: _File = _JsonLines(self._partial) if schema is None else _Parquet(self._partial, schema)

    def write(self, examples: Sequence[Example]) -> None:
        """Writes a row group."""
        rows = [row for row in map(self._row, examples) if row is not None]
        if rows:
            self._file.write(rows)
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
