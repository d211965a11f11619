import logging
import shutil
import subprocess
import sys
from pathlib import Path

import comet_checkpoints as tiny
import pytest
import torch

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr.models.comet.cards import CARDS, known_card
from pbrlsvr.models.comet.comet import CometLoader
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.scoring.comet_component import CometBlock
from pbrlsvr.serving.options import ServingOptions

REGRESSION = "regression_metric encoder_model=XLM-RoBERTa"
KIWI = "unified_metric input_segments=['mt', 'src'] layer_transformation=softmax layer_norm=True"


@pytest.fixture
def copied(comet_folder, tmp_path):
    """A copy of a checkpoint to be spoilt: its folder, the content of its hparams.yaml and of its model.ckpt."""
    place = Path(shutil.copytree(comet_folder(REGRESSION), tmp_path / "copied"))
    return place, place / "hparams.yaml", place / "checkpoints" / "model.ckpt"


# Licences


@pytest.mark.parametrize(
    ("model", "licence"),
    [
        ("Unbabel/wmt22-comet-da", "Apache-2.0"),
        ("Unbabel/wmt20-comet-qe-da", "Apache-2.0"),
        ("/models/wmt22-cometkiwi-da/", "CC-BY-NC-SA"),
        ("/models/wmt22-cometkiwi-da/checkpoints/model.ckpt", "CC-BY-NC-SA"),
        ("Unbabel/XCOMET-XXL", "CC-BY-NC-SA"),
        ("Unbabel/wmt23-cometkiwi-da-xl", "CC-BY-NC-SA"),
        ("Unbabel/wmt22-unite-da", "CC-BY-NC-SA"),
    ],
)
def test_the_licence_of_a_public_model_is_known(model, licence):
    assert known_card(model).licence == licence
    assert known_card("my/own-comet") is None
    assert all(card.reads in ("src, mt", "src, mt, ref") for card in CARDS)


def test_a_model_that_is_not_for_commercial_use_says_so_when_it_is_loaded(comet_folder, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="pbrlsvr"):
        CometLoader.of(CometOptions(comet_folder(KIWI))).load()
        assert not caplog.records
        CometLoader.of(CometOptions(str(shutil.copytree(comet_folder(KIWI), tmp_path / "wmt22-cometkiwi-da")))).load()
    assert "does not allow commercial use" in caplog.text


# What cannot be loaded


def changed(copied, **hparams):
    place, _, checkpoint = copied
    content = torch.load(checkpoint, weights_only=True)
    content["hyper_parameters"].update(hparams)
    torch.save(content, checkpoint)
    return CometOptions(str(place))


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"encoder_model": "T5"}, r"encoder_model='T5' is not supported; known are \['XLM-RoBERTa', "),
        ({"pool": "last"}, r"pool='last' is not supported; known are \['avg', 'max', "),
        (
            {"layer_transformation": "entmax"},
            r"layer_transformation='entmax' is not supported; known are \['softmax', ",
        ),
        ({"activations": "ReLU"}, r"activations='ReLU' is not supported; known are \['Hardshrink', "),
        ({"final_activation": "relu"}, r"final_activation='relu' is not supported"),
        ({"layer": 9}, r"layer=9: the encoder has the layers 0 to 3|holds the weights 'layerwise_attention"),
        ({"layer": -1}, r"layer=-1 is not supported"),
        ({"hidden_sizes": []}, r"hidden_sizes=\[\]"),
        ({"hidden_sizes": [24, 12, 6]}, r"lacks the weights 'estimator\.ff\.9\.bias'"),
        ({"hidden_sizes": [25, 12]}, r"its weights do not fit its hyper-parameters[\s\S]*size mismatch"),
        ({"pretrained_model": "no/such-encoder"}, r"encoder 'no/such-encoder' cannot be loaded[\s\S]*option `encoder`"),
    ],
)
def test_hyper_parameters_that_are_not_known_or_do_not_fit_are_named(copied, hparams, message):
    with pytest.raises(ModelError, match=message):
        CometLoader.of(changed(copied, **hparams)).load()


def test_an_unknown_class_is_named_with_the_known_ones(copied):
    place, hparams, _ = copied
    hparams.write_text(hparams.read_text().replace("regression_metric", "ranking_metric"))
    with pytest.raises(
        ModelError, match=r"class_identifier='ranking_metric' is not supported; known are \['regression_"
    ):
        CometLoader.of(CometOptions(str(place))).load()


