import json
import logging
import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pbrlsvr.calibration.calibration import Calibration, Pair, load_checked
from pbrlsvr.errors import ConfigError
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.scoring.similarity import AlignedEmbedding

SPANISH = Pair(texts=100, matched=0.8, matched_sd=0.2, shuffled=0.4, shuffled_sd=0.2, auc=0.92)  # d' = 0.4 / 0.2
CHINESE = Pair(texts=50, matched=0.7, matched_sd=0.05, shuffled=0.3, shuffled_sd=0.05, auc=1.0)  # d' = 8
ENGLISH = Pair(texts=100, matched=0.95, matched_sd=0.05, shuffled=0.75, shuffled_sd=0.05, auc=1.0, stand_in=True)
CALIBRATION = Calibration(
    pairs={"es": SPANISH, "zh": CHINESE, "en": ENGLISH},
    pooled=replace(SPANISH, matched=0.75),
    model="org/encoder",
    prompt="query: ",
    created="2026-01-31",
    sources=({"name": "mgsm_es.tsv", "sha256": "0" * 64},),
)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_a_modest_encoder_gives_the_posterior_of_two_gaussians():
    def density(x, centre):
        return math.exp(-(((x - centre) / 0.2) ** 2) / 2)

    for similarity in (0.1, 0.4, 0.55, 0.6, 0.8, 1.0):
        posterior = density(similarity, 0.8) / (density(similarity, 0.8) + density(similarity, 0.4))
        assert SPANISH.probability(similarity, 0.95) == pytest.approx(posterior)
    assert SPANISH.probability(0.8, 0.95) == pytest.approx(sigmoid(2))  # d'^2 / 2


def test_a_good_encoder_is_softened_to_the_ceiling():
    assert CHINESE.d_prime == pytest.approx(8.0)
    assert CHINESE.probability(0.7, 0.95) == pytest.approx(0.95)
    assert CHINESE.probability(0.5, 0.95) == pytest.approx(0.5)
    assert CHINESE.probability(0.3, 0.95) == pytest.approx(0.05)


def test_the_ceiling_keeps_a_spread_where_the_posterior_has_none():
    def spread(ceiling):
        return CHINESE.probability(0.75, ceiling) - CHINESE.probability(0.65, ceiling)  # one SD about the centre

    assert spread(1.0) < 1e-6
    assert spread(0.95) > 0.05


def test_at_ceiling_one_nothing_is_softened():
    assert CHINESE.probability(0.6, 1.0) == pytest.approx(sigmoid(32 * 0.5))
    assert CHINESE.probability(-1e9, 1.0) < 1e-300
    assert CHINESE.probability(1e9, 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("matched", [0.4, 0.3])
def test_a_language_without_resolution_stays_at_a_half(matched):
    blind = replace(SPANISH, matched=matched)
    assert blind.d_prime == 0.0
    assert [blind.probability(similarity, 0.95) for similarity in (-1.0, 0.35, 1.0)] == [0.5, 0.5, 0.5]


@given(
    st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(-1, 1), st.floats(-1, 1),
    st.floats(0.51, 1.0),
)  # fmt: skip
@example(5e-324, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
@example(1e-300, 0.0, 0.0, 0.0, 1.0, -1.0, 1.0)
def test_the_probability_never_falls_as_the_similarity_grows(m, s, m_sd, s_sd, x, y, ceiling):
    pair = Pair(10, m, m_sd, s, s_sd, 0.9)
    low, high = pair.probability(min(x, y), ceiling), pair.probability(max(x, y), ceiling)
    assert 0.0 <= low <= high <= 1.0


def test_the_same_similarity_is_worth_less_in_english():
    assert CALIBRATION.probability(0.85, "en") == pytest.approx(0.5)
    assert CALIBRATION.probability(0.85, "es") > 0.9


@pytest.mark.parametrize(("code", "pair"), [("es-MX", SPANISH), ("zh_Hant", CHINESE), ("EN", ENGLISH)])
def test_a_variant_takes_the_pair_of_its_language(code, pair):
    assert CALIBRATION.pair(code) is pair


def test_a_variant_with_a_pair_of_its_own_takes_that():
    own = replace(CHINESE, matched=0.65)
    assert replace(CALIBRATION, pairs={**CALIBRATION.pairs, "zh-Hant": own}).pair("zh-Hant") is own


def test_a_missing_language_is_refused_with_the_mend():
    with pytest.raises(ConfigError, match=r"no pair for the language 'sw', only for \['en', 'es', 'zh'\].*pooled"):
        CALIBRATION.probability(0.5, "sw")


def test_a_missing_language_takes_the_mean_where_that_is_asked_for_and_says_so_once(caplog):
    lenient = replace(CALIBRATION, missing="pooled")
    with caplog.at_level(logging.WARNING):
        assert [lenient.pair("te") for _ in range(3)] == [CALIBRATION.pooled] * 3
    assert [record.message for record in caplog.records] == [
        "the calibration has no pair for the language 'te': it takes the mean over the languages"
    ]


ENGLISH_TEXT = "Ana has seventeen apples and gives six of them to her friends, so eleven apples are left for her."
SPANISH_TEXT = "Ana tiene diecisiete manzanas y regala seis a sus amigos, así que le quedan once manzanas."


def test_a_response_in_its_language_is_judged_by_its_language():
    assert CALIBRATION.score(0.85, SPANISH_TEXT, "es") == CALIBRATION.probability(0.85, "es")
    assert CALIBRATION.score(0.85, ENGLISH_TEXT, "en") == CALIBRATION.probability(0.85, "en")


@pytest.mark.parametrize("text", [ENGLISH_TEXT, f"{SPANISH_TEXT} {ENGLISH_TEXT}"])
def test_english_where_another_language_should_be_is_judged_as_english(text):
    assert CALIBRATION.score(0.85, text, "es") == CALIBRATION.probability(0.85, "en")


def test_a_calibration_with_its_own_encoder_is_accepted():
    CALIBRATION.check(EmbeddingOptions("org/encoder", prompt="query: "))
    CALIBRATION.check(
        AlignedEmbedding("/models/encoder/", prompt="query: ", serving={"device": "cpu", "batch_tokens": 300})
    )
    replace(CALIBRATION, model="multilingual-e5-small").check(EmbeddingOptions("intfloat/multilingual-e5-small"))


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ({"model": "org/other"}, {}, "model is 'other' and was 'encoder'"),
        ({"prompt": ""}, {}, "prompt is '' and was 'query: '"),
        ({"prompt": None}, {}, "prompt is None and was 'query: '"),
        ({"revision": "abc"}, {}, "revision is 'abc' and was None"),
        ({}, {"align": True}, "similarity is 'alignment' and was 'cosine'"),
    ],
)
def test_a_calibration_of_another_encoder_is_refused(options, settings, message):
    encoder = EmbeddingOptions(**{"model": "org/encoder", "prompt": "query: ", **options})
    with pytest.raises(ConfigError, match=f"another encoder: {message}. Use the same"):
        CALIBRATION.check(encoder, **settings)


