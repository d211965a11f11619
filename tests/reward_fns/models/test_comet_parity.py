"""The scores of unbabel-comet 2.2.7, which cannot be installed here: tests/data/comet, made by make_comet_golden.py."""

import json

import comet_checkpoints as tiny
import pytest

from pbrlsvr.models.comet.comet import CometLoader
from pbrlsvr.models.comet.options import CometOptions

GOLDEN = json.loads(tiny.GOLDEN.read_text(encoding="utf-8"))
TEXTS = [text for sample in tiny.SAMPLES for text in sample]


@pytest.mark.parametrize("name", tiny.CASES)
def test_scores_are_those_of_unbabel_comet(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.DATA)  # MiniLM models name the tokenizer "xlm-roberta-base": here it is the tiny one
    model = CometLoader.of(CometOptions(str(tiny.write_checkpoint(tmp_path / "model", tiny.CASES[name])))).load()
    expected = GOLDEN["cases"][name]
    assert model.run(tiny.SAMPLES) == pytest.approx(expected["scores"], abs=1e-5)
    if "scores_without_reference" in expected:
        pairs = [sample[:2] for sample in tiny.SAMPLES]
        assert model.run(pairs) == pytest.approx(expected["scores_without_reference"], abs=1e-5)


@pytest.mark.parametrize("encoder", tiny.ENCODERS)
def test_token_ids_and_weight_names_are_those_of_transformers_4(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.DATA)
    case = {**tiny.CASES["regression_metric encoder_model=XLM-RoBERTa"], "encoder_model": encoder}
    folder = tiny.write_checkpoint(tmp_path / "model", case)
    tokenizer = CometLoader.of(CometOptions(str(folder))).load().network.encoder.tokenizer
    assert [tokenizer.sequence(ids) for ids in tokenizer.ids(TEXTS)] == GOLDEN["ids"][encoder]
    import torch

    stored = torch.load(folder / "checkpoints" / "model.ckpt", weights_only=True)["state_dict"]
    assert sorted(key for key in stored if key.startswith("encoder.")) == GOLDEN["encoder_names"][encoder]


def test_the_golden_scores_tell_samples_and_cases_apart():
    cases = {name: case["scores"] for name, case in GOLDEN["cases"].items()}
    assert cases.keys() == tiny.CASES.keys()
    assert len({tuple(scores) for scores in cases.values()}) == len(cases) - 1  # two names say the same
    # The embedding of [CLS], layer 0, is the same for all texts.
    assert min(len(set(scores)) for name, scores in cases.items() if name != "unified_metric layer=0") > 10
