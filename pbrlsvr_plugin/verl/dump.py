"""The responses of each step, as JSON lines: `<folder>/<step>.jsonl`, one object for each response.

`trainer.rollout_data_dir` and `trainer.validation_data_dir` name the folders. veRL's own files of these names have the
first six fields below, and for validation the reward's as well.

=====================  ===============================================================================================
input                  the prompt as the model saw it, without special tokens
output                 the response, likewise
gts                    the row's ground truth
score                  what the response is trained on
step                   the step of training; in a validation, of the model that is validated
uid                    `<group>_<response>_<output>`, as veRL names it: the last is above 0 where an agent has several
group                  names the prompt within the step: the responses to one prompt have the same
data_source            the row's
language               the row's BCP-47 code, or `unknown`
index                  the row's `extra_info["index"]`; null where it has none
question               the row's `extra_info["question"]`; null where it has none
pivot_reasoning        the row's English reference; null where it has none
pivot_answer           its final answer; null where it has none
pivot_references       its further references, as the row has them; null where it has none. The reward's `nearest` says
                       which one counted: 0 for `pivot_reasoning`, 1 for the first of these
response_length        in tokens
truncated              the response is as long as `data.max_response_length` lets it be
<key>                  each key of what the reward returned: its components, factors and flags
=====================  ===============================================================================================

A key of the reward's that is a field above has `reward.` before it, unless it says the same. A number that is not
finite is null. Rows are sorted by `uid`.

A file is there whole or not at all: it is written under another name, and renamed. A step's responses are written when
they are sampled, before the step trains and before its checkpoint, so that whatever a checkpoint was trained on is
there after a kill. A resumed run writes its steps anew, over the files of the run that was killed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pbrlsvr_plugin.json_lines import json_line
from pbrlsvr_plugin.verl.metrics import language_of
from pbrlsvr_plugin.whole_file import whole_file


class Dump:
    """The files of one folder. The parts of a step, which veRL may sample one after the other, become one file."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._step: int | None = None
        self._lines: list[str] = []

    def write(self, step: int, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write a step's rows after those that it has from this process, and replace any other file of the step.

        Raises:
            OSError: the folder cannot be written to.
        """
        if step != self._step:
            self._step, self._lines = step, []
        self._lines += [json_line(plain(row)) for row in rows]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{step}.jsonl"
        with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(self._lines)
        return path


def line(
    key: str,
    step: int,
    score: float,
    length: int,
    truncated: bool | None,
    *,
    data_source: Any = None,
    reward_model: Any = None,
    extra_info: Any = None,
) -> dict[str, Any]:
    """The fields of one response, but for its texts and for what the reward returned."""
    info = extra_info if isinstance(extra_info, Mapping) else {}
    return {
        "gts": reward_model.get("ground_truth") if isinstance(reward_model, Mapping) else None,
        "score": score,
        "step": step,
        "uid": key,
        "group": key.rsplit("_", 2)[0],
        "data_source": data_source,
        "language": language_of(info.get("language"), str(data_source)),
        "index": info.get("index"),
        **{name: info.get(name) for name in ("question", "pivot_reasoning", "pivot_answer", "pivot_references")},
        "response_length": length,
        "truncated": truncated,
    }


def place(key: str) -> tuple[str, int, int]:
    """Sorts the responses as veRL does, by its key `<group>_<response>_<output>`."""
    group, response, output = key.rsplit("_", 2)
    return group, int(response), int(output)


def row(fields: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """One line: the fields, and what the reward returned beside them.

    >>> row({"score": 0.5, "language": "sw"}, {"score": 0.5, "language": "es", "acc": 1.0})
    {'score': 0.5, 'language': 'sw', 'reward.language': 'es', 'acc': 1.0}
    """
    whole = dict(fields)
    for key, value in found.items():
        if key not in fields:
            whole[str(key)] = value
        elif not _same(fields[key], value):
            whole[f"reward.{key}"] = value
    return whole


def _same(one: Any, other: Any) -> bool:
    try:
        # The score travels as a float32.
        return bool(one == other) or math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    except (TypeError, ValueError):
        return False


def plain(value: Any) -> Any:
    """What JSON can hold of a value: numbers of numpy and torch as Python's, None for what is not finite."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [plain(inner) for inner in value]
    return str(value)
