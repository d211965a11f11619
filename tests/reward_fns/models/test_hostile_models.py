"""Canaries in every file of a model that the library loads, and files that are small until they are read."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from pbrlsvr.errors import ModelError, PbrlsvrError
from pbrlsvr.models import files
from pbrlsvr.models.comet.comet import CometLoader
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.models.embedding.embedder import EncoderLoader
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.embedding.text_splitter import TextSplitter, dimension_of
from pbrlsvr.models.translation.engines.seq2seq import load_tokenizer
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.models.translation.translator import TranslatorLoader


@pytest.fixture
def encoder(minilm, tmp_path, canary, monkeypatch):
    """A copy of a real encoder with code beside it."""
    pytest.importorskip("sentence_transformers")
    folder = Path(shutil.copytree(minilm, tmp_path / "encoder"))
    canary.into(folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def unsafe(folder: Path, canary: Any) -> None:
    """The weights as a pickle that holds the canary, in place of safetensors."""
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({**weights, "canary": canary}, folder / "pytorch_model.bin")


def deflated(file: Path, padding: int) -> None:
    """A file of torch.save with zeros behind its pickle: small on the disk, `padding` bytes in memory."""
    plain = file.rename(file.with_suffix(".plain"))
    with zipfile.ZipFile(plain) as read, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in read.infolist():
            more = b"\0" * padding if entry.filename.endswith("data.pkl") else b""
            written.writestr(entry.filename, read.read(entry) + more)
    plain.unlink()


# Sentence encoders


def module(folder: Path, name: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": len(modules), "name": "9", "path": "9_Evil", "type": name})
    (folder / "9_Evil").mkdir()
    (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize(
    "name",
    ["evil.Evil", "subprocess.Popen", "sentence_transformers.util.subprocess.Popen", "os", "", None, ["evil.Evil"],
     "sentence_transformers.base.model.torch", "sentence_transformers.no.Evil", "sentence_transformers..evil.Evil"],
)  # fmt: skip
def test_a_module_that_is_not_sentence_transformers_own_is_named_and_not_imported(encoder, name):
    module(encoder, name)
    with pytest.raises(ModelError, match=r"modules\.json' names .*which is no module of the installed sentence-tr"):
        EncoderLoader.of(EmbeddingOptions(model=str(encoder))).load()


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Router", {"types": {"a": "evil.Evil"}, "structure": {"query": ["a"]}, "parameters": {}}),
        ("WordEmbeddings", {"tokenizer_class": "evil.Evil", "update_embeddings": False}),
        ("Dense", {"in_features": 384, "out_features": 8, "activation_function": "evil.Evil"}),
        ("Dense", {"in_features": 384, "out_features": 8, "activation_function": "torch.hub.load"}),
    ],
)
def test_a_module_s_own_config_runs_no_code(encoder, canary, kind, config):
    module(encoder, f"sentence_transformers.models.{kind}")
    name = "router_config.json" if kind == "Router" else f"{kind.lower()}_config.json"
    for file in (name, "config.json", "wordembedding_config.json"):
        canary.change(encoder / "9_Evil" / file, **config)
    with pytest.raises(PbrlsvrError):
        EncoderLoader.of(EmbeddingOptions(model=str(encoder))).load()


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"model_type": "evil"}, "runs? .*code|not recognize"),
        ("config.json", {"attn_implementation": "evil/kernel"}, "code of a hub's kernel"),
        ("config.json", {"attn_implementation": {"": "evil/kernel:function"}}, "code of a hub's kernel"),
        ("config.json", {"num_hidden_layers": 10**9}, "at most 10,000"),
        ("config.json", {"max_position_embeddings": 1e400}, "at most"),
        ("sentence_bert_config.json", {"model_args": {"allow_all_kernels": True}}, "allow_all_kernels=True"),
        ("sentence_bert_config.json", {"config_args": {"trust_remote_code": True}}, "trust_remote_code=True"),
        ("sentence_bert_config.json", {"deep": [[{"code_revision": "main"}]]}, "code_revision='main'"),
        ("tokenizer_config.json", {"filler": "x" * 17_000_000}, "more than 16,777,216 bytes"),
    ],
)
def test_a_config_that_asks_for_code_or_describes_no_model_is_refused(encoder, canary, file, changes, message):
    canary.change(encoder / "config.json", auto_map=canary.auto_map)
    canary.change(encoder / file, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        EncoderLoader.of(EmbeddingOptions(model=str(encoder))).load()
    assert len(str(caught.value)) < 3_000


def test_code_beside_a_model_that_needs_none_is_left_alone(encoder, canary):
    canary.change(encoder / "config.json", auto_map=canary.auto_map)
    canary.change(encoder / "tokenizer_config.json", auto_map=canary.auto_map)
    assert EncoderLoader.of(EmbeddingOptions(model=str(encoder))).load().run(["A text."])[0].shape == (384,)
    assert TextSplitter.of(EmbeddingOptions(model=str(encoder))).split("A text. " * 2_000)
    load_tokenizer(str(encoder), None)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config_sentence_transformers.json", {"prompts": ["query: "], "default_prompt_name": ["query"]}),
        ("modules.json", 17),
        ("modules.json", {"type": "evil.Evil"}),
    ],
)
def test_files_of_another_form_beside_a_served_encoder_are_passed_over(encoder, file, content):
    (encoder / file).write_text(json.dumps(content))
    loader = EncoderLoader.of(EmbeddingOptions(model=str(encoder)))
    assert TextSplitter.of(loader).split("A text.") == [("A text.", 1)]
    assert dimension_of(loader) == 384


def test_weights_that_are_a_pickle_run_no_code(encoder, canary):
    unsafe(encoder, canary)
    with pytest.raises(ModelError):
        EncoderLoader.of(EmbeddingOptions(model=str(encoder))).load()
    with pytest.raises(ModelError):
        TranslatorLoader.of(TranslationOptions(engine="seq2seq", model=str(encoder))).load()


def test_a_tokenizer_that_is_code_is_refused_or_left_alone(encoder, canary):
    canary.change(encoder / "config.json", model_type="evil", auto_map=canary.auto_map)
    canary.change(encoder / "tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map=canary.auto_map)
    for load in (
        lambda: load_tokenizer(str(encoder), None),
        lambda: TranslatorLoader.of(TranslationOptions(engine="seq2seq", model=str(encoder))).load(),
        lambda: CometLoader.of(CometOptions(str(encoder))).load(),
    ):
        with pytest.raises(PbrlsvrError):
            load()
    assert TextSplitter.of(EmbeddingOptions(model=str(encoder))).tokenizer is not None


def test_a_compressed_weights_file_is_refused_before_it_becomes_gigabytes(encoder):
    torch.save({"a": torch.zeros(3)}, encoder / "pytorch_model.bin")
    deflated(encoder / "pytorch_model.bin", 10**8)
    assert (encoder / "pytorch_model.bin").stat().st_size < 10**6
    with pytest.raises(ModelError, match="is compressed"):
        EncoderLoader.of(EmbeddingOptions(model=str(encoder))).load()
    with pytest.raises(ModelError, match="is compressed"):
        files.read_weights(encoder / "pytorch_model.bin")


# COMET


@pytest.fixture
def comet(comet_model, tmp_path, canary, monkeypatch):
    folder = Path(shutil.copytree(comet_model, tmp_path / "comet"))
    canary.into(folder)
    monkeypatch.chdir(folder)
    return folder


def bomb(levels: int = 9) -> str:
    """Nine times nine times ... the same list: a few hundred bytes, and gigabytes when it is written out."""
    lines = ["l0: &l0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"l{i}: &l{i} [{','.join([f'*l{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join([*lines, f"class_identifier: *l{levels - 1}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(), r"has an alias, \*'l0'"),
        ("class_identifier: !!python/object/apply:os.system ['touch sang']", "cannot be read as plain YAML"),
        ("!!python/name:evil.Evil", "cannot be read as plain YAML"),
        ("[" * 1_000, "more than 50 lists in lists"),
        (f"class_identifier: {'9' * 5_000}", "cannot be read as plain YAML"),
        ("a: 2020-99-99", "cannot be read as plain YAML"),
        (f"class_identifier: {'x' * 200_000}", r"class_identifier='xxx.*\.\.\..*is not supported"),
        ("x" * 300_000, "more than 262,144 bytes"),
        ("- regression_metric", "not a mapping"),
    ],
)
def test_hparams_are_plain_values_within_bounds(comet, text, message):
    (comet / "hparams.yaml").write_text(text)
    with pytest.raises(ModelError, match=message) as caught:
        CometLoader.of(CometOptions(str(comet))).load()
    assert len(str(caught.value)) < 3_000


def nested(levels: int) -> list[Any]:
    found: list[Any] = ["x"]
    for _ in range(levels):
        found = [found] * 9
    return found


@pytest.mark.parametrize(
    "hparams",
    [
        {name: nested(40)}
        for name in ("encoder_model", "pretrained_model", "pool", "layer", "layer_transformation", "layer_norm",
                     "hidden_sizes", "activations", "final_activation", "word_layer")
    ] + [{"hidden_sizes": [10**9]}, {"hidden_sizes": [1] * 10**5}, {"activations": "x" * 10**6}],
    ids=lambda hparams: next(iter(hparams)),
)  # fmt: skip
def test_hyper_parameters_of_any_shape_end_in_a_short_error(comet, hparams):
    checkpoint = comet / "checkpoints" / "model.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["hyper_parameters"].update(hparams)
    torch.save(content, checkpoint)
    with pytest.raises(ModelError) as caught:
        CometLoader.of(CometOptions(str(comet))).load()
    assert len(str(caught.value)) < 3_000


def test_weights_larger_than_their_file_are_refused(comet):
    checkpoint = comet / "checkpoints" / "model.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    name = next(iter(content["state_dict"]))
    content["state_dict"][name] = torch.zeros(1).expand(10**6, 10**6)
    torch.save(content, checkpoint)
    with pytest.raises(ModelError, match=r"claims 4,000,000,000,000 bytes"):
        CometLoader.of(CometOptions(str(comet))).load()


def test_the_encoder_of_a_comet_model_runs_no_code(comet, canary):
    place = next(comet.rglob("config.json")).parent
    canary.into(place)
    for file in ("config.json", "tokenizer_config.json"):
        canary.change(place / file, auto_map=canary.auto_map)
    CometLoader.of(CometOptions(str(comet), encoder=str(place))).load()
    canary.change(place / "config.json", attn_implementation="evil/kernel")
    with pytest.raises(ModelError, match="code of a hub's kernel"):
        CometLoader.of(CometOptions(str(comet), encoder=str(place))).load()