@pytest.mark.parametrize("missing", ["hparams.yaml", "checkpoints/model.ckpt"])
def test_a_missing_file_is_named(copied, missing):
    place = copied[0]
    (place / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        CometLoader.of(CometOptions(str(place))).load()


@pytest.mark.parametrize("name", ["no-such-folder", "no/such-model", "/no/such/folder"])
def test_a_model_that_is_not_there_is_named(name):
    with pytest.raises(ModelError, match=name):
        CometLoader.of(CometOptions(name)).load()


class Trap:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (self.file, "w"))


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(copied, tmp_path):
    place, _, checkpoint = copied
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "callbacks": Trap(str(tmp_path / "sprung"))}, checkpoint)
    with pytest.raises(ModelError, match="holds more than weights"):
        CometLoader.of(CometOptions(str(place))).load()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all"])
def test_a_file_that_is_no_checkpoint_is_named(copied, content):
    copied[2].write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.ckpt"):
        CometLoader.of(CometOptions(str(copied[0]))).load()


@pytest.mark.parametrize(
    "name", ["encoder.model.extra.weight", "encoder.model.encoder.layer.3.output.dense.bias", "sdm.x"]
)
def test_weights_that_nobody_asks_for_are_named(copied, name):
    content = torch.load(copied[2], weights_only=True)
    content["state_dict"][name] = torch.zeros(2)
    torch.save(content, copied[2])
    with pytest.raises(ModelError, match=f"holds the weights '{name}'"):
        CometLoader.of(CometOptions(str(copied[0]))).load()


def test_buffers_and_poolers_of_older_checkpoints_do_no_harm(copied, comet_folder):
    content = torch.load(copied[2], weights_only=True)
    content["state_dict"]["encoder.model.embeddings.position_ids"] = torch.arange(tiny.POSITIONS)[None]
    content["state_dict"]["encoder.model.pooler.dense.weight"] = torch.zeros(16, 16)
    torch.save(content, copied[2])
    expected = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load().run(tiny.SAMPLES)
    assert CometLoader.of(CometOptions(str(copied[0]))).load().run(tiny.SAMPLES) == expected


def test_a_checkpoint_file_can_be_named_itself_and_the_encoder_be_elsewhere(copied, comet_folder):
    place, _, checkpoint = copied
    changed(copied, pretrained_model="no/such-encoder")
    checkpoint = checkpoint.rename(checkpoint.with_name("epoch=3.ckpt"))
    encoder = shutil.move(place / "encoder", place.with_name("encoder"))
    expected = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load().run(tiny.SAMPLES)
    for name in (checkpoint, place):
        assert CometLoader.of(CometOptions(str(name), encoder=str(encoder))).load().run(tiny.SAMPLES) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": " "}, "model=' ' must be"),
        ({"encoder": 3}, "encoder=3 must be a text, or null"),
        ({"serving": {"batch_tokens": 0}}, r"serving\.batch_tokens=0 must be a whole number of 1 or more"),
        ({"serving": {"dtype": "int8"}}, r"serving\.dtype='int8' must be one of"),
        ({"batch_tokens": 0}, r"batch_tokens=0: this option has moved: write serving\.batch_tokens"),
        ({"cached_vectors": 10}, r"cached_vectors=10: this option is gone: the cache of vectors has a fixed size"),
        ({"cut_source": True}, "cut_source=True: there is no such option"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        CometBlock(**options)


def test_a_device_that_is_not_there_is_named(comet_folder):
    with pytest.raises(ModelError, match="device='nonsense'"):
        CometLoader.of(CometOptions(comet_folder(REGRESSION)), ServingOptions(device="nonsense")).load()


def test_options_need_no_torch_and_a_missing_package_names_the_extra(comet_folder):
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from pbrlsvr.models.comet.comet import CometLoader, CometOptions\n"
        f"options = CometOptions({comet_folder(REGRESSION)!r})\n"
        "assert 'torch' not in sys.modules\n"
        "CometLoader.of(options).load()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingDependencyError" in result.stderr
    assert "pip install 'pbrlsvr[comet]'" in result.stderr
