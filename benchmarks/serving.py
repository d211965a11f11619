"""Do rewards slow the step? veRL's own reward workers with pbrlsvr.embed_cosine, beside the limit and today's way.

    python benchmarks/serving.py                     all of it, with a table and a plot
    python benchmarks/serving.py limit long today    some of it
    python benchmarks/serving.py growth --most 100000

    limit      samples/s through veRL's RewardLoopWorkers over those of one length-sorted SentenceTransformer.encode of
               the same unique texts, on the same threads; texts as long as GSM8K's solutions
    long       the same with reasonings of about 4,000 tokens, in the same pieces
    today      beside the function that users write: the model in each of 8 workers, two texts per sample. Ours is the
               plain cosine here, as theirs is: without gate, language policy and guards
    latency    of one sample on an idle scorer in Ray, over the model's own time
    growth     time and memory from 1,000 samples on, with a tiny encoder, so that what is not the model shows
    step       share of the quickstart's GRPO steps that is spent waiting for rewards

The encoder has e5-small's shape (12 layers of 384) and random weights, on the CPU unless `--device` says otherwise.
Measurements that are compared take turns, each round with texts that were never seen before.
"""

import argparse
import asyncio
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workload import (
    GROUP,
    WRITTEN_TODAY,
    RewardWorkers,
    Sample,
    memory_mib,
    samples,
    save_encoder,
    save_json,
    save_policy_tokenizer,
)

OPTIONS = "reward.custom_reward_function.reward_kwargs"
PARTS = ("limit", "long", "today", "latency", "growth", "step")


def ours(encoder: str, arguments: argparse.Namespace) -> list[str]:
    """The overrides of a run with our reward, its encoder in Ray."""
    gpu = arguments.device != "cpu"
    return [
        "+reward_fn=pbrlsvr.embed_cosine",
        f"{OPTIONS}.embedding.model={encoder}",
        f"{OPTIONS}.serving.place=ray",
        f"{OPTIONS}.serving.num_cpus={arguments.threads}",
        f"{OPTIONS}.serving.num_gpus={1 if gpu else 0}",
        f"{OPTIONS}.serving.dtype={arguments.dtype}",
    ]


def direct(model: Any, found: list[Sample]) -> float:
    """Seconds for the unique texts in one call, split as the reward splits them."""
    from pbrlsvr.models.pieces import split_to_fit

    texts = dict.fromkeys([sample.reasoning for sample in found] + [sample.reference for sample in found])
    limit = model.max_seq_length - 2
    pieces = [piece for text in texts for piece, _ in split_to_fit(text, model.tokenizer, limit)]
    start = time.perf_counter()
    model.encode(pieces, batch_size=8 if model.device.type == "cpu" else 64, normalize_embeddings=True)
    return time.perf_counter() - start


