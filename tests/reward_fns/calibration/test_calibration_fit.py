import asyncio

import numpy as np
import pytest

from pbrlsvr.calibration.fit import Sample, area_under_curve, collect, fit, less_a_fifth
from pbrlsvr.calibration.pairs import Parallel
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.models.embedding.embedder import Embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions

OPTIONS = EmbeddingOptions("encoder")
ROWS = [
    ("Ana tiene 17 manzanas. Regala 6 a Luis.", "Ana has 17 apples. She gives 6 to Luis."),
    ("El tren sale de Madrid al mediodía y llega tarde.", "The train leaves Madrid at noon and arrives later."),
    ("El banco paga intereses cada año.", "The bank pays interest every year."),
    ("La bicicleta cuesta 200 dólares.", "The bicycle costs 200 dollars in this shop."),
    ("El doctor trabaja en el hospital central.", "The doctor works at the central hospital."),
    ("Una fiesta con pizza y música.", "A party with pizza and music for everybody."),
]  # fmt: skip


def normal(centre, sd, n, seed=0):
    return np.random.default_rng(seed).normal(centre, sd, n)


ENGLISH = Sample(normal(0.95, 0.03, 400, 8), normal(0.6, 0.05, 4000, 9))


def exactly(matched, shuffled, n=50):
    """A sample with these medians, and a standard deviation of almost 0.1."""
    spread = 0.1 * np.linspace(-1.5, 1.5, n)
    return Sample(matched + spread, shuffled + spread)


def test_the_fit_finds_the_distributions():
    sample = Sample(normal(0.8, 0.05, 5000, 1), normal(0.5, 0.1, 50_000, 2))
    pair = fit({"es": sample}, ENGLISH, OPTIONS).pairs["es"]
    assert (pair.matched, pair.matched_sd) == (pytest.approx(0.8, abs=0.005), pytest.approx(0.05, abs=0.003))
    assert (pair.shuffled, pair.shuffled_sd) == (pytest.approx(0.5, abs=0.005), pytest.approx(0.1, abs=0.003))
    assert pair.d_prime == pytest.approx(0.3 / np.sqrt((0.05**2 + 0.1**2) / 2), rel=0.03)
    assert pair.auc == pytest.approx(0.9964, abs=0.002)  # normal distribution function of 0.3 / sqrt(0.05^2 + 0.1^2)


def test_a_few_misaligned_rows_do_no_harm():
    clean = normal(0.8, 0.05, 400, 1)
    dirty = np.concatenate([clean, np.full(20, 0.1)])
    fits = [fit({"es": Sample(matched, normal(0.5, 0.05, 4000, 2))}, ENGLISH, OPTIONS) for matched in (clean, dirty)]
    assert fits[1].pairs["es"].matched == pytest.approx(fits[0].pairs["es"].matched, abs=0.01)
    assert fits[1].pairs["es"].matched_sd == pytest.approx(fits[0].pairs["es"].matched_sd, abs=0.01)
    assert dirty.std() > 2 * clean.std()  # what a plain standard deviation would have made of it


def test_small_samples_are_shrunk_towards_the_mean_over_the_languages():
    samples = {"es": exactly(0.8, 0.4, 90), "sw": exactly(0.5, 0.3, 10)}
    fitted = fit(samples, ENGLISH, OPTIONS, shrinkage=30.0)
    # The languages count for 90/120 and 10/40 in the mean, and keep as much of their own.
    mean = (0.75 * 0.8 + 0.25 * 0.5) / (0.75 + 0.25)
    assert fitted.pooled.matched == pytest.approx(mean)
    assert fitted.pairs["es"].matched == pytest.approx(0.75 * 0.8 + 0.25 * mean)
    assert fitted.pairs["sw"].matched == pytest.approx(0.25 * 0.5 + 0.75 * mean)


def test_without_shrinkage_each_language_stands_alone():
    samples = {"es": exactly(0.8, 0.4, 90), "sw": exactly(0.5, 0.3, 10)}
    fitted = fit(samples, ENGLISH, OPTIONS, shrinkage=0.0)
    assert fitted.pairs["sw"].matched == pytest.approx(0.5)
    assert fitted.pairs["sw"].shuffled == pytest.approx(0.3)


def test_english_has_a_pair_of_its_own_and_no_part_in_the_mean():
    one = fit({"es": exactly(0.8, 0.4)}, exactly(0.9, 0.6), OPTIONS)
    other = fit({"es": exactly(0.8, 0.4)}, exactly(0.7, 0.2), OPTIONS)
    assert one.pooled == other.pooled
    assert one.pairs["es"] == other.pairs["es"]
    assert (one.pairs["en"].matched, one.pairs["en"].shuffled) == (pytest.approx(0.9), pytest.approx(0.6))
    assert one.pairs["en"].stand_in


