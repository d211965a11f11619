"""Writes tests/data/comet: tiny tokenizers, and what the real unbabel-comet gives for tiny checkpoints.

It runs in an environment of its own, since unbabel-comet cannot be installed beside veRL:

    python3 -m venv golden
    golden/bin/pip install torch==2.13.0 "setuptools<80" sentencepiece==0.2.0 unbabel-comet==2.2.7
    golden/bin/python tests/support/make_comet_golden.py            # scores; --tokenizers makes those anew, too

"setuptools<80" brings pkg_resources, without which unbabel-comet takes `sparsemax_patch` for another thing.
"""

import argparse
import json
import logging
import os
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece
import torch
from comet import load_from_checkpoint
from comet_checkpoints import CASES, DATA, GOLDEN, SAMPLES, write_checkpoint
from tokenizers import BertWordPieceTokenizer
from transformers import BertTokenizerFast, RemBertTokenizerFast, XLMRobertaTokenizerFast

# sentencepiece's own NFKC rules take 240 KB; these show as well whether a tokenizer applies its rules.
RULES = {
    "\u3000": " ",
    "\t": " ",
    "\n": " ",
    "\u200b": " ",
    "ﬁ": "fi",
    "ﬂ": "fl",
    "½": "1/2",
    "²": "2",
    "，": ",",
    "e\u0301": "é",
}
RULES |= {chr(0xFF10 + i): str(i) for i in range(10)} | {chr(0xFF21 + i): chr(65 + i) for i in range(26)}


def train_sentencepiece(prefix: Path, corpus: Path, **options: object) -> None:
    rules = prefix.with_suffix(".tsv")
    rules.write_text("".join(f"{_codes(a)}\t{_codes(b)}\n" for a, b in RULES.items()), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(prefix), vocab_size=390, hard_vocab_limit=False, model_type="unigram",
        character_coverage=0.98, normalization_rule_tsv=str(rules), num_threads=1, minloglevel=2, **options,
    )  # fmt: skip


def _codes(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)


def make_tokenizers(work: Path) -> None:
    corpus = work / "corpus.txt"
    corpus.write_text("\n".join(text.replace("\n", " ") for sample in SAMPLES for text in sample), encoding="utf-8")
    train_sentencepiece(work / "xlmr", corpus)
    (DATA / "xlmr-spm").mkdir(parents=True, exist_ok=True)
    (DATA / "xlmr-spm" / "sentencepiece.bpe.model").write_bytes((work / "xlmr.model").read_bytes())
    XLMRobertaTokenizerFast.from_pretrained(DATA / "xlmr-spm").save_pretrained(DATA / "xlm-roberta-base")
    train_sentencepiece(work / "rembert", corpus, control_symbols=["[CLS]", "[SEP]", "[MASK]"],
                        pad_id=0, unk_id=1, bos_id=-1, eos_id=-1)  # fmt: skip
    (work / "rb").mkdir()
    (work / "rb" / "sentencepiece.model").write_bytes((work / "rembert.model").read_bytes())
    RemBertTokenizerFast.from_pretrained(work / "rb").save_pretrained(DATA / "rembert")
    for name, lowercase in (("bert-cased", False), ("bert-uncased", True)):
        wordpiece = BertWordPieceTokenizer(lowercase=lowercase)
        wordpiece.train([str(corpus)], vocab_size=360, min_frequency=1, show_progress=False)
        wordpiece.save_model(str(work), name)
        BertTokenizerFast(vocab_file=str(work / f"{name}-vocab.txt"), do_lower_case=lowercase).save_pretrained(
            DATA / name
        )
    for file in DATA.glob("*/*"):
        if file.name in ("vocab.txt", "sentencepiece.model") or (file.parent.name, file.suffix) == (
            "xlm-roberta-base",
            ".model",
        ):
            file.unlink()


def golden(case: dict, work: Path) -> dict:
    folder = write_checkpoint(work, case)
    file = str(folder / "checkpoints" / "model.ckpt")
    model = load_from_checkpoint(file, strict=True, local_files_only=True)
    names = ("src", "mt", "ref")
    complete = [dict(zip(names, sample, strict=True)) for sample in SAMPLES]
    texts = [text for sample in SAMPLES for text in sample]
    result = {
        "names": sorted(model.state_dict()),
        "ids": list(model.encoder.tokenizer(texts)["input_ids"]),
        "scores": predict(model, complete),
    }
    if not model.requires_references() and "ref" in getattr(model.hparams, "input_segments", []):
        result["scores_without_reference"] = predict(model, [{k: s[k] for k in ("src", "mt")} for s in complete])
    return result


def predict(model: torch.nn.Module, samples: list) -> list:
    return model.predict(samples, batch_size=4, gpus=0, progress_bar=False, num_workers=0).scores


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizers", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as work:
        if arguments.tokenizers:
            make_tokenizers(Path(work))
        # unbabel-comet asks for "xlm-roberta-base" by that name for MiniLM; here it finds the tiny one.
        os.chdir(DATA)
        cases, ids, names = {}, {}, {}
        for number, (name, case) in enumerate(CASES.items()):
            result = golden(case, Path(work) / str(number))
            ids[case["encoder_model"]] = result.pop("ids")
            names[case["encoder_model"]] = [n for n in result.pop("names") if n.startswith("encoder.")]
            cases[name] = {key: [float(f"{score:.7g}") for score in scores] for key, scores in result.items()}
            print(name, cases[name]["scores"][:3])
    versions = {package: version(package) for package in ("unbabel-comet", "transformers", "tokenizers", "torch")}
    content = {"made_with": versions, "ids": ids, "encoder_names": names, "cases": cases}
    text = (
        json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        .replace('":{"', '":\n{"')
        .replace('"],"', '"],\n"')
    )
    GOLDEN.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
