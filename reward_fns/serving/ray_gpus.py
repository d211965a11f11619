"""Which GPU a Ray actor sees, and the memory that it gives back."""

import logging
import os

import ray

from pbrlsvr.serving.options import ServingOptions

log = logging.getLogger(__name__)


def choose_gpu(serving: ServingOptions, place: int) -> None:
    """Lets this process see the GPUs that are meant for it, and no others."""
    if serving.num_gpus > 0:
        return  # Ray has seen to it
    if not serving.share_gpu:
        # Some versions of Ray hide no GPU here, and `device="auto"` would take veRL's first one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name] or _gpus()
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[place % len(visible)]
    else:
        log.warning(
            "serving.share_gpu: node %s shows no GPU; the model runs on its CPU", ray.util.get_node_ip_address()
        )


def _gpus() -> list[str]:
    import torch  # counts them without starting CUDA, which would fix what this process sees

    return [str(index) for index in range(torch.cuda.device_count())]


def return_gpu_memory() -> None:
    """What torch keeps for its next batch; vLLM needs it when it wakes."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
