"""How fast do the scorers run on this device, and how near to what it can do?

    python benchmarks/encoder_rate.py                        100M, 600M and COMET-sized, on a GPU in bfloat16
    python benchmarks/encoder_rate.py --device cpu --samples 64 --shapes 100M

Random weights, which cost what trained ones cost; texts of GSM8K lengths and of about 4,000 tokens, all different.
`run` is what a scorer's actor calls: tokenizing, sorting, batching, forward passes, copying back. The share is that of
the matrix rate of the same device and dtype, which is measured with one large product: FLOPs of a text of n tokens are
2 n (parameters without embeddings) + 4 n^2 (layers * hidden size).

    alone        the forward passes alone, of the same batches, tokenized before
    compiled     the same after torch.compile (dynamic shapes), with --compile
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from workload import minilm, samples, save_json

COMET_ESTIMATOR = (3072, 1024)


@dataclass(frozen=True)
class Shape:
    """An XLM-R encoder: layers, hidden size, heads, and the longest text that it is asked to take."""

    layers: int
    hidden: int
    heads: int
    positions: int


#: multilingual-e5-base and bge-m3; COMET's encoder is xlm-roberta-large, which has bge-m3's shape.
SHAPES = {"100M": Shape(12, 768, 12, 512), "600M": Shape(24, 1024, 16, 8192), "COMET": Shape(24, 1024, 16, 512)}


def save_model(folder: Path, shape: Shape) -> str:
    from sentence_transformers import SentenceTransformer, models
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    tokenizer = AutoTokenizer.from_pretrained(minilm(), trust_remote_code=False)
    tokenizer.model_max_length = shape.positions
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=shape.hidden, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, intermediate_size=4 * shape.hidden,
        max_position_embeddings=shape.positions + 2, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = models.Transformer(str(folder / "bert"), max_seq_length=shape.positions)
    SentenceTransformer(modules=[transformer, models.Pooling(shape.hidden)]).save(str(folder / "encoder"))
    return str(folder / "encoder")


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of a large square product, the best of some."""
    n = 8192 if device != "cpu" else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        start = clock(device)
        a @ b
        best = max(best, 2 * n**3 / (clock(device) - start))
    return best


