import asyncio

import comet_checkpoints as tiny
import numpy as np
import pytest
import torch

from pbrlsvr.errors import DataError, ModelError
from pbrlsvr.models.comet.comet import CometLoader, comet
from pbrlsvr.models.comet.layers import error_cost, sparsemax
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.serving.scorer import ServingOptions

REGRESSION = "regression_metric encoder_model=XLM-RoBERTa"
REFERENCE_FREE = "referenceless_regression_metric encoder_model=XLM-RoBERTa"
UNIFIED = "unified_metric encoder_model=XLM-RoBERTa"
KIWI = "unified_metric input_segments=['mt', 'src'] layer_transformation=softmax layer_norm=True"
MT_REF = "unified_metric input_segments=['mt', 'ref'] layer_transformation=softmax layer_norm=True"
XCOMET = "xcomet_metric encoder_model=XLM-RoBERTa word_layer=2 activations=Sigmoid"
KINDS = (REGRESSION, REFERENCE_FREE, UNIFIED, KIWI, XCOMET)


def recorded(model):
    """The sequences that the model's encoder is given from now on."""
    seen, encode = [], model.network.encode

    def recording(sequences, first=None):
        seen.extend(map(tuple, sequences))
        return encode(sequences, first)

    model.network.encode = recording
    return seen


# What is shared is computed once


def test_sources_and_references_of_a_group_are_encoded_once(comet_folder):
    model = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load()
    seen = recorded(model)
    group = [(f"question {q}", f"answer {q} {r}", f"pivot {q}") for q in range(4) for r in range(3)]
    scores = model.run(group)
    assert len(seen) == len(set(seen)) == 4 + 12 + 4
    assert len(set(scores)) == 12
    later = [(f"question {q}", f"another answer {q} {r}", f"pivot {q}") for q in range(4) for r in range(3)]
    model.run(later)
    assert len(seen) == 20 + 12


def test_kept_vectors_are_bounded_and_the_latest_stay(comet_folder, monkeypatch):
    # Room for two vectors with their names: see `LruCache`.
    monkeypatch.setattr("pbrlsvr.models.comet.model._VECTORS_BYTES", 900)
    model = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load()
    model.run([("a", "b", "c"), ("d", "e", "f")])
    model.run([("g", "h", "i")])
    seen = recorded(model)
    model.run([("g", "new", "i")])
    assert len(seen) == 1
    model.run([("a", "new", "i")])
    assert len(seen) == 3


def test_equal_joint_inputs_are_encoded_once(comet_folder):
    model = CometLoader.of(CometOptions(comet_folder(UNIFIED))).load()
    seen = recorded(model)
    model.run([("question", "answer", "one"), ("question", "answer", "two")])
    assert len(seen) == 5  # mt+src once; mt+ref and mt+src+ref twice


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_does_not_depend_on_its_neighbours_or_on_the_batch(comet_folder, kind):
    options = CometLoader.of(CometOptions(comet_folder(kind)))
    together = options.load().run(tiny.SAMPLES)
    alone = [options.load().run([sample])[0] for sample in tiny.SAMPLES[::4]]
    assert together[::4] == pytest.approx(alone, abs=1e-5)
    one_by_one = (
        CometLoader.of(CometOptions(comet_folder(kind)), ServingOptions(batch_tokens=1)).load().run(tiny.SAMPLES[::-1])
    )
    assert one_by_one[::-1] == pytest.approx(together, abs=1e-5)


def test_coroutines_share_one_model_and_each_sample_is_computed_once(comet_folder):
    options, local = CometLoader.of(CometOptions(comet_folder(REGRESSION))), ServingOptions(place="local")
    samples = tiny.SAMPLES * 5

    async def everybody():
        metrics = [comet(CometOptions(comet_folder(REGRESSION)), local) for _ in samples]
        return await asyncio.gather(*(metric.score(*sample) for metric, sample in zip(metrics, samples, strict=True)))

    scores = asyncio.run(everybody())
    assert scores == pytest.approx(options.load().run(tiny.SAMPLES) * 5, abs=1e-5)
    assert all(isinstance(score, float) for score in scores)


# Texts that do not fit

LONG = " ".join(f"Step {i}: she sells {i} eggs and makes {2 * i} dollars." for i in range(60))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_end_of_a_long_text_counts(comet_folder, kind, place):
    model = CometLoader.of(CometOptions(comet_folder(kind))).load()
    sample = [LONG, LONG, LONG]
    sample[place] = LONG[:-10] + "7 whales sing."
    plain, changed = model.run([(LONG, LONG, LONG), tuple(sample)])
    if place == 2 and not model.uses_reference:
        assert plain == changed
    else:
        assert abs(plain - changed) > 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "texts",
    [(LONG, LONG, LONG), ("Short.", LONG, "Also short."), (LONG, "", LONG), ("", "x" * 700, "18"), (LONG, "18", "")],
)
def test_a_long_sample_is_the_mean_of_its_segments_weighted_by_tokens_of_the_translation(comet_folder, kind, texts):
    model = CometLoader.of(CometOptions(comet_folder(kind))).load()
    used = texts if model.uses_reference else texts[:2]
    segments = model._segments((*used, None) if len(used) == 2 else used)
    assert len(segments) > 1
    for text, parts in zip(used, zip(*segments, strict=True), strict=False):
        assert "".join(parts) == text
    weights = [max(1, len(model.network.encoder.tokenizer.ids([mt])[0])) for _, mt, _ in segments]
    parts = model.run([segment[: len(used)] for segment in segments])
    assert model.run([texts])[0] == pytest.approx(np.average(parts, weights=weights), abs=1e-5)


