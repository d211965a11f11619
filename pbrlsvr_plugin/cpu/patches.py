"""Every place where veRL 0.9.1 offers no hook and is changed at run time; `test_cpu_patches.py` watches.

The reasons say what happens on a CPU without the patch.
"""

import os
from datetime import timedelta
from types import ModuleType
from typing import Any

from pbrlsvr_plugin.verl.patching import Patch


def _single_gloo_backend(distributed: ModuleType) -> None:
    original = distributed.initialize_global_process_group_ray

    def initialize_global_process_group_ray(timeout_second: int | None = None, backend: str | None = None) -> None:
        original(timeout_second=timeout_second, backend=backend or "cpu:gloo")

    distributed.initialize_global_process_group_ray = initialize_global_process_group_ray  # type: ignore[attr-defined]


def _single_gloo_backend_under_torchrun(distributed: ModuleType) -> None:
    def initialize_global_process_group(timeout_second: int = 36000) -> tuple[int, int, int]:
        import torch.distributed

        torch.distributed.init_process_group(
            backend="cpu:gloo",
            timeout=timedelta(seconds=timeout_second),
            init_method=os.environ.get("DIST_INIT_METHOD"),
        )
        return tuple(int(os.environ[name]) for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"))  # type: ignore[return-value]

    distributed.initialize_global_process_group = initialize_global_process_group  # type: ignore[attr-defined]


def _nothing_to_offload_to(transformer_impl: ModuleType) -> None:
    def no_policy(pin_memory: bool = True) -> None:
        return None

    transformer_impl.CPUOffloadPolicy = no_policy  # type: ignore[attr-defined]


def _register_engines(transformer_impl: ModuleType) -> None:
    from verl.workers.engine.base import EngineRegistry

    for model_type, engine in (
        ("language_model", transformer_impl.FSDPEngineWithLMHead),
        ("value_model", transformer_impl.FSDPEngineWithValueHead),
    ):
        EngineRegistry.register(model_type=model_type, backend=["fsdp", "fsdp2"], device="cpu")(engine)


def _value_head_without_flash_attention(model: ModuleType) -> None:
    def load_valuehead_model(local_path: str, torch_dtype: Any, model_config: Any, trust_remote_code: bool) -> Any:
        from transformers import AutoModelForTokenClassification

        return AutoModelForTokenClassification.from_pretrained(
            local_path,
            dtype=torch_dtype,
            config=model_config,
            attn_implementation=model_config._attn_implementation,
            trust_remote_code=trust_remote_code,
        )

    model.load_valuehead_model = load_valuehead_model  # type: ignore[attr-defined]


def _register_rollout(base: ModuleType) -> None:
    base._ROLLOUT_REGISTRY[("hf", "async")] = "pbrlsvr_plugin.cpu.rollout.HFRollout"


def _register_replica(replica: ModuleType) -> None:
    def load() -> type:
        from pbrlsvr_plugin.cpu.rollout import HFReplica

        return HFReplica

    replica.RolloutReplicaRegistry.register("hf", load)


PATCHES = (
    Patch(
        module="verl.utils.distributed",
        where="verl/utils/distributed.py:89",
        line='backend = backend or f"cpu:gloo,{get_device_name()}:{get_nccl_backend()}"',
        reason='becomes "cpu:gloo,cpu:gloo", and torch rejects a device that is named twice',
        apply=_single_gloo_backend,
    ),
    Patch(
        module="verl.utils.distributed",
        where="verl/utils/distributed.py:63",
        line='backend = f"cpu:gloo,{get_device_name()}:{get_nccl_backend()}"',
        reason="the same in the SFT trainer's processes, which torchrun starts; here nothing can be passed in",
        apply=_single_gloo_backend_under_torchrun,
    ),
    Patch(
        module="verl.workers.engine.fsdp.transformer_impl",
        where="verl/workers/engine/fsdp/transformer_impl.py:462",
        line="offload_policy = CPUOffloadPolicy(pin_memory=True)",
        reason="the reference model is offloaded to the CPU in pinned memory, which needs an accelerator",
        apply=_nothing_to_offload_to,
    ),
    Patch(
        module="verl.workers.engine.fsdp.transformer_impl",
        where="verl/workers/engine/fsdp/transformer_impl.py:1143,1594",
        line='backend=["fsdp", "fsdp2"], device=["cuda", "npu"])',
        reason="the FSDP engines are registered for cuda and npu only",
        apply=_register_engines,
    ),
    Patch(
        module="verl.utils.model",
        where="verl/utils/model.py:649",
        line='attn_implementation="flash_attention_2"',
        reason="the critic asks for flash attention whatever the config says",
        apply=_value_head_without_flash_attention,
    ),
    Patch(
        module="verl.workers.rollout.base",
        where="verl/workers/rollout/base.py:89",
        line="_ROLLOUT_REGISTRY = {",
        reason="rollout backends are looked up in a private dict without a register function",
        apply=_register_rollout,
    ),
    Patch(
        module="verl.workers.rollout.replica",
        where="verl/workers/rollout/replica.py:388",
        line='RolloutReplicaRegistry.register("vllm", _load_vllm)',
        reason="the backend must be known wherever a replica is made (a public hook, listed for completeness)",
        apply=_register_replica,
    ),
)