def clock(device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def flops(lengths: list[int], shape: Shape) -> float:
    dense = 12 * shape.layers * shape.hidden**2  # of a token: four attention matrices and two of four times the size
    return sum(2 * n * dense + 4 * n * n * shape.layers * shape.hidden for n in lengths)


def measured(device: str, work: Callable[[], Any]) -> float:
    start = clock(device)
    work()
    return clock(device) - start


def serving(arguments: argparse.Namespace) -> Any:
    from pbrlsvr.serving.options import ServingOptions

    return ServingOptions(device=arguments.device, dtype=arguments.dtype, batch_tokens=arguments.batch_tokens)


def embedding(folder: Path, shape: Shape, texts: list[str], arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of `run`, and of the forward passes alone."""
    from pbrlsvr.models.embedding.embedder import EncoderLoader
    from pbrlsvr.models.embedding.options import EmbeddingOptions

    device = arguments.device
    model = EncoderLoader.of(EmbeddingOptions(save_model(folder, shape)), serving(arguments)).load()
    tokenizer = model._model.tokenizer
    model.run(texts[: min(64, len(texts))])
    useful, padded = model.batches.useful, model.batches.padded
    seconds = measured(device, lambda: model.run(texts))
    useful, padded = model.batches.useful - useful, model.batches.padded - padded
    lengths = sorted((len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]), reverse=True)
    lengths = [min(n, shape.positions) for n in lengths]
    found = {"seconds": seconds, "flops": flops(lengths, shape), "fill": useful / padded}
    found["alone"] = forward_seconds(model._model, lengths, arguments)
    if arguments.compile:
        model._model[0].auto_model = torch.compile(model._model[0].auto_model, dynamic=True)
        found["compiled"] = forward_seconds(model._model, lengths, arguments)
    return found


def forward_seconds(model: Any, lengths: list[int], arguments: argparse.Namespace) -> float:
    """Of batches of random tokens with these lengths, after one round that warms up."""
    device, batches = arguments.device, []
    while lengths:
        count = max(1, arguments.batch_tokens // lengths[0])
        batch, lengths = lengths[:count], lengths[count:]
        ids = torch.randint(1000, 20_000, (len(batch), batch[0]), device=device)
        mask = (torch.arange(batch[0])[None] < torch.tensor(batch)[:, None]).long().to(device)
        batches.append({"input_ids": ids, "attention_mask": mask})

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                model(dict(batch))

    forward()
    return measured(device, forward)


def comet_seconds(folder: Path, shape: Shape, groups: list[Any], arguments: argparse.Namespace) -> dict[str, float]:
    """A regression model with a reference, of wmt22-comet-da's size, on groups that share source and reference."""
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaModel

    from pbrlsvr.models.comet.comet import CometLoader
    from pbrlsvr.models.comet.options import CometOptions

    tokenizer = AutoTokenizer.from_pretrained(minilm(), trust_remote_code=False)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=shape.hidden, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, intermediate_size=4 * shape.hidden, max_position_embeddings=514,
    )  # fmt: skip
    encoder = XLMRobertaModel(config, add_pooling_layer=False)
    config.save_pretrained(folder / "encoder")
    tokenizer.save_pretrained(folder / "encoder")
    state = {f"encoder.model.{name}": value for name, value in encoder.state_dict().items()}
    state |= {f"layerwise_attention.scalar_parameters.{i}": torch.zeros(1) for i in range(shape.layers + 1)}
    state["layerwise_attention.gamma"] = torch.ones(1)
    widths = (6 * shape.hidden, *COMET_ESTIMATOR, 1)
    for at, (inputs, outputs) in enumerate(pairwise(widths)):
        state[f"estimator.ff.{3 * at}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
        state[f"estimator.ff.{3 * at}.bias"] = torch.zeros(outputs)
    hparams = {
        "class_identifier": "regression_metric", "encoder_model": "XLM-RoBERTa",
        "pretrained_model": str(folder / "encoder"), "pool": "avg", "layer": "mix", "layer_transformation": "sparsemax",
        "layer_norm": False, "hidden_sizes": list(COMET_ESTIMATOR), "activations": "Tanh", "final_activation": None,
        "dropout": 0.1,
    }  # fmt: skip
    (folder / "checkpoints").mkdir()
    (folder / "hparams.yaml").write_text(json.dumps(hparams))
    torch.save({"state_dict": state}, folder / "checkpoints" / "model.ckpt")
    model = CometLoader.of(CometOptions(str(folder)), serving(arguments)).load()
    items = [(sample.reference, sample.reasoning, sample.reference) for sample in groups]
    model.run(items[:64])
    useful = model.batches.useful
    seconds = measured(arguments.device, lambda: model.run(items[64:]))
    tokens = model.batches.useful - useful
    dense = 12 * shape.layers * shape.hidden**2
    return {"samples": len(items) - 64, "seconds": seconds, "flops": 2.0 * tokens * dense}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--dtype", default="bfloat16" if torch.cuda.is_available() else "float32")
    add("--samples", type=int, default=4096 if torch.cuda.is_available() else 64, help="(default: %(default)s)")
    add(
        "--batch-tokens", type=int, default=65_536 if torch.cuda.is_available() else 1024, help="(default: %(default)s)"
    )
    add("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    add("--compile", action="store_true", help="also time the forward passes after torch.compile")
    add("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    rate = matrix_rate(arguments.device, getattr(torch, arguments.dtype))
    name = torch.cuda.get_device_name() if arguments.device != "cpu" else "CPU"
    print(f"{name}, {arguments.dtype}: {rate / 1e12:.1f} TFLOP/s in a large product")
    figures: dict[str, Any] = {"device": name, "dtype": arguments.dtype, "tflops": rate / 1e12}
    groups = samples(arguments.samples // 8, 1)
    texts = [sample.reasoning for sample in groups]
    long_texts = [sample.reasoning for sample in samples(max(arguments.samples // 256, 1), 2, sentences=250)]
    for key in arguments.shapes:
        shape = SHAPES[key]
        with tempfile.TemporaryDirectory() as folder:
            if key == "COMET":
                found = comet_seconds(Path(folder), shape, samples(arguments.samples // 8 + 8, 3), arguments)
                report(figures, "COMET, groups of 8", int(found.pop("samples")), found, rate)
                continue
            report(figures, f"{key}, GSM8K lengths", len(texts), embedding(Path(folder), shape, texts, arguments), rate)
        if shape.positions > 4096:
            with tempfile.TemporaryDirectory() as folder:
                found = embedding(Path(folder), shape, long_texts, arguments)
                report(figures, f"{key}, 4k tokens", len(long_texts), found, rate)
    save_json(arguments.json, figures)


def report(figures: dict[str, Any], name: str, number: int, found: dict[str, float], rate: float) -> None:
    row = {"samples_per_s": number / found["seconds"], "share": found["flops"] / found["seconds"] / rate}
    for key in ("alone", "compiled"):
        if key in found:
            row[f"{key}_share"] = found["flops"] / found[key] / rate
    if "fill" in found:
        row["batch_fill"] = found["fill"]
    figures[name] = row
    parts = [f"{row['samples_per_s']:.0f} samples/s", f"{row['share']:.1%} of the matrix rate"]
    parts += [f"{key.replace('_', ' ')} {value:.1%}" for key, value in row.items() if key.endswith("_share")]
    print(f"{name}: " + ", ".join(parts), flush=True)


if __name__ == "__main__":
    main()
