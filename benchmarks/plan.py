"""`pbrlsvr plan` against torch's own measurements: bytes of real FSDP2 shards, activations, logits, caches.

    python benchmarks/plan.py            on the CPU: two processes under gloo, bytes of tensors
    python benchmarks/plan.py --gpu      on GPUs: a training step under nccl, torch.cuda.max_memory_allocated
    python benchmarks/plan.py --json     the same rows for a program

The model is wrapped by veRL's own `apply_fsdp2` and takes one step of AdamW, as in veRL's FSDP engine.
"""

import argparse
import json
import os
import socket
from collections.abc import Sequence
from importlib import import_module
from itertools import product
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, PretrainedConfig, Qwen3Config

from pbrlsvr_plugin.plan.memory import engine_parts, kv_bytes_per_token, layer_activations
from pbrlsvr_plugin.plan.model_size import size_of
from pbrlsvr_plugin.plan.settings import Engine, Rollout

SHAPE = {"vocab_size": 4099, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4,
         "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 32}  # fmt: skip
# On a GPU small tensors drown in the allocator's blocks of 512 bytes to 2 MiB and cuBLAS's workspace.
GPU_SHAPE = {"vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 12,
             "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128}  # fmt: skip
Case = tuple[str, int]
"""A model's name, and the tokens of a batch."""
_OF_RANKS = ("verl.utils.fsdp_utils", "verl.utils.torch_functional", "transformers.models.llama.modeling_llama",
             "transformers.models.qwen3.modeling_qwen3")  # fmt: skip
ARCHITECTURES = {"llama": LlamaConfig, "qwen3": Qwen3Config, "llama tied": LlamaConfig}


def config_of(name: str, shape: dict[str, int]) -> PretrainedConfig:
    return ARCHITECTURES[name](**shape, tie_word_embeddings="tied" in name)


def engine_of(config: PretrainedConfig, ranks: int, tokens: int) -> Engine:
    """veRL's defaults: float32 parameters, bfloat16 computation, float32 reduction, gradient checkpointing."""
    return Engine(
        role="actor", key="", size=size_of(config, "benchmark"), ranks=ranks, master=4, compute=2, reduce=4,
        optimizer_state=8, param_offload=False, optimizer_offload=False, offload_policy=False, no_sync=False,
        checkpointing=True, activation_offload=False, train_tokens=tokens, infer_tokens=tokens, vocabulary=True,
        entropy_eager=False, entropy_chunk=0, temperature_copy=False, fused_logits=False, train_entropy=False,
    )  # fmt: skip


def rank_main(rank: int, ranks: int, port: int, cases: Sequence[Case], device: str, results: Any) -> None:
    """All cases one after the other: what a process costs is to start, not to train."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(ranks)}
    torch.set_num_threads(1)
    if device == "cuda":
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if device == "cuda" else "gloo", rank=rank, world_size=ranks)
    for name, tokens in cases:
        results[rank, name, tokens] = step(ranks, name, tokens, device)
    dist.destroy_process_group()


def step(ranks: int, name: str, tokens: int, device: str) -> SimpleNamespace:
    """What a rank's tensors and, on a GPU, its allocator hold of a training step."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy
    from verl.utils.fsdp_utils import apply_fsdp2
    from verl.utils.torch_functional import logprobs_from_logits

    torch.manual_seed(0)
    config = config_of(name, GPU_SHAPE if device == "cuda" else SHAPE)
    model = AutoModelForCausalLM.from_config(
        config, trust_remote_code=False, dtype=torch.float32, attn_implementation="sdpa"
    ).to(device)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=True)
    mesh = init_device_mesh(device, (ranks,), mesh_dim_names=("fsdp",))
    apply_fsdp2(model, {"mesh": mesh, "mp_policy": policy, "reshard_after_forward": True}, {})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    model.train()
    ids = torch.randint(0, config.vocab_size, (1, tokens), device=device)
    for _ in range(2):  # the optimiser's states are there from the second step on
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(input_ids=ids, use_cache=False).logits
            # As veRL's engine at temperature 1; with flash-attn in place, so that a logit has the plan's 2 bytes.
            loss = -logprobs_from_logits(logits[0, :-1], ids[0, 1:], inplace_backward=True).mean()
        loss.backward()
        del logits
        peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
        optimizer.step()
        held = held_bytes(model, optimizer)
        optimizer.zero_grad()
    return SimpleNamespace(**held, peak=peak)


def held_bytes(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Bytes of this rank's parameters, gradients and optimiser states."""
    local = [parameter.to_local() for parameter in model.parameters()]
    gradients = [parameter.grad.to_local() for parameter in model.parameters()]
    states = [
        (value.to_local() if hasattr(value, "to_local") else value)
        for state in optimizer.state.values()
        for value in state.values()
    ]
    sizes = {"parameters": local, "gradients": gradients, "optimiser states": states}
    return {
        name.replace(" ", "_"): sum(t.numel() * t.element_size() for t in tensors) for name, tensors in sizes.items()
    }


def shards(cases: Sequence[Case], ranks: int, device: str) -> list[dict[str, Any]]:
    """Rows of what each rank holds: planned for the fullest, measured on it."""
    for module in _OF_RANKS:
        import_module(module)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mp.Manager() as manager:
        results = manager.dict()
        # A fork has imported what takes a rank longer than its steps; CUDA allows none.
        start = "spawn" if device == "cuda" else "fork"
        mp.start_processes(rank_main, (ranks, port, cases, device, results), nprocs=ranks, start_method=start)
        measured = dict(results)
    return [
        found
        for name, tokens in cases
        for found in compared(name, tokens, device, [measured[rank, name, tokens] for rank in range(ranks)])
    ]


def compared(name: str, tokens: int, device: str, ranked: list[SimpleNamespace]) -> list[dict[str, Any]]:
    ranks = len(ranked)
    engine = engine_of(config_of(name, GPU_SHAPE if device == "cuda" else SHAPE), ranks, tokens)
    phases = ("weight sync", "rollout", "log-prob", "update", "update step")
    planned = list(engine_parts(engine, phases))
    rows = []
    for what in ("parameters", "gradients", "optimiser states"):
        measured = max(getattr(result, what.replace(" ", "_")) for result in ranked)
        rows.append(row(f"{name}, {ranks} ranks: {what}", sum(p.bytes for p in planned if p.what == what), measured))
    if device == "cuda":
        update = sum(part.bytes for part in planned if "update" in part.phases)
        rows.append(
            row(f"{name}, {ranks} ranks: peak of an update, {tokens} tokens", update, max(r.peak for r in ranked))
        )
    return rows


def activations(name: str, tokens: int) -> dict[str, Any]:
    """What a decoder layer keeps for its backward pass, per token: the storages that autograd saves."""
    config = config_of(name, SHAPE)
    layers = []
    for count in (1, 2):
        config.num_hidden_layers = count
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, dtype=torch.bfloat16, attn_implementation="sdpa"
        ).train()
        weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        saved: dict[int, torch.UntypedStorage] = {}

        def keep(tensor: torch.Tensor, saved: Any = saved, weights: Any = weights) -> torch.Tensor:
            if tensor.untyped_storage().data_ptr() not in weights:
                saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = model.model(input_ids=torch.zeros(1, tokens, dtype=torch.long), use_cache=False)
        layers.append(sum(storage.nbytes() for storage in saved.values()))
        del output
    planned = layer_activations(size_of(config_of(name, SHAPE), "benchmark"), 2)
    return row(f"{name}: bytes per token that a layer keeps", planned, (layers[1] - layers[0]) / tokens)


def cache(name: str, tokens: int) -> dict[str, Any]:
    """Bytes per token of a real key-value cache."""
    config = config_of(name, SHAPE)
    model = AutoModelForCausalLM.from_config(config, trust_remote_code=False, dtype=torch.bfloat16).eval()
    kept = DynamicCache(config=config)
    with torch.inference_mode():
        model(input_ids=torch.zeros(1, tokens, dtype=torch.long), past_key_values=kept, use_cache=True)
    measured = sum(t.nbytes for layer in kept.layers for t in (layer.keys, layer.values)) / tokens
    rollout = Rollout(size_of(config, "benchmark"), 1, 2, 2, 0.5, True, False, 1, 1, 1, 0)
    return row(f"{name}: KV cache, bytes per token", kv_bytes_per_token(rollout), measured)


def row(what: str, planned: float, measured: float) -> dict[str, Any]:
    return {"what": what, "planned": float(planned), "measured": float(measured), "ratio": planned / measured}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="measure a training step on all visible GPUs")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--models", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES), help="default: all")
    options = parser.parse_args()
    rows = []
    if options.gpu:
        if not torch.cuda.is_available():
            parser.error("--gpu needs a GPU that torch can see")
        rows += shards(list(product(options.models, (2048, 8192))), torch.cuda.device_count(), "cuda")
    else:
        rows += shards([(name, 16) for name in options.models], 2, "cpu")
        for name in options.models:
            rows += [activations(name, 512), cache(name, 64)]
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'':60} {'planned':>16} {'measured':>16} {'ratio':>7}")
    for found in rows:
        print(f"{found['what']:60} {found['planned']:16,.0f} {found['measured']:16,.0f} {found['ratio']:7.3f}")


if __name__ == "__main__":
    main()
