"""Data sets in veRL's parquet format with a pivot reference: reading, checking, and choosing languages."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pbrlsvr.errors import ConfigError, DataError

COLUMNS = {
    "data_source": (),
    "prompt": (),
    "reward_model": ("ground_truth",),
    "extra_info": ("language", "pivot_reasoning"),
}


def write_rows(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Writes the rows; returns how many there were."""
    table = pa.Table.from_pylist(list(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return len(table)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a training or test set.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no parquet file, is empty, or lacks a column or field.
    """
    if not path.is_file():
        raise ConfigError(
            f"there is no file {str(path)!r}; the data folder must hold train.parquet and test.parquet, with rows as "
            "`pbrlsvr prepare` writes them"
        )
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except pa.ArrowInvalid as error:
        raise DataError(f"{str(path)!r} is not a parquet file: {error}") from error
    if not rows:
        raise DataError(f"{str(path)!r} has no rows")
    missing = [
        f"{column}.{field}" if field else column
        for column, fields in COLUMNS.items()
        for field in ("", *fields)
        if column not in rows[0] or (field and field not in (rows[0][column] or {}))
    ]
    if missing:
        raise DataError(
            f"{str(path)!r} lacks {missing}; its columns are {sorted(rows[0])}. A row needs data_source, prompt, "
            "reward_model.ground_truth, extra_info.language and extra_info.pivot_reasoning"
        )
    return rows


def check_languages(rows: list[dict[str, Any]], languages: list[str], path: Path) -> None:
    """Raises a ConfigError if no row is in one of the languages."""
    present = sorted({row["extra_info"]["language"] for row in rows})
    if unknown := [language for language in languages if language not in present]:
        raise ConfigError(f"--languages names {unknown}, but {str(path)!r} has rows only in {present}")


def in_languages(rows: list[dict[str, Any]], languages: list[str]) -> list[dict[str, Any]]:
    return [row for row in rows if row["extra_info"]["language"] in languages]


def first_of_each_language(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first `count` rows in each language."""
    seen: Counter[str] = Counter()
    chosen = []
    for row in rows:
        language = row["extra_info"]["language"]
        seen[language] += 1
        if seen[language] <= count:
            chosen.append(row)
    return chosen


def digest(rows: list[dict[str, Any]]) -> str:
    """The same for the same rows, and hardly for others."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()
