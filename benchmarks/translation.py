"""What CTranslate2 buys a translation reward, beside `generate` of transformers, on the same model and sentences.

    python benchmarks/translation.py --texts 24 --threads 1

The model has random weights: speed does not depend on what it says, but it never ends a sentence by itself, so all
engines generate to the same bound. The shape is a smaller NLLB-200: 6+6 layers of 512, and its 256,206 tokens of output
(the output layer is a third of the work at this size). The texts are MGSM's questions (CC BY 4.0).
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mgsm"
LANGUAGES = {"sw": "sw", "bn": "bn", "de": "de", "zh": "zh"}


def questions(number: int) -> list[tuple[str, str, str]]:
    """Items of a translator, the languages in turn."""
    columns = []
    for language in LANGUAGES:
        lines = (DATA / f"mgsm_{language}.tsv").read_text(encoding="utf-8").splitlines()
        columns.append([(line.split("\t")[0], language, "en") for line in lines[: -(-number // len(LANGUAGES))]])
    return [item for row in zip(*columns, strict=True) for item in row][:number]


def make_model(folder: str, texts: list[str], vocabulary: int) -> None:
    """A random model of NLLB's shape, with a tokenizer that is trained on the texts."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=16_000, special_tokens=special, show_progress=False))
    learned = json.loads(bpe.to_str())["model"]
    NllbTokenizer(vocab=learned["vocab"], merges=[tuple(pair) for pair in learned["merges"]]).save_pretrained(folder)
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=vocabulary, d_model=512, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=2048,
        decoder_ffn_dim=2048, encoder_attention_heads=8, decoder_attention_heads=8, decoder_start_token_id=2,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vocabulary", type=int, default=256_206)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    import torch

    from pbrlsvr.models.pieces import split_steps
    from pbrlsvr.models.translation.engines import Request
    from pbrlsvr.models.translation.engines.ct2 import convert
    from pbrlsvr.models.translation.options import TranslationOptions
    from pbrlsvr.models.translation.translator import TranslatorLoader
    from pbrlsvr.serving.options import ServingOptions

    torch.set_num_threads(options.threads)
    items = questions(options.texts)
    requests = list(dict.fromkeys(Request(part, *way) for text, *way in items for part in split_steps(text, len(text))))
    with tempfile.TemporaryDirectory() as folder:
        make_model(f"{folder}/original", [text for text, *_ in questions(400)], options.vocabulary)
        engines = {"transformers float32": {"model": f"{folder}/original"}}
        for kind in ("float32", "int8"):
            convert(f"{folder}/original", f"{folder}/{kind}", kind)
            engines[f"CTranslate2 {kind}"] = {
                "model": f"{folder}/{kind}",
                "engine": "ctranslate2",
                "compute_type": kind,
            }
        loaded = {
            name: TranslatorLoader.of(TranslationOptions(**fields, length_ratio=1.0), ServingOptions(device="cpu"))
            .load()
            ._engine
            for name, fields in engines.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in loaded}
        for place in range(options.rounds + 1):
            for name, engine in loaded.items():
                started = time.perf_counter()
                engine.translate(requests[:8] if place == 0 else requests)  # the first round warms up
                if place:
                    seconds[name].append(time.perf_counter() - started)
        report(seconds, len(requests), options.threads)


def report(seconds: dict[str, list[float]], sentences: int, threads: int) -> None:
    base = min(seconds["transformers float32"])
    print(f"{sentences} sentences, {threads} thread(s), best of {len(next(iter(seconds.values())))} rounds\n")
    print("| engine | sentences/s | times transformers |\n|---|---|---|")
    for name, rounds in seconds.items():
        print(f"| {name} | {sentences / min(rounds):.1f} | {base / min(rounds):.1f} |")


if __name__ == "__main__":
    main()