def test_paraphrases_replace_the_stand_in_as_they_become_many():
    samples = {"es": exactly(0.8, 0.4), "en": exactly(0.7, 0.5, 10)}
    few = fit(samples, exactly(0.9, 0.6), OPTIONS, shrinkage=30.0).pairs["en"]
    assert few.matched == pytest.approx(0.25 * 0.7 + 0.75 * 0.9)
    assert not few.stand_in
    samples["en"] = exactly(0.7, 0.5, 3000)
    assert fit(samples, exactly(0.9, 0.6), OPTIONS).pairs["en"].matched == pytest.approx(0.7, abs=0.003)


def test_the_area_under_the_curve_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(4)
    matched, shuffled = rng.integers(0, 9, 40), rng.integers(0, 7, 60)  # with ties
    ordered = np.mean([(m > s) + (m == s) / 2 for m in matched for s in shuffled])
    assert area_under_curve(matched, shuffled) == pytest.approx(ordered)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({}, "no parallel text in a language other than English"),
        ({"en": exactly(0.9, 0.5)}, "no parallel text in a language other than English"),
        ({"es": Sample(np.array([0.5]), np.array([]))}, "'es' has 0 shuffled pairs.*at least 2 texts"),
        ({"es": Sample(np.array([np.nan]), np.array([0.1]))}, "'es' has 1 matched pairs.*finite"),
    ],
)
def test_samples_that_cannot_be_fitted_are_refused(samples, message):
    with pytest.raises(DataError, match=message):
        fit(samples, ENGLISH, OPTIONS)


def test_a_negative_shrinkage_is_refused():
    with pytest.raises(ConfigError, match=r"shrinkage=-1.0"):
        fit({"es": exactly(0.8, 0.4)}, ENGLISH, OPTIONS, shrinkage=-1.0)


def test_each_fifth_of_a_text_is_left_out_by_turns():
    words = [f"w{number}" for number in range(10)]
    left = [set(words) - set(less_a_fifth(" ".join(words), turn).split()) for turn in range(6)]
    assert left == [{"w0", "w1"}, {"w2", "w3"}, {"w4", "w5"}, {"w6", "w7"}, {"w8", "w9"}, {"w0", "w1"}]
    assert less_a_fifth("two words", 4) == "two"


@pytest.fixture(scope="module")
def encoder(minilm):
    return Embedder(EmbeddingOptions(minilm))


@pytest.mark.parametrize("align", [False, True])
def test_matched_and_shuffled_similarities_are_those_of_the_reward(encoder, align):
    similarity = encoder.alignment if align else encoder.cosine
    samples, english = asyncio.run(collect(encoder, Parallel({"es": ROWS}, []), align=align, shuffles=2))

    async def expected():
        matched = [await similarity(text, reference) for text, reference in ROWS]
        # Two distances spread over the six rows: 1 and 5.
        shuffled = [await similarity(ROWS[i][0], ROWS[(i + step) % 6][1]) for step in (1, 5) for i in range(6)]
        stand_in = [await similarity(less_a_fifth(text, i), text) for i, (_, text) in enumerate(ROWS)]
        return matched, shuffled, stand_in

    matched, shuffled, stand_in = asyncio.run(expected())
    np.testing.assert_allclose(samples["es"].matched, matched, atol=1e-5)
    np.testing.assert_allclose(samples["es"].shuffled, shuffled, atol=1e-5)
    np.testing.assert_allclose(english.matched, stand_in, atol=1e-5)


def test_rows_with_the_same_english_are_not_shuffled_pairs(encoder):
    rows = [*ROWS[:2], ("Una fiesta.", ROWS[0][1])]
    samples, _ = asyncio.run(collect(encoder, Parallel({"es": rows}, [])))
    assert len(samples["es"].shuffled) == 3 * 2 - 2


def test_a_number_of_shuffles_below_one_is_refused(encoder):
    with pytest.raises(ConfigError, match="shuffles=0"):
        asyncio.run(collect(encoder, Parallel({"es": ROWS}, []), shuffles=0))


def test_calibrated_english_earns_less_for_the_same_content_than_its_cosine(encoder):
    samples, english = asyncio.run(collect(encoder, Parallel({"es": ROWS}, [])))
    calibration = fit(samples, english, encoder.options)
    text, reference = ROWS[0]
    spanish_half, english_half = text.split(". ")[0], reference.split(". ")[0]

    async def cosines():
        return await encoder.cosine(spanish_half, reference), await encoder.cosine(english_half, reference)

    spanish, english_cosine = asyncio.run(cosines())
    bonus = english_cosine - spanish
    calibrated = calibration.probability(english_cosine, "en") - calibration.probability(spanish, "es")
    assert bonus > 0.2
    assert calibrated < bonus
