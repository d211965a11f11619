"""What of a recipe decides about memory: its engines, its rollout, its GPUs."""

from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import DictConfig

from pbrlsvr_plugin.plan.model_size import ModelSize


@dataclass(frozen=True)
class Engine:
    """One FSDP engine of veRL: the policy that is trained, the critic, or the reference.

    Attributes:
        role: "actor", "critic" or "ref".
        key: where its FSDP options stand in the config.
        size: its model.
        ranks: over how many GPUs a parameter is cut.
        master: bytes of a stored parameter (`model_dtype`).
        compute: bytes of a gathered parameter and of an activation (`mixed_precision.param_dtype`).
        reduce: bytes of a gradient while it is reduced (`mixed_precision.reduce_dtype`).
        optimizer_state: bytes of the optimiser's states per trained parameter.
        no_sync: whole gradients are kept between micro-batches.
        train_tokens, infer_tokens: tokens of a micro-batch on one GPU, at most.
        vocabulary: whether it has logits; a critic has one value per token.
        entropy_chunk: rows of the logits at a time; 0 for all.
        packed: sequences are packed (`use_remove_padding`), which needs flash-attn; its cross entropy is in place then.
        staged_sync: the weights go to vLLM by way of the whole shard on the GPU (FSDP1 and LoRA).
    """

    role: str
    key: str
    size: ModelSize
    ranks: int
    master: int
    compute: int
    reduce: int
    optimizer_state: int
    param_offload: bool
    optimizer_offload: bool
    offload_policy: bool
    no_sync: bool
    checkpointing: bool
    activation_offload: bool
    train_tokens: int
    infer_tokens: int
    vocabulary: bool
    entropy_eager: bool
    entropy_chunk: int
    temperature_copy: bool
    fused_logits: bool
    train_entropy: bool
    staged_sync: bool = False
    packed: bool = True


@dataclass(frozen=True)
class Rollout:
    """What vLLM holds: see `actor_rollout_ref.rollout` in veRL's config.

    Attributes:
        sequence_length: tokens of the longest prompt and response.
        context: tokens of the longest text that the backend is told to expect: `max_model_len`, or the model's own.
        is_vllm: vLLM does not start where its cache cannot hold one text of `context` tokens.
    """

    size: ModelSize
    tensor_parallel: int
    weight: int
    kv: int
    utilization: float
    sleeps: bool
    graphs: bool
    batched_tokens: int
    sequences: int
    sequence_length: int
    bucket: int
    context: int = 0
    is_vllm: bool = True

    @property
    def cache_must_hold(self) -> int:
        """Tokens, or vLLM does not start (`check_enough_kv_cache_memory` in its v1/core/kv_cache_utils.py)."""
        return max(self.context, self.sequence_length) if self.is_vllm else self.sequence_length


@dataclass(frozen=True)
class Settings:
    """Everything that the plan reads from a config."""

    config: DictConfig
    nodes: int
    gpus: int
    actor: Engine
    ref: Engine | None
    critic: Engine | None
    rollout: Rollout

    @property
    def world(self) -> int:
        """GPUs of all nodes."""
        return self.nodes * self.gpus


def engines(found: Settings) -> Iterator[Engine]:
    """Those that there are, in the order in which veRL builds them."""
    yield from (engine for engine in (found.actor, found.ref, found.critic) if engine is not None)
