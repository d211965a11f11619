"""Tiny COMET checkpoints, the same from the same seed in every environment, and the texts that they score.

Used by the tests and by `make_comet_golden.py`, which runs beside unbabel-comet; so it knows neither pbrlsvr nor comet.
"""

import json
import shutil
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
import transformers
import yaml

DATA = Path(__file__).parents[1] / "data" / "comet"
GOLDEN = DATA / "golden.json"

# encoder_model -> transformers' name, the tokenizer's folder in DATA
ENCODERS = {
    "XLM-RoBERTa": ("XLMRoberta", "xlm-roberta-base"),
    "XLM-RoBERTa/spm": ("XLMRoberta", "xlmr-spm"),
    "XLM-RoBERTa-XL": ("XLMRobertaXL", "xlm-roberta-base"),
    "BERT": ("Bert", "bert-cased"),
    "BERT/uncased": ("Bert", "bert-uncased"),
    "MiniLM": ("Bert", "xlm-roberta-base"),
    "RemBERT": ("RemBert", "rembert"),
}
POSITIONS = 194

# source, translation, reference
SAMPLES = [
    (
        "Ana hat 17 Äpfel und gibt 6 davon ab.",
        "Ana has 17 apples and gives 6 of them away.",
        "Ana gives away 6 of 17 apples.",
    ),
    ("La respuesta es 11.", "The answer is 11.", "The answer is 12."),
    ("她每天吃三个鸡蛋当早餐。答案是１８美元。", "She eats three eggs for breakfast.", "The answer is 18 dollars."),
    ("সে প্রতিদিন ৩টি ডিম খায়। উত্তর হল ১৮।", "উত্তর ১৮", "The answer is 18."),
    ("الجواب هو ١٨ دولارًا كل يوم.", "الجواب ١٨", "18 dollars a day."),
    ("เธอกินไข่สามฟองทุกเช้า คำตอบคือ 18", "คำตอบคือ 18 ดอลลาร์", "She eats three eggs each morning."),
    ("Ответ: 18 долларов в день.", "Она ест три яйца.", "The answer: 18 dollars a day."),
    ("18", "18", "18"),
    ("18", "81", "18"),
    ("", "", ""),
    ("What?", "", "Nothing."),
    ("", "Something", ""),
    ("🦆🥚 16 − 3 − 4 = 9", "🥚x9 → 18 $", "9 eggs × $2 = $18 🎉"),
    ("Mixed: 三 eggs, ডিম, яйца and بيض", "ﬁve ﬂags，ＡＢＣ　１２３", "five flags, ABC 123"),
    ("x² + y² = ½ \\frac{1}{2}\n\n  line  two\t tab", "`code` ''quoted'' \"text\"", "  spaces   around  "),
    ("<s> special </s> tokens <pad> in <mask> text [SEP] [CLS]", "literal <pad> token [PAD] here", "a </s> b [MASK]"),
    ("Café naïve coöperate Ünïcödé", "CAFÉ NAÏVE", "cafe\u0301 nai\u0308ve\u200b zero\u200dwidth"),
    ("Q " * 40, "She sells 9 eggs a day for 2 dollars each, so she makes 18 dollars. " * 2, "18 dollars " * 14),
    ("Die Antwort: 42", "The answer is 42 and so on and on. " * 4, "42"),
]

_BASE = {"encoder_model": "XLM-RoBERTa", "hidden_sizes": [24, 12], "activations": "Tanh", "dropout": 0.1,
         "pool": "avg", "layer": "mix", "layer_transformation": "sparsemax", "layer_norm": False}  # fmt: skip


def _cases() -> dict[str, dict[str, Any]]:
    """The grid: every encoder with every class, and every hyper-parameter's values with some class."""
    cases: dict[str, dict[str, Any]] = {}

    def add(class_identifier: str, **changes: Any) -> None:
        hparams = {**_BASE, "class_identifier": class_identifier, **changes}
        if class_identifier in ("unified_metric", "xcomet_metric"):
            del hparams["pool"]
            hparams["sent_layer"] = hparams.pop("layer")
        name = " ".join([class_identifier, *(f"{key}={value}" for key, value in changes.items())])
        cases[name] = hparams

    classes = ("regression_metric", "referenceless_regression_metric", "unified_metric")
    for encoder in ENCODERS:
        for identifier in classes:
            add(identifier, encoder_model=encoder)
    for encoder in ("XLM-RoBERTa", "XLM-RoBERTa-XL", "BERT"):
        add("xcomet_metric", encoder_model=encoder, word_layer=2, activations="Sigmoid")
    for norm in (False, True):
        for pool in ("avg", "max", "cls"):
            for transformation in ("softmax", "sparsemax"):
                add("regression_metric", pool=pool, layer_transformation=transformation, layer_norm=norm)
    for encoder in ("XLM-RoBERTa", "MiniLM", "RemBERT", "XLM-RoBERTa-XL"):
        add("referenceless_regression_metric", encoder_model=encoder, pool="default")
        add("regression_metric", encoder_model=encoder, pool="max", layer=2, layer_norm=True)
    for layer in (0, 1, 3):
        add("regression_metric", layer=layer)
        add("unified_metric", layer=layer)
    for activation in ("Sigmoid", "tanh", "Softplus", "Hardtanh", "Identity", "Mish"):
        add("regression_metric", activations=activation, hidden_sizes=[20])
    add("regression_metric", final_activation="Sigmoid", hidden_sizes=[20, 16, 8], dropout=0.0)
    for segments in (["mt", "src"], ["mt", "ref"], ["mt", "src", "ref"]):
        for transformation in ("softmax", "sparsemax_patch"):
            add("unified_metric", input_segments=segments, layer_transformation=transformation, layer_norm=True)
        for encoder in ("BERT", "RemBERT"):
            add(
                "unified_metric", encoder_model=encoder, input_segments=segments, word_level_training=True, word_layer=1
            )
    add("unified_metric", word_level_training=True, word_layer=1, cross_entropy_weights=[0.1, 0.4, 0.5])
    add("xcomet_metric", word_layer=1, layer_norm=True, layer_transformation="softmax")
    return cases


