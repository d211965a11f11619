"""A run that ends when a rollout or a reward fails, and says why, instead of training on what is left.

veRL's own buffer takes a failed group for a finished one and pads what is missing ("failed groups remain sampleable",
verl/trainer/ppo/v1/replay_buffer.py:112), in validation too; and it waits for ever for the groups of a dead worker.

    trainer:
      v1:
        sampler:
          custom_sampler:
            path: pkg://pbrlsvr_plugin.verl.strict_run
            name: StrictReplayBuffer
    actor_rollout_ref:
      rollout:
        agent:
          agent_loop_manager_class: pbrlsvr_plugin.verl.strict_run.StrictAgentLoopManager

The buffer ends the run; with the manager beside it, the error says what failed. All our calls to TransferQueue and to
the trainer's internals are in this module, because veRL's next trainer replaces them.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import ray
import torch
import transfer_queue as tq
from ray.exceptions import RayTaskError
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ, AgentLoopWorkerTQ
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.verl import dump
from pbrlsvr_plugin.verl.metrics import Response, language_metrics
from pbrlsvr_plugin.verl.watch import Watch

# The tag of a failed prompt that holds the text of its first error.
REASON = "failure_reason"

# How veRL names the actors that run the agent loops (verl/experimental/agent_loop/agent_loop.py:1218).
WORKER_NAME = "agent_loop_worker_"

# The fields of a line of `verl.dump`, and what the reward returned.
_Row = tuple[dict[str, Any], Mapping[str, Any]]

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_WORKER_CHECKS = 5.0
_LONGEST_REASON = 2000


class RolloutError(PbrlsvrError, RuntimeError):
    """A rollout or its reward failed, or the worker that ran it died: the batch would be incomplete."""


class StrictReplayBuffer(ReplayBuffer):
    """veRL's buffer of the chosen `trainer.v1.trainer_mode`, which raises at the first failure.

    Options in `trainer.v1.sampler.sampler_kwargs`: `poll_interval` in seconds; `max_failed`, how many prompts may fail
    for a batch before it raises (default 0; veRL trains on what is left of them, or replaces them in asynchronous
    modes); and for DAPO, as veRL passes them to its own buffer only, `filter_groups: ${algorithm.filter_groups}` and
    `train_batch_size: ${data.train_batch_size}`.

    Raises:
        RolloutError: from `sample`, in training and in validation.
    """

    def __new__(cls, *args: Any, trainer_mode: str = "sync", **kwargs: Any) -> "StrictReplayBuffer":
        # As veRL chooses its own: the asynchronous one also drops what has become too old.
        buffer: StrictReplayBuffer = super().__new__(cls if trainer_mode == "sync" else StrictReplayBufferAsync)
        return buffer

    def __init__(self, *args: Any, sampler_kwargs: Any = None, **kwargs: Any) -> None:
        options = dict(sampler_kwargs or {})
        if "poll_interval" in options or kwargs.get("trainer_mode", "sync") == "sync":
            # veRL's poll of 2 s is longer than a small model's whole step. The asynchronous trainers keep it: to them
            # a longer wait than one poll is an idle trainer (trainer_separate_async.py: _step_had_idle).
            kwargs["poll_interval"] = float(options.get("poll_interval", 0.05))
        super().__init__(*args, sampler_kwargs=sampler_kwargs, **kwargs, **_group_filter(options))
        self.max_failed = int(options.get("max_failed", 0))
        # Of the batch that is waited for; asynchronous modes replace a failed prompt at once.
        self._failed: dict[str, set[str]] = defaultdict(set)
        self._workers: set[str] = set()
        self._next_check = 0.0
        # The trainer itself comes with none of what a buffer is given, but it owns this method.
        self._observer = Observer(getattr(self.refill_fn, "__self__", None))

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[KVBatchMeta, dict[str, Any]]:
        """As veRL's; the metrics per language come with it, and the responses are written (`Observer`)."""
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        return batch, {**metrics, **self._observer.look(batch, global_steps)}

    def _sync_metadata_from_transfer_queue(self) -> None:
        super()._sync_metadata_from_transfer_queue()
        for partition, failed in self.failure_keys.items():
            self._failed[partition] |= failed
            if len(self._failed[partition]) > self.max_failed:
                raise RolloutError(_describe(partition, len(self._failed[partition])))

    def _materialize_batch(self, partition_id: str, *args: Any) -> Any:
        self._failed.pop(partition_id, None)
        return super()._materialize_batch(partition_id, *args)

    def _wait_for_next_poll(self, partition_id: str, last_debug_time: float) -> float:
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + _SECONDS_BETWEEN_WORKER_CHECKS
            self._check_workers()
        return float(super()._wait_for_next_poll(partition_id, last_debug_time))

    def _check_workers(self) -> None:
        alive = {name for name in ray.util.list_named_actors() if name.startswith(WORKER_NAME)}
        if dead := self._workers - alive:
            raise RolloutError(
                f"the actors {sorted(dead)} died, and their prompts with them; look for 'died' and for the last lines "
                f"of AgentLoopWorker in the log above (out of memory is the usual cause)"
            )
        self._workers = alive


