"""A replay buffer that ends the run when a rollout or a reward fails, instead of training on what is left.

veRL's own takes a failed group for a finished one and pads what is missing ("failed groups remain sampleable",
verl/trainer/ppo/v1/replay_buffer.py:112), in validation too; and it waits for ever for the groups of a dead worker.

    trainer:
      v1:
        sampler:
          custom_sampler:
            path: pkg://pbrlsvr_plugin.verl.strict_buffer
            name: StrictReplayBuffer

With `pbrlsvr_plugin.verl.strict_agent_loop.StrictAgentLoopManager` beside it, the error says what failed.
"""

import time
from typing import Any

import ray
import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

from pbrlsvr.errors import PbrlsvrError

# The tag of a failed prompt that holds the text of its first error.
REASON = "failure_reason"

# How veRL names the actors that run the agent loops (verl/experimental/agent_loop/agent_loop.py:1218).
WORKER_NAME = "agent_loop_worker_"

_SECONDS_BETWEEN_WORKER_CHECKS = 5.0


class RolloutError(PbrlsvrError, RuntimeError):
    """A rollout or its reward failed, or the worker that ran it died: the batch would be incomplete."""


class _Strict(ReplayBuffer):
    def __init__(self, *args: Any, sampler_kwargs: Any = None, **kwargs: Any) -> None:
        options = dict(sampler_kwargs or {})
        # veRL's poll of 2 s is longer than a small model's whole step.
        kwargs["poll_interval"] = float(options.get("poll_interval", 0.05))
        super().__init__(*args, sampler_kwargs=sampler_kwargs, **kwargs, **_group_filter(options))
        self._workers: set[str] = set()
        self._next_check = 0.0

    def _sync_metadata_from_transfer_queue(self) -> None:
        super()._sync_metadata_from_transfer_queue()
        for partition, failed in self.failure_keys.items():
            if failed:
                raise RolloutError(_describe(partition, len(failed)))

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


class StrictReplayBuffer(_Strict):
    """For `trainer.v1.trainer_mode: sync`.

    Options in `trainer.v1.sampler.sampler_kwargs`: `poll_interval` in seconds; and for DAPO, as veRL passes them to its
    own buffer only, `filter_groups: ${algorithm.filter_groups}` and `train_batch_size: ${data.train_batch_size}`.

    Raises:
        RolloutError: from `sample`, in training and in validation.
    """


class StrictReplayBufferAsync(_Strict, ReplayBufferAsync):
    """For veRL's asynchronous trainers; otherwise as `StrictReplayBuffer`."""


def _group_filter(options: dict[str, Any]) -> dict[str, Any]:
    """What veRL derives for its own buffer, and keeps from a custom one (verl/trainer/ppo/v1/trainer_base.py:163)."""
    group_filter = options.get("filter_groups")
    if not group_filter or not group_filter["enable"]:
        return {}
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
