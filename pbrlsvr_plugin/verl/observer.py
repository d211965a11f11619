"""What the responses of a sampled batch are like: metrics, warnings in the log, and the files of `verl.dump`."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import torch
import transfer_queue as tq
from transfer_queue import KVBatchMeta

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.verl import dump
from pbrlsvr_plugin.verl.metrics import Response, language_metrics
from pbrlsvr_plugin.verl.watch import Watch

# The fields of a line of `verl.dump`, and what the reward returned.
_Row = tuple[dict[str, Any], Mapping[str, Any]]

_log = logging.getLogger(__name__)


class Observer:
    """What the responses of a sampled batch are like: metrics, warnings in the log, and the files of `verl.dump`.

    A reward model that shares the policy's GPUs (`reward_model.enable_resource_pool=false`) scores after the sampling:
    then there are no metrics of ours, and the files are veRL's.
    """

    def __init__(self, trainer: Any = None) -> None:
        """
        Args:
            trainer: veRL's, for its config, its tokenizer and its place in the step; without it nothing is written.

        Raises:
            ConfigError: responses of training and of validation would go into the same files.
        """
        self._trainer = trainer
        self._watch = Watch()
        self._responses: list[Response] = []
        self._dumps: dict[str, dump.Dump] = {}
        for partition, key in (("train", "rollout_data_dir"), ("val", "validation_data_dir")):
            if trainer is not None and (folder := trainer.config.trainer.get(key)):
                self._dumps[partition] = dump.Dump(folder)
        folders = [one.folder.resolve() for one in self._dumps.values()]
        if len({*folders}) < len(folders):
            raise ConfigError(
                f"trainer.rollout_data_dir and trainer.validation_data_dir are both {str(folders[0])!r}, where their "
                "files would have the same names: give each a folder of its own"
            )

    def look(self, batch: KVBatchMeta, step: int) -> dict[str, float]:
        """Writes what was sampled. The metrics of a step of training; of a validation none, veRL has its own."""
        if batch.partition_id != "train" and batch.partition_id not in self._dumps:
            return {}
        began = time.perf_counter()
        rows = self._rows(batch, step)
        if rows and batch.partition_id in self._dumps:
            self._own_files()
            self._dumps[batch.partition_id].write(step, (dump.row(fields, found) for fields, found in rows))
        metrics = self._of_step(rows, step) if rows and batch.partition_id == "train" else {}
        if hasattr(self._trainer, "_sample_start"):
            # The asynchronous trainer takes the time of `sample` for waiting (trainer_separate_async.py:263).
            self._trainer._sample_start += time.perf_counter() - began
        return metrics

    def _rows(self, batch: KVBatchMeta, step: int) -> list[_Row]:
        """The fields of `verl.dump` and what the reward returned, for each response; none without scores."""
        names = ["data_source", "reward_model", "extra_info"]
        texts = ["prompts", "responses"] if batch.partition_id in self._dumps else []
        fields = ["rm_scores", "extra_fields", *names, *texts]
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
        if "rm_scores" not in data.keys():  # noqa: SIM118 - a TensorDict has no `in`
            return []
        limit = None if self._trainer is None else int(self._trainer.config.data.max_response_length)
        columns = [_column(data, name, len(batch.keys)) for name in fields]
        rows = []
        for key, tag, score, extra, *row in zip(batch.keys, batch.tags, *columns[:5], strict=True):
            length = int(tag.get("response_len", 0))
            truncated = None if limit is None else length >= limit
            line = dump.line(key, step, float(score.sum()), length, truncated, **dict(zip(names, row, strict=True)))
            rows.append((line, (extra or {}).get("reward_extra_info") or {}))
        if texts:
            inputs, outputs = map(self._decode, columns[5:])
            written = zip(rows, inputs, outputs, strict=True)
            rows = [({"input": asked, "output": said, **line}, found) for (line, found), asked, said in written]
        return sorted(rows, key=lambda row: dump.place(row[0]["uid"]))

    def _decode(self, column: list[torch.Tensor]) -> list[str]:
        """Each text once: the responses to a prompt share it."""
        keys = [ids.numpy().tobytes() for ids in column]
        distinct = dict(zip(keys, column, strict=True))
        # As tensors: transformers looks at each number of a list.
        texts = {key: self._trainer.tokenizer.decode(ids, skip_special_tokens=True) for key, ids in distinct.items()}
        return [texts[key] for key in keys]

    def _of_step(self, rows: list[_Row], step: int) -> dict[str, float]:
        """The metrics, where veRL samples a step in parts (`parameter_sync_step`) with the last part.

        veRL would merge the metrics of parts by what their names contain, such as "min", a language's code, and weight
        them by the rows of all languages (verl/trainer/ppo/v1/utils.py:80).
        """
        part, parts = (getattr(self._trainer, name, 0) for name in ("local_trigger_step", "parameter_sync_step"))
        if part == 0:
            self._responses = []
        # Of an agent's outputs the last is what was scored; veRL gives the others its score.
        last = {line["uid"].rsplit("_", 1)[0]: (line, found) for line, found in rows}
        self._responses += [Response.of(line, found) for line, found in last.values()]
        if part + 1 < parts:
            return {}
        metrics = language_metrics(self._responses)
        for text in self._watch.look(step, metrics):
            _log.warning("pbrlsvr: %s See docs/seeing.md.", text)
        return metrics

    def _own_files(self) -> None:
        """veRL's files would have the same names, and those of training none of the reward's components."""
        self._trainer._log_rollout_data = self._trainer._dump_generations = _nothing


def _nothing(*_: Any, **__: Any) -> None:
    """In place of veRL's method."""


def _column(data: Any, name: str, rows: int) -> list[Any]:
    """A field of each row; None where the rows have no such field."""
    if name not in data.keys():  # noqa: SIM118 - a TensorDict has no `in`
        return [None] * rows
    value = data.get(name)
    return list(value.unbind()) if isinstance(value, torch.Tensor) else list(value.tolist())
