"""The CPU as one of veRL's platforms."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from verl.plugin.platform import PlatformBase

# What veRL calls on `torch.cuda` and `torch.cpu` lacks.
_ZERO = ("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved")
_NOTHING = (
    "empty_cache", "ipc_collect", "manual_seed", "manual_seed_all", "reset_peak_memory_stats", "set_device",
    "set_per_process_memory_fraction", "synchronize",
)  # fmt: skip


def _device_module() -> ModuleType:
    """`torch.cpu`, completed by the allocator and RNG names that veRL calls on `torch.cuda`."""
    module = ModuleType("pbrlsvr_plugin.cpu.device_module")
    vars(module).update({name: value for name, value in vars(torch.cpu).items() if not name.startswith("__")})
    vars(module).update(dict.fromkeys(_ZERO, lambda *_, **__: 0))
    vars(module).update(dict.fromkeys(_NOTHING, lambda *_, **__: None))
    vars(module).update(
        is_available=lambda: True,
        device_count=lambda: 1,
        current_device=lambda: "cpu",
        get_device_name=lambda *_: "CPU",
        get_rng_state=torch.get_rng_state,
        set_rng_state=torch.set_rng_state,
        mem_get_info=lambda *_: (0, 0),
    )
    return module


_DEVICE_MODULE = _device_module()


class PlatformCPU(PlatformBase):
    """Every rank is a process on this machine; Ray counts ranks as `GPU`s that it is told to have."""

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        return _DEVICE_MODULE

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        # Only on request: auto-detection must not take a GPU machine for a CPU one.
        return os.environ.get("VERL_PLATFORM", "").strip().lower() == "cpu"

    def current_device(self) -> Any:
        # veRL calls tensor.to(get_device_id()), and torch reads an int as an index of the accelerator.
        return "cpu"

    def device_count(self) -> int:
        return 1

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    manual_seed_all = manual_seed

    def nothing(self, *_: Any, **__: Any) -> None:
        """There is no device to choose, to wait for, to empty or to profile."""

    set_device = synchronize = set_allocator_settings = empty_cache = profiler_start = profiler_stop = cudart = nothing

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def ray_resource_name(self) -> str:
        # ResourcePoolManager counts only "GPU" and "NPU"; the profile starts Ray with as many "GPU"s as ranks.
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return []

    def is_ipc_supported(self) -> bool:
        return False
