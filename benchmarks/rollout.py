"""How fast does the `hf` rollout generate, beside a plain batched loop over the same model on the same machine?

    python benchmarks/rollout.py
    python benchmarks/rollout.py --steps-of <log of a veRL run>     where the seconds of a step go

`plain` is one call of transformers' `generate` for all requests. `server` is the rollout's Ray actor behind veRL's load
balancer; the client gets each request as a call of its own, all at once, as veRL's agent loops make them. `direct` is
the same without the client that gathers requests: one remote call each. They take turns, so that a machine that is
busy with other things slows all; the ratios are those of their medians.
"""

import argparse
import asyncio
import re
import statistics
import time
from pathlib import Path
from typing import Any

REQUESTS, GROUP, PROMPT_TOKENS, NEW_TOKENS = 384, 8, 24, 24


def model_config() -> Any:
    """Qwen2 with 0.8 million parameters: small enough that what is spent per request shows."""
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=260,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        eos_token_id=2,
        pad_token_id=0,
    )


def make_prompts(seed: int = 0) -> list[list[int]]:
    """One prompt per group of rollouts."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    prompts: list[list[int]] = torch.randint(3, 260, (REQUESTS // GROUP, PROMPT_TOKENS), generator=rng).tolist()
    return [prompt for prompt in prompts for _ in range(GROUP)]


def time_plain(model: Any, prompts: list[list[int]]) -> float:
    """Seconds for one batched `generate` of all prompts."""
    import torch

    ids = torch.tensor(prompts)
    start = time.perf_counter()
    model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=True,
        top_k=0,
    )
    return time.perf_counter() - start


async def time_calls(generate: Any, prompts: list[list[int]]) -> float:
    """Seconds until the last of one call per prompt has returned."""
    params = {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0, "logprobs": True}
    start = time.perf_counter()
    calls = (generate(str(i), prompt_ids=p, sampling_params=dict(params)) for i, p in enumerate(prompts))
    outputs = await asyncio.gather(*calls)
    seconds = time.perf_counter() - start
    assert all(len(output.token_ids) == NEW_TOKENS for output in outputs)
    return seconds


async def time_server(server: Any, balancer: Any, prompts: list[list[int]]) -> float:
    from pbrlsvr_plugin.cpu.client import GatheringClient

    return await time_calls(GatheringClient(None, balancer).generate, prompts)


async def time_direct(server: Any, balancer: Any, prompts: list[list[int]]) -> float:
    async def generate(request_id: str, **request: Any) -> Any:
        return await server.generate.remote(request_id=request_id, **request)

    return await time_calls(generate, prompts)


def start_server(folder: Path) -> Any:
    """The rollout's actor, with the weights of the model in `folder`."""
    import ray
    from transformers import AutoModelForCausalLM
    from verl.workers.config import HFModelConfig, RolloutConfig

    from pbrlsvr_plugin.cpu.rollout import HFServer

    rollout = RolloutConfig(
        name="hf",
        dtype="float32",
        prompt_length=PROMPT_TOKENS,
        response_length=NEW_TOKENS,
        max_num_seqs=REQUESTS,
        max_num_batched_tokens=8192,
        ignore_eos=True,
    )
    model = HFModelConfig(path=str(folder), override_config={"attn_implementation": "sdpa"})
    server = ray.remote(HFServer).options(num_cpus=0, max_concurrency=1000).remote(rollout, model, 0)
    weights = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False).state_dict()
    ray.get(server.load_weights.remote(weights))
    ray.get(server.finish_weights.remote(0))
    return server


def save_model(folder: Path) -> Any:
    """Random weights and a tokenizer with one token per byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: index for index, token in enumerate(["<pad>", "<bos>", "<eos>", *letters])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>").save_pretrained(folder)
    model = Qwen2ForCausalLM(model_config())
    model.save_pretrained(folder)
    return model.eval()


def compare(rounds: int, threads: int) -> None:
    """Print tokens per second of both, and the ratio."""
    import os
    import tempfile

    os.environ.update(VERL_PLATFORM="cpu", OMP_NUM_THREADS=str(threads), RAY_USAGE_STATS_ENABLED="0")
    import ray
    import torch
    from verl.workers.rollout.router import get_router_handle

    torch.set_num_threads(threads)
    prompts = make_prompts()
    with tempfile.TemporaryDirectory() as folder:
        model = save_model(Path(folder))
        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
        try:
            server = start_server(Path(folder))
            balancer = get_router_handle({"server": server})
            seconds: dict[str, list[float]] = {"plain": [], "server": [], "direct": []}
            for number in range(rounds + 1):
                times = {
                    "plain": time_plain(model, prompts),
                    "server": asyncio.run(time_server(server, balancer, prompts)),
                    "direct": asyncio.run(time_direct(server, balancer, prompts)),
                }
                if number:  # the first round warms up
                    for name, value in times.items():
                        seconds[name].append(value)
        finally:
            ray.shutdown()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{REQUESTS} requests of {PROMPT_TOKENS} + {NEW_TOKENS} tokens, {rounds} rounds, {threads} threads")
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:8}{REQUESTS * NEW_TOKENS / median:8.0f} tokens/s   {median:.2f} s  ({low:.2f} to {high:.2f})")
    for name in ("server", "direct"):
        print(f"{name} over plain: {medians['plain'] / medians[name]:.2f}")


def steps_of(log: Path) -> None:
    """Print the median seconds of each part of a step, from a run's console log."""
    parts: dict[str, list[float]] = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if re.search(r"step:\d+ - ", line):
            for name, value in re.findall(r"timing_s/([\w/]+):([\d.]+)", line):
                parts.setdefault(name, []).append(float(value))
    for name, values in sorted(parts.items(), key=lambda item: -statistics.median(item[1])):
        print(f"{statistics.median(values):8.2f} s  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch, in both")
    parser.add_argument("--steps-of", type=Path, help="console log of a veRL run: print where its steps' seconds go")
    arguments = parser.parse_args()
    if arguments.steps_of:
        steps_of(arguments.steps_of)
    else:
        compare(arguments.rounds, arguments.threads)


if __name__ == "__main__":
    main()
