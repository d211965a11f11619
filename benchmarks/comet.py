"""pbrlsvr's COMET beside unbabel-comet's `predict()`, on the calls of a trainer: 64 prompts x 8 rollouts.

    python3 -m venv other
    other/bin/pip install torch==2.13.0 "setuptools<80" sentencepiece==0.2.0 unbabel-comet==2.2.7
    python benchmarks/comet.py --other other/bin/python

Both score the same samples with the same checkpoint, in turn, each in a process of its own with the same number of
threads; the scores are compared. Times are CPU seconds of the process, so that other work on the machine counts less;
--wall takes the clock instead. The checkpoint has the architecture of wmt22-comet-da in the size of a small
multilingual MiniLM (6 layers of 384; estimator 3072, 1024; sparsemax), and random weights, which cost what trained
ones cost. Sources are MGSM questions in five languages, references are the English questions, and the rollouts are
variations of these: all of about the same length, so that sharing the sources and references of a group saves 14 of 24
texts, a factor of 2.4; what is beyond that comes from the rest.

    unshared    pbrlsvr with the words of each sample's texts in an order of their own, so that nothing can be shared
"""

import argparse
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MGSM = ROOT.parent / "shared" / "data" / "mgsm"
ROLLOUTS = 8
SHAPE = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}


def make_samples(seed: int, prompts: int) -> list[tuple[str, str, str]]:
    """`[prompts * ROLLOUTS]` different samples; those of a prompt share source and reference."""
    draw = random.Random(seed)
    questions = {file.stem[-2:]: _questions(file) for file in sorted(MGSM.glob("mgsm_*.tsv"))}
    languages = [language for language in questions if language != "en"]
    samples = []
    for number in draw.sample(range(len(questions["en"])), prompts):
        source = questions[draw.choice(languages)][number]
        reference = questions["en"][number]
        samples += [(source, _varied(reference, draw), reference) for _ in range(ROLLOUTS)]
    return samples


def make_unshared(samples: list[tuple[str, str, str]], seed: int) -> list[tuple[str, str, str]]:
    """The same amount of text without anything in common."""
    draw = random.Random(seed)
    return [(_varied(a, draw), b, _varied(c, draw)) for a, b, c in samples]


def _questions(file: Path) -> list[str]:
    return [line.split("\t")[0] for line in file.read_text(encoding="utf-8").splitlines()]


def _varied(text: str, draw: random.Random) -> str:
    if " " not in text:  # Chinese
        characters = list(text)
        draw.shuffle(characters)
        return "".join(characters)
    words = text.split()
    draw.shuffle(words)
    return " ".join(words)


def make_checkpoint(folder: Path) -> Path:
    """A tokenizer trained on MGSM, and random weights; in the format of unbabel-comet."""
    import sentencepiece
    import torch
    import transformers
    import yaml

    tiny = _load(ROOT / "tests" / "reward_fns" / "comet_checkpoints.py")
    encoder = folder / "encoder"
    encoder.mkdir()
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(q for file in MGSM.glob("mgsm_*.tsv") for q in _questions(file)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "spm"), vocab_size=8000, hard_vocab_limit=False, minloglevel=2
    )
    (folder / "spm.model").rename(encoder / "sentencepiece.bpe.model")
    config = transformers.XLMRobertaConfig(
        vocab_size=8002, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5, **SHAPE
    )
    config.save_pretrained(encoder)
    hparams = {
        "class_identifier": "regression_metric", "encoder_model": "XLM-RoBERTa", "pretrained_model": str(encoder),
        "pool": "avg", "layer": "mix", "layer_transformation": "sparsemax", "layer_norm": False, "dropout": 0.1,
        "hidden_sizes": [3072, 1024], "activations": "Tanh", "final_activation": None,
    }  # fmt: skip
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams), encoding="utf-8")
    (folder / "checkpoints").mkdir()
    state = tiny.random_weights(tiny.state_shapes(hparams, "XLMRoberta", config), seed=1)
    stored = {key: value for key, value in hparams.items() if key != "class_identifier"}
    content = {"state_dict": state, "hyper_parameters": stored, "pytorch-lightning_version": "2.2.0"}
    torch.save(content, folder / "checkpoints" / "model.ckpt")
    return folder