CASES = _cases()


def write_checkpoint(folder: Path, case: dict[str, Any], pretrained_model: str | None = None) -> Path:
    """A folder as unbabel-comet writes it, hparams.yaml and checkpoints/model.ckpt, and the encoder's files beside."""
    architecture, tokenizer = ENCODERS[case["encoder_model"]]
    encoder_folder = folder / "encoder"
    shutil.copytree(DATA / tokenizer, encoder_folder)
    config = _config(architecture, encoder_folder)
    config.save_pretrained(encoder_folder)
    hparams = {**case, "encoder_model": case["encoder_model"].split("/")[0],
               "pretrained_model": pretrained_model or str(encoder_folder)}  # fmt: skip
    if hparams["class_identifier"] == "xcomet_metric":
        hparams.update(word_level_training=True, error_labels=["minor", "major", "critical"])
        hparams["cross_entropy_weights"] = [0.08, 0.486, 0.505, 0.533]
    state = random_weights(state_shapes(hparams, architecture, config), seed=crc32(json.dumps(case).encode()))
    (folder / "checkpoints").mkdir()
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams), encoding="utf-8")
    stored = {key: value for key, value in hparams.items() if key != "class_identifier"}
    content = {"epoch": 2, "global_step": 90, "pytorch-lightning_version": "2.2.0", "state_dict": state, "loops": {},
               "hparams_name": "kwargs", "hyper_parameters": stored}  # fmt: skip
    torch.save(content, folder / "checkpoints" / "model.ckpt")
    return folder


def _config(architecture: str, folder: Path) -> Any:
    tokens = len(transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))) \
        if (folder / "tokenizer.json").is_file() else 400  # fmt: skip
    pad = {"Bert": 0, "RemBert": 0}.get(architecture, 1)
    extra = {"input_embedding_size": 12, "output_embedding_size": 12} if architecture == "RemBert" else {}
    return getattr(transformers, f"{architecture}Config")(
        vocab_size=tokens, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=POSITIONS, type_vocab_size=2, pad_token_id=pad, bos_token_id=0, eos_token_id=2, **extra,
    )  # fmt: skip


def state_shapes(hparams: dict[str, Any], architecture: str, config: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all that unbabel-comet stores for these hyper-parameters."""
    joint = hparams["class_identifier"] in ("unified_metric", "xcomet_metric")
    # unbabel-comet leaves out the poolers of these two encoders only.
    pooler = hparams["encoder_model"] in ("MiniLM", "RemBERT")
    model = getattr(transformers, f"{architecture}Model")(config, add_pooling_layer=pooler)
    shapes = {f"encoder.model.{name}": tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if hparams.get("layer", hparams.get("sent_layer")) == "mix":
        layers = config.num_hidden_layers + 1
        shapes |= {f"layerwise_attention.scalar_parameters.{i}": (1,) for i in range(layers)}
        shapes["layerwise_attention.gamma"] = (1,)
        if hparams["dropout"]:
            shapes |= {f"layerwise_attention.dropout_{name}": (layers,) for name in ("mask", "fill")}
    width = config.hidden_size * (1 if joint else 6 if hparams["class_identifier"] == "regression_metric" else 4)
    for number, size in enumerate([*hparams["hidden_sizes"], 1]):
        shapes |= {f"estimator.ff.{3 * number}.weight": (size, width), f"estimator.ff.{3 * number}.bias": (size,)}
        width = size
    if hparams.get("word_level_training"):
        labels = 1 + len(hparams.get("error_labels", ["minor", "major"]))
        shapes |= {"hidden2tag.weight": (labels, config.hidden_size), "hidden2tag.bias": (labels,)}
        if hparams.get("cross_entropy_weights"):
            shapes["wordloss.weight"] = (labels,)
    return shapes


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    """Each tensor from its name and the seed alone, so that neither order nor PyTorch's generator matters."""
    weights = {}
    for name, shape in shapes.items():
        noise = np.random.Generator(np.random.PCG64([seed, crc32(name.encode())])).standard_normal(shape)
        if "layer_norm.weight" in name or "LayerNorm.weight" in name:
            noise = 1 + 0.2 * noise
        elif name.endswith("gamma"):
            noise = 1.2 + 0.1 * noise
        elif len(shape) == 2 and "embeddings" not in name:
            noise *= 1.3 / np.sqrt(shape[1])
        elif "scalar" in name or "hidden2tag" in name:
            noise *= 0.4
        elif len(shape) == 1:
            noise *= 0.2
        weights[name] = torch.from_numpy(noise.astype(np.float32))
    return weights