@pytest.mark.parametrize("kind", [REGRESSION, UNIFIED])
def test_segments_of_parallel_texts_stay_parallel(comet_folder, kind):
    model = CometLoader.of(CometOptions(comet_folder(kind))).load()
    other = LONG.replace("she sells", "they sold").replace("Step", "Line")
    for source, translation, reference in model._segments((LONG, other, LONG)):
        assert source == reference
        assert abs(len(source) - len(translation)) < 60


def test_a_text_is_cut_only_where_it_does_not_fit(comet_folder):
    model = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load()
    assert model.network.encoder.max_text == tiny.POSITIONS - 6
    tokenizer = model.network.encoder.tokenizer
    word = next(w for w in ("18", "eggs", "the", "a") if len(tokenizer.ids([f"{w} {w}"])[0]) == 2)
    longest, longer = (" ".join([word] * n) for n in (tiny.POSITIONS - 6, tiny.POSITIONS - 5))
    assert len(model._segments((longest, longest, longest))) == 1
    assert len(model._segments(("18", longer, "18"))) == 2


@pytest.mark.parametrize("kind", [REGRESSION, UNIFIED])
def test_a_source_that_is_no_counterpart_can_stay_whole(comet_folder, kind):
    question = "How much does she make?"
    model = CometLoader.of(CometOptions(comet_folder(kind)), cut_source=False).load()
    segments = model._segments((question, LONG, LONG))
    assert len(segments) > 1
    assert {source for source, _, _ in segments} == {question}
    assert "".join(source for source, _, _ in model._segments((LONG, LONG, LONG))) == LONG


# What a model reads


def test_what_a_model_reads_follows_from_its_class(comet_folder):
    reads = {
        name: (model.needs_reference, model.uses_reference)
        for name in (*KINDS, MT_REF)
        for model in [CometLoader.of(CometOptions(comet_folder(name))).load()]
    }
    assert reads == {
        REGRESSION: (True, True),
        REFERENCE_FREE: (False, False),
        UNIFIED: (False, True),
        KIWI: (False, False),
        XCOMET: (False, True),
        MT_REF: (True, True),
    }


@pytest.mark.parametrize("kind", [REGRESSION, MT_REF])
def test_a_missing_reference_is_an_error_where_the_model_needs_one(comet_folder, kind):
    with pytest.raises(DataError, match=r"needs a reference, which \('src', 'mt'\) lacks"):
        CometLoader.of(CometOptions(comet_folder(kind))).load().run([("src", "mt")])


@pytest.mark.parametrize("item", ["text", ("a",), ("a", "b", None), ("a", "b", "c", "d"), ("a", 1)])
def test_an_item_of_another_form_is_an_error(comet_folder, item):
    with pytest.raises(DataError, match="all of them texts"):
        CometLoader.of(CometOptions(comet_folder(REGRESSION))).load().run([item])


def test_no_items_give_no_scores(comet_folder):
    assert CometLoader.of(CometOptions(comet_folder(REGRESSION))).load().run([]) == []


def test_half_a_character_does_not_stop_a_run(comet_folder):
    scores = (
        CometLoader.of(CometOptions(comet_folder(REGRESSION)))
        .load()
        .run([("a \ud83d b", "\udc00", "c"), ("x", "\ud800" * 400, "y")])
    )
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near(comet_folder, dtype):
    exact = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load().run(tiny.SAMPLES)
    half = CometLoader.of(CometOptions(comet_folder(REGRESSION)), ServingOptions(dtype=dtype)).load().run(tiny.SAMPLES)
    assert half == pytest.approx(exact, abs=0.2)
    assert half != exact


def test_a_score_that_is_not_finite_is_an_error_that_names_the_text(comet_folder):
    model = CometLoader.of(CometOptions(comet_folder(REGRESSION))).load()
    with torch.no_grad():
        model.network.encoder.network.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="gave nan for the translation 'the answer'"):
        model.run([("src", "the answer", "ref")])


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    generator = np.random.default_rng(7)
    for size in (1, 2, 5, 25):
        scores = generator.normal(scale=1.0, size=size)
        low, high = scores.min() - 2, scores.max()
        for _ in range(80):  # the threshold by bisection
            middle = (low + high) / 2
            low, high = (middle, high) if np.maximum(scores - middle, 0).sum() > 1 else (low, middle)
        expected = np.maximum(scores - low, 0)
        np.testing.assert_allclose(sparsemax(torch.tensor(scores)).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("tags", "cost"),
    [([0, 0, 0], 0), ([0, 1, 0], 1), ([0, 1, 2, 3, 0], 1), ([0, 3, 0, 2, 0], 15), ([0, 2, 2], 0), ([], 0)],
)
def test_an_error_costs_by_its_first_token_and_one_that_does_not_end_is_free(tags, cost):
    assert error_cost(tags, ("minor", "major", "critical")) == cost
