"""A composed config and a GPU's memory -> what lies on the fullest GPU in each phase, and whether that fits."""

from dataclasses import dataclass
from functools import cached_property

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.plan.batches import Check, checks
from pbrlsvr_plugin.plan.memory import PHASES, Part, host_load, kv_bytes_per_token, parts, vllm_weights, vllm_work
from pbrlsvr_plugin.plan.recipe import settings
from pbrlsvr_plugin.plan.scorers import ScorerSize, scorers
from pbrlsvr_plugin.plan.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What `pbrlsvr plan` found for GPUs of `capacity` bytes: what lies on the fullest one."""

    settings: Settings
    capacity: float
    parts: tuple[Part, ...]
    scorers: tuple[ScorerSize, ...]

    @cached_property
    def phases(self) -> dict[str, float]:
        """Bytes in each phase that the recipe has."""
        present = {phase for part in self.parts for phase in part.phases}
        return {
            phase: sum(part.bytes for part in self.parts if phase in part.phases)
            for phase in PHASES
            if phase in present
        }

    @property
    def peak(self) -> float:
        """Bytes of the fullest phase."""
        return max(self.phases.values())

    @property
    def host(self) -> float:
        """Bytes of a node's memory that hold what is not on its GPUs."""
        return self.settings.gpus * sum(part.host for part in self.parts)

    @property
    def host_load(self) -> float:
        """Bytes of the first node's memory for the largest model while it is loaded, beside `host`."""
        return host_load(self.settings)

    @property
    def kv_tokens(self) -> int:
        """Tokens that vLLM's cache holds, per replica."""
        rollout = self.settings.rollout
        free = rollout.utilization * self.capacity - vllm_weights(rollout) - vllm_work(rollout)
        return max(0, int(free / kv_bytes_per_token(rollout)))

    @property
    def sequences(self) -> float:
        """Sequences of the greatest length that one replica generates at a time."""
        rollout = self.settings.rollout
        return min(self.kv_tokens / rollout.sequence_length, rollout.sequences)

    @property
    def lacks(self) -> float:
        """Bytes that are missing: the sum over the phases, and what vLLM needs for one text of its context."""
        over = sum(max(0.0, used - self.capacity) for used in self.phases.values())
        rollout = self.settings.rollout
        cache = max(0, rollout.cache_must_hold - self.kv_tokens) * kv_bytes_per_token(rollout)
        weights = vllm_weights(rollout) + vllm_work(rollout) - rollout.utilization * self.capacity
        return over + cache + max(0.0, weights)

    @property
    def fits(self) -> bool:
        """Every phase fits into the GPU, and vLLM can hold the longest text that it expects."""
        return self.lacks == 0

    @property
    def starts(self) -> bool:
        """Whether the cache holds one text of the context: vLLM refuses to start otherwise."""
        return self.kv_tokens >= self.settings.rollout.cache_must_hold

    def batches(self) -> list[Check]:
        """What has to divide what, and what has to fit into what."""
        return checks(self.settings)


def evaluate(config: DictConfig, capacity: float) -> Plan:
    """The plan for a composed config on GPUs of `capacity` bytes.

    Raises:
        ConfigError: the config lacks a value, or has one that the plan does not know.
    """
    try:
        found, models = settings(config), scorers(config)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the config cannot be read: {str(error).splitlines()[0]}. Set that key") from error
    return Plan(found, capacity, tuple(parts(found, capacity, models)), models)