def test_an_alignment_with_another_floor_is_refused():
    aligned = replace(CALIBRATION, similarity="alignment", floor=0.7)
    encoder = EmbeddingOptions("org/encoder", prompt="query: ")
    aligned.check(encoder, align=True, floor=0.7)
    with pytest.raises(ConfigError, match=r"floor is 0.2 and was 0.7"):
        aligned.check(encoder, align=True, floor=0.2)


def test_a_run_reads_its_calibration_once_and_only_with_its_encoder(tmp_path):
    CALIBRATION.save(tmp_path / "calibration.json")
    path, options = str(tmp_path / "calibration.json"), EmbeddingOptions("org/encoder", prompt="query: ")
    assert load_checked(path, options) is load_checked(path, options)
    with pytest.raises(ConfigError, match="prompt is '' and was 'query: '"):
        load_checked(path, options.override(EmbeddingOptions(prompt="")))


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "new" / "calibration.json"
    CALIBRATION.save(path)
    assert Calibration.load(path) == CALIBRATION
    assert Calibration.load(path, missing="pooled").missing == "pooled"
    assert json.loads(path.read_text())["pairs"]["zh"]["d_prime"] == pytest.approx(8.0)


def test_the_same_calibration_gives_the_same_bytes(tmp_path):
    noisy = replace(CALIBRATION, pairs={**CALIBRATION.pairs, "es": replace(SPANISH, matched=0.8 + 1e-9)})
    for name, calibration in (("a", CALIBRATION), ("b", noisy)):
        calibration.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_calibration_that_is_not_there_is_named_with_the_mend(tmp_path):
    with pytest.raises(ConfigError, match=r"none.json.*`pbrlsvr calibrate`"):
        Calibration.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields.update(version=99), "version 99, not 1"),
        (lambda fields: fields.pop("version"), "is not a calibration"),
        (lambda fields: fields.update(surprise=1), "is not a calibration.*surprise"),
        (lambda fields: fields["pairs"]["es"].pop("matched"), "is not a calibration.*matched"),
        (lambda fields: fields["pairs"]["es"].update(matched="high"), "is not a calibration.*pairs.es.matched"),
        (lambda fields: fields["pooled"].update(auc=math.nan), "is not a calibration.*pooled.auc"),
        (lambda fields: fields["pairs"].pop("en"), r"pairs for \['es', 'zh'\] and none for 'en'"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(change, message, tmp_path):
    path = tmp_path / "calibration.json"
    CALIBRATION.save(path)
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match=message):
        Calibration.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{not json", "17", "[" * 100_000, "9" * 5_000, "\x80\x04K\x11.", '{"x": "' + "x" * 17_000_000 + '"}'],
    ids=lambda text: text[:9],
)
def test_a_file_that_is_no_json_object_is_refused(text, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not a calibration"):
        Calibration.load(path)


@pytest.mark.parametrize(("field", "value"), [("ceiling", 0.5), ("ceiling", 1.1), ("missing", "ignore")])
def test_an_option_that_cannot_work_is_refused(field, value):
    with pytest.raises(ConfigError, match=f"{field}={value!r}"):
        replace(CALIBRATION, **{field: value})