class StrictReplayBufferAsync(StrictReplayBuffer, ReplayBufferAsync):
    """What `StrictReplayBuffer` makes for veRL's asynchronous trainers."""


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
        """
        Args:
            batch: what was sampled.
            step: veRL's global step.

        Returns:
            The metrics of a step of training; of a validation none, veRL has its own.
        """
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


def _group_filter(options: dict[str, Any]) -> dict[str, Any]:
    """What veRL derives for its own buffer, and keeps from a custom one (verl/trainer/ppo/v1/trainer_base.py:163)."""
    group_filter = options.get("filter_groups")
    if not group_filter or not group_filter["enable"]:
        return {}
    if not group_filter["metric"]:
        raise ConfigError(
            "algorithm.filter_groups.metric is empty with enable=true: name what must differ, as in 'acc'"
        )
    return {
        "filter_groups_metric": str(group_filter["metric"]),
        "max_inflight_gen_batches": group_filter.get("max_inflight_gen_batches", 1),
        "train_batch_size": options["train_batch_size"],
        "gen_batch_size": 1,
    }


def _describe(partition: str, failed: int) -> str:
    tags = (tq.kv_list(partition) or {}).get(partition, {}).values()
    reasons = [tag[REASON] for tag in tags if tag.get(REASON)]
    place = "validation" if partition == "val" else "training"
    reason = reasons[0] if reasons else "its reason is logged above, at 'Error in _run_prompt'"
    return f"{failed} prompts of a {place} batch failed. The first: {reason}"


class NotingWorker(AgentLoopWorkerTQ.__ray_actor_class__):
    """Runs each prompt as veRL does, and notes the error of one that fails where the buffer finds it."""

    async def _run_agent_loop(self, sampling_params: dict[str, Any], trajectory: dict[str, Any], **kwargs: Any) -> Any:
        try:
            return await self._run_loop(sampling_params, trajectory, **kwargs)
        except Exception as error:
            partition = "val" if trajectory["validate"] else "train"
            await tq.async_kv_put(key=kwargs["uid"], partition_id=partition, tag={REASON: _reason(error)})
            raise

    async def _run_loop(self, sampling_params: dict[str, Any], trajectory: dict[str, Any], **kwargs: Any) -> Any:
        return await super()._run_agent_loop(sampling_params, trajectory, **kwargs)


class StrictAgentLoopWorker:
    """The actor around a worker.

    It holds one instead of being one: Ray pickles inherited methods by value, and with them a second copy of veRL's
    class, to which their `super()` then refers in vain.
    """

    worker_class: type = NotingWorker

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._worker = self.worker_class(*args, **kwargs)

    async def generate_sequences(self, batch: Any) -> None:
        await self._worker.generate_sequences(batch)


class StrictAgentLoopManager(AgentLoopManagerTQ):
    """veRL's manager with `StrictAgentLoopWorker`s. Under `trainer.use_v1=False` it is veRL's own, unchanged."""

    actor_class: type = StrictAgentLoopWorker

    @classmethod
    def create(cls, config: Any, **kwargs: Any) -> Any:
        if not config.trainer.use_v1:
            # The legacy trainer has no TransferQueue, and stops by itself when a rollout or a reward raises.
            from verl.experimental.agent_loop import AgentLoopManager

            return AgentLoopManager.create(config=config, **kwargs)
        return super().create(config=config, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(self.actor_class)


def _reason(error: BaseException) -> str:
    cause = error.cause if isinstance(error, RayTaskError) else error
    text = f"{type(cause).__name__}: {cause}"
    if len(text) <= _LONGEST_REASON:
        return text
    # Of a traceback within a message, the end is what says what happened.
    half = _LONGEST_REASON // 2
    return f"{text[:half]} ... {text[-half:]}"