def limit(folder: Path, arguments: argparse.Namespace, sentences: int = 0) -> dict[str, Any]:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(arguments.threads)
    encoder = save_encoder(folder, arguments.layers)
    model = SentenceTransformer(
        encoder, device=arguments.device, trust_remote_code=False, model_kwargs={"dtype": arguments.dtype}
    )
    workers = RewardWorkers(arguments.workers, save_policy_tokenizer(folder / "policy"), ours(encoder, arguments), 1)
    prompts = max(arguments.prompts // (16 if sentences else 1), 4)
    workers.score(workers.prepare(samples(2, 99)))
    times: dict[str, list[float]] = {"direct": [], "ours": []}
    for turn in range(arguments.rounds):
        found = samples(prompts, turn + (50 if sentences else 1), sentences)
        prepared = workers.prepare(found)
        times["direct"].append(direct(model, found))
        start = time.perf_counter()
        workers.score(prepared)
        times["ours"].append(time.perf_counter() - start)
        print(f"  direct {times['direct'][-1]:.2f} s, ours {times['ours'][-1]:.2f} s", flush=True)
    ratio = statistics.median(a / b for a, b in zip(times["direct"], times["ours"], strict=True))
    number = prompts * GROUP
    return {
        "samples": number,
        "direct_samples_per_s": number / statistics.median(times["direct"]),
        "samples_per_s": number / statistics.median(times["ours"]),
        "ratio": ratio,
    }


def today(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both in a Ray of their own, one after the other in each round, since memory is compared too."""
    encoder, tokenizer = save_encoder(folder, arguments.layers), save_policy_tokenizer(folder / "policy")
    file = folder / "written_today.py"
    file.write_text(WRITTEN_TODAY.format(model=encoder, device=arguments.device))
    plain = [
        f"{OPTIONS}.{block}" for block in ("combine.rule=sum", "language.reasoning.mode=off", "guards.repetition=false")
    ]
    theirs = [f"reward.custom_reward_function.path={file}", "reward.custom_reward_function.name=compute_score"]
    found: dict[str, Any] = {}
    for name, number, overrides in (
        ("today", 8, theirs),
        ("ours", arguments.workers, ours(encoder, arguments) + plain),
    ):
        with a_ray(arguments):
            workers = RewardWorkers(number, tokenizer, overrides, 1)
            workers.score(workers.prepare(samples(max(number, 2), 99)))
            seconds = []
            for turn in range(arguments.rounds):
                prepared = workers.prepare(samples(arguments.prompts, turn + 1))
                start = time.perf_counter()
                workers.score(prepared)
                seconds.append(time.perf_counter() - start)
            found[f"{name}_samples_per_s"] = arguments.prompts * GROUP / statistics.median(seconds)
            found[f"{name}_mib"] = memory_mib("ray::RewardLoopWorker|ray::_Actor")
            print(
                f"  {name}: {found[f'{name}_samples_per_s']:.1f} samples/s, {found[f'{name}_mib']:.0f} MiB", flush=True
            )
    found["ratio"] = found["ours_samples_per_s"] / found["today_samples_per_s"]
    found["memory_ratio"] = found["ours_mib"] / found["today_mib"]
    return found


def latency(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of `embed` for one new text, beside those of the same model called directly."""
    from pbrlsvr.models.embedding.embedder import EncoderLoader, embedder
    from pbrlsvr.models.embedding.options import EmbeddingOptions
    from pbrlsvr.serving.options import ServingOptions

    options = EmbeddingOptions(save_encoder(folder, arguments.layers))
    here = ServingOptions(place="local", device=arguments.device, dtype=arguments.dtype)
    gpus = 0 if arguments.device == "cpu" else 1
    serving = here.override(ServingOptions(place="ray", num_cpus=arguments.threads, num_gpus=gpus))
    import torch

    torch.set_num_threads(arguments.threads)
    model = EncoderLoader.of(options, here).load()
    texts = [sample.reasoning for turn in range(8) for sample in samples(4, 200 + turn)]

    async def measured() -> tuple[list[float], list[float]]:
        scorer = embedder(options, serving)
        await scorer.embed("warm")
        model.run(["warm"])
        alone, served = [], []
        for text in texts:
            start = time.perf_counter()
            model.run([text])
            middle = time.perf_counter()
            await scorer.embed(text)
            alone.append(1000 * (middle - start))
            served.append(1000 * (time.perf_counter() - middle))
        return alone, served

    alone, served = asyncio.run(measured())
    extra = statistics.median(b - a for a, b in zip(alone, served, strict=True))
    return {"model_ms": statistics.median(alone), "scorer_ms": statistics.median(served), "extra_ms": extra}


def growth(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Whole rewards in one process, the tiny encoder in Ray: seconds, and memory of both processes."""
    import pbrlsvr

    encoder = save_encoder(folder, layers=1, hidden=32)
    serving = {"place": "ray", "num_cpus": 1, "cache_mib": 16}
    made, rows = 0, []

    async def score(batch: list[Sample]) -> None:
        options = {"embedding": {"model": encoder}, "serving": serving}
        await asyncio.gather(*(pbrlsvr.embed_cosine("d", s.response, "11", s.row, **options) for s in batch))

    async def grow() -> None:
        nonlocal made
        await score(samples(8, 7))
        step, start, spent = 1000, time.perf_counter(), 0.0
        while made < arguments.most:
            batch = samples(step // GROUP, 1000 + made)
            start = time.perf_counter()
            await score(batch)
            spent += time.perf_counter() - start
            made += step
            if made in (1000, 3000, 10_000, 30_000, 100_000):
                gc.collect()
                memory = memory_mib("ray::_Actor") + memory_mib(f"{Path(__file__).name}")
                rows.append({"samples": made, "seconds": spent, "mib": memory})
                print(f"  {made} samples: {spent:.1f} s, {memory:.0f} MiB", flush=True)

    asyncio.run(grow())
    first, last = rows[0], rows[-1]
    return {
        "rows": rows,
        "seconds_per_1000": [row["seconds"] / row["samples"] * 1000 for row in rows],
        "memory_growth_mib": last["mib"] - first["mib"],
    }


# Python runs a module of this name when it starts: so the trainer and its configuration stay as they are.
TIMED = """
import json, time
from pbrlsvr.scoring.reasoning import ReasoningReward

score = ReasoningReward.score


async def timed(self, *args):
    start = time.time()
    found = await score(self, *args)
    with open({log!r}, "a") as file:
        file.write(json.dumps([start, time.time()]) + "\\n")
    return found


ReasoningReward.score = timed
"""


def step(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The quickstart with a reward that notes when it is asked and when it answers.

    A step waits for rewards from the moment when its last rollout asks for one until the last one is there.
    """
    log = folder / "times.jsonl"
    (folder / "sitecustomize.py").write_text(TIMED.format(log=str(log)))
    run = Path(__file__).resolve().parents[1] / "examples" / "quickstart" / "run.py"
    output = folder / "quickstart"
    command = [sys.executable, str(run), "--output", str(output), "--steps", str(arguments.steps)]
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "PYTHONPATH": str(folder)})
    calls = sorted(json.loads(line) for line in log.read_text().splitlines())
    seconds = [float(s) for s in re.findall(r"timing_s/step:([\d.]+)", (output / "grpo" / "verl.log").read_text())]
    per_step = len(calls) // len(seconds)
    waits = []
    for number in range(len(seconds)):
        group = calls[number * per_step : (number + 1) * per_step]
        waits.append(max(end for _, end in group) - max(start for start, _ in group))
    # The first step loads the encoder.
    share = sum(waits[1:]) / sum(seconds[1:])
    return {
        "steps": len(seconds),
        "waiting_ms": 1000 * statistics.median(waits[1:]),
        "first_s": waits[0],
        "share": share,
    }


class a_ray:  # noqa: N801 - read as `with a_ray():`
    """A Ray of its own, that ends with the block."""

    def __init__(self, arguments: argparse.Namespace):
        self._gpus = 0 if arguments.device == "cpu" else 1

    def __enter__(self) -> None:
        import ray

        ray.init(
            address="local", num_cpus=os.cpu_count(), num_gpus=self._gpus, include_dashboard=False, log_to_driver=False
        )

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    add("--prompts", type=int, default=32, help="prompts of 8 rollouts in a round (default: %(default)s)")
    add("--rounds", type=int, default=3, help="(default: %(default)s)")
    add("--layers", type=int, default=12, help="layers of the encoder (default: %(default)s)")
    add("--workers", type=int, default=1, help="our reward workers (default: %(default)s)")
    add("--threads", type=int, default=os.cpu_count(), help="of the encoder (default: all cores)")
    add("--device", default="cpu", help='"cpu" or "cuda" (default: %(default)s)')
    add("--dtype", default="float32", help="of the encoder (default: %(default)s)")
    add("--most", type=int, default=10_000, help="samples of growth: 1000 to 100000 (default: %(default)s)")
    add("--steps", type=int, default=6, help="of the quickstart (default: %(default)s)")
    add("--json", type=Path, help="also write the figures to this file")
    add("--plot", type=Path, help="also draw them to this PNG")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    for part in arguments.parts or PARTS:
        print(part, flush=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if part == "today":
                figures[part] = today(folder, arguments)
            elif part == "step":
                figures[part] = step(folder, arguments)
            else:
                with a_ray(arguments):
                    figures[part] = {
                        "limit": limit,
                        "long": lambda folder, arguments: limit(folder, arguments, sentences=250),
                        "latency": latency,
                        "growth": growth,
                    }[part](folder, arguments)
        print(f"  {json.dumps(figures[part])}", flush=True)
    save_json(arguments.json, figures)
    report(figures)
    if arguments.plot:
        plot(figures, arguments.plot)


def report(figures: dict[str, Any]) -> None:
    """The table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("measured", "figure", "wanted")
    for part, name in (("limit", "GSM8K lengths"), ("long", "4k tokens")):
        if row := figures.get(part):
            text = f"{row['samples_per_s']:.1f} of {row['direct_samples_per_s']:.1f} samples/s: {row['ratio']:.2f}"
            table.add_row(f"of one direct encode, {name}", text, "0.90 or more")
    if row := figures.get("today"):
        text = f"{row['ours_samples_per_s']:.1f} over {row['today_samples_per_s']:.1f} samples/s: {row['ratio']:.1f} x"
        table.add_row("beside a model in each of 8 workers", text, "2.5 x or more; on a GPU 20 x")
        text = f"{row['ours_mib']:.0f} of {row['today_mib']:.0f} MiB: {row['memory_ratio']:.2f}"
        table.add_row("its memory", text, "0.25 or less")
    if row := figures.get("latency"):
        text = f"{row['scorer_ms']:.1f} ms, the model alone {row['model_ms']:.1f}: + {row['extra_ms']:.1f} ms"
        table.add_row("one sample on an idle scorer", text, "+ 10 ms or less")
    if row := figures.get("growth"):
        each = row["seconds_per_1000"]
        text = f"{each[0]:.2f} -> {each[-1]:.2f} s per 1,000, {row['memory_growth_mib']:+.0f} MiB"
        table.add_row(f"growth from 1,000 to {row['rows'][-1]['samples']:,} samples", text, "linear, flat")
    if row := figures.get("step"):
        text = f"{row['waiting_ms']:.0f} ms, {row['share']:.1%} of the step"
        table.add_row("a quickstart step waits for rewards", text, "under 2 %")
    Console(width=120).print(table)


def plot(figures: dict[str, Any], path: Path) -> None:
    """Throughput beside the limit and today's way, and growth."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    bars = []
    if row := figures.get("today"):
        bars += [("a model in each\nof 8 workers", row["today_samples_per_s"], "#bbbbbb")]
        bars += [("pbrlsvr", row["ours_samples_per_s"], "#2a6f97")]
    if row := figures.get("limit"):
        bars += [("pbrlsvr,\nbeside the limit", row["samples_per_s"], "#2a6f97")]
        bars += [("one direct encode\n(the limit)", row["direct_samples_per_s"], "#dddddd")]
    left.bar([name for name, *_ in bars], [value for _, value, _ in bars], color=[colour for *_, colour in bars])
    for place, (_, value, _) in enumerate(bars):
        left.text(place, value, f"{value:.0f}", ha="center", va="bottom")
    left.set_ylabel("samples/s")
    left.set_title("veRL's reward workers, GSM8K lengths")
    left.tick_params(axis="x", labelsize=8)
    if row := figures.get("growth"):
        counts = [entry["samples"] for entry in row["rows"]]
        right.plot(counts, [entry["seconds"] for entry in row["rows"]], "o-", color="#2a6f97")
        right.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds", title="growth, tiny encoder")
        memory = right.twinx()
        memory.plot(counts, [entry["mib"] for entry in row["rows"]], "s--", color="#c77d2e")
        memory.set_ylabel("memory, MiB", color="#c77d2e")
        memory.set_ylim(bottom=0)
    for axis in (left, right):
        axis.spines["top"].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