def _load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Runs in the other environment: reads {"samples", "batch_size"} a line, answers {"seconds", "scores"} a line.
OTHER = """
import json, logging, sys, time, warnings
warnings.filterwarnings("ignore"); logging.disable(logging.WARNING)
import torch
torch.set_num_threads(int(sys.argv[2]))
from comet import load_from_checkpoint
clock = time.perf_counter if sys.argv[3] == "wall" else time.process_time
model = load_from_checkpoint(sys.argv[1], local_files_only=True)
for line in sys.stdin:
    request = json.loads(line)
    samples = [dict(zip(("src", "mt", "ref"), sample)) for sample in request["samples"]]
    start = clock()
    output = model.predict(samples, batch_size=request["batch_size"], gpus=0, progress_bar=False, num_workers=0)
    print("\\n=" + json.dumps({"seconds": clock() - start, "scores": output.scores}), flush=True)
"""


class Other:
    """unbabel-comet in its own environment."""

    def __init__(self, python: str, checkpoint: Path, threads: int, clock: str):
        command = [python, "-c", OTHER, str(checkpoint / "checkpoints" / "model.ckpt"), str(threads), clock]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def score(self, samples: list[tuple[str, str, str]], batch_size: int) -> tuple[float, list[float]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"samples": samples, "batch_size": batch_size}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("="):
                answer = json.loads(line[1:])
                return answer["seconds"], answer["scores"]
        raise RuntimeError("unbabel-comet's process ended; is it installed in the environment that --other names?")

    def close(self) -> None:
        self._process.terminate()


def compare(other_python: str, prompts: int, rounds: int, threads: int, batch_tokens: int | None, clock: str) -> None:
    """Print the samples per second of each, and the ratios."""
    import torch

    from pbrlsvr.models.comet.comet import CometLoader
    from pbrlsvr.models.comet.options import CometOptions
    from pbrlsvr.serving.options import ServingOptions

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as work:
        checkpoint = make_checkpoint(Path(work))
        serving = ServingOptions(device="cpu", batch_tokens=batch_tokens)
        model = CometLoader.of(CometOptions(str(checkpoint)), serving).load()
        other = Other(other_python, checkpoint, threads, clock)
        now = time.perf_counter if clock == "wall" else time.process_time

        def ours(samples: list[tuple[str, str, str]]) -> tuple[float, list[float]]:
            start = now()
            scores = model.run(samples)
            return now() - start, scores

        seconds: dict[str, list[float]] = {}
        for number in range(rounds + 1):
            samples = list(
                dict.fromkeys(make_samples(number, prompts))
            )  # new ones each time: nothing comes from the cache
            timed = {
                "unbabel-comet, batch 8": other.score(samples, 8),
                "pbrlsvr": ours(samples),
                "unbabel-comet, batch 64": other.score(samples, 64),
                "pbrlsvr, unshared": ours(list(dict.fromkeys(make_unshared(samples, number)))),
            }
            worst = max(
                abs(a - b) for a, b in zip(timed["pbrlsvr"][1], timed["unbabel-comet, batch 8"][1], strict=True)
            )
            assert worst < 1e-4, f"the scores differ by up to {worst}"
            if number:  # the first round warms up
                for name, (taken, scores) in timed.items():
                    seconds.setdefault(name, []).append(taken / len(scores))
            print(f"round {number}: largest difference of a score {worst:.1e}", file=sys.stderr)
        other.close()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{prompts} prompts x {ROLLOUTS} rollouts, {threads} threads, medians of {rounds} rounds, {clock} seconds")
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:24}{1 / median:8.1f} samples/s  ({1 / high:.1f} to {1 / low:.1f})")
    for name in ("unbabel-comet, batch 8", "unbabel-comet, batch 64"):
        ratios = sorted(a / b for a, b in zip(seconds[name], seconds["pbrlsvr"], strict=True))
        print(f"pbrlsvr over {name}: {statistics.median(ratios):.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print(f"sharing alone: {medians['pbrlsvr, unshared'] / medians['pbrlsvr']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--other", required=True, help="python of the environment that has unbabel-comet")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch, in both")
    parser.add_argument("--batch-tokens", type=int, help="pbrlsvr's option batch_tokens")
    parser.add_argument("--wall", action="store_true", help="measure by the clock, for a machine without other work")
    arguments = parser.parse_args()
    clock = "wall" if arguments.wall else "CPU"
    compare(arguments.other, arguments.prompts, arguments.rounds, arguments.threads, arguments.batch_tokens, clock)


if __name__ == "__main__":
    main()
