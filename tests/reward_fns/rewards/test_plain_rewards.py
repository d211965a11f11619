"""exact_answer, format and language_consistency as veRL calls them."""

import asyncio

import pytest

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError


def call(function, response, truth="", row=None, **options):
    return asyncio.run(function("demo/x", response, truth, row, **options))


@pytest.mark.parametrize(
    ("response", "truth", "language", "score"),
    [
        ("১৭ - ৬ = ১১। #### ১১", "11", "bn", 1.0),
        ("<think>70000</think> Die Antwort lautet 70.000 Dollar.", "70000", "de", 1.0),
        ("所以答案是3万5千。", "35000", "zh", 1.0),
        ("#### 12", "11", "en", 0.0),
        ("The answer is 11 or 12.", "11", "en", 0.0),
        ("no answer at all", "11", "en", 0.0),
        ("", "11", "en", 0.0),
    ],
)
def test_exact_answer_is_one_only_for_the_right_answer(response, truth, language, score):
    found = call(pbrlsvr.exact_answer, response, truth, {"language": language})
    assert found["score"] == found["acc"] == score
    assert set(found) == {"score", "acc", "answered"}


def test_exact_answer_falls_back_on_the_pivots_answer():
    assert call(pbrlsvr.exact_answer, "#### 11", None, {"pivot_answer": "11"})["score"] == 1.0


def test_exact_answer_without_any_truth_is_an_error_never_a_zero():
    with pytest.raises(DataError, match=r"row None of 'demo/x' has no ground truth"):
        call(pbrlsvr.exact_answer, "#### 11", "", {"pivot_answer": None})


def test_format_is_one_only_for_the_format_that_was_asked_for():
    thoughtful = "<think>17 - 6 = 11</think> \\boxed{11}"
    options = {"format": {"thinking": "required", "answer": "boxed"}}
    assert call(pbrlsvr.format, thoughtful, **options)["score"] == 1.0
    assert call(pbrlsvr.format, "\\boxed{11}", **options) == {
        "score": 0.0, "format": 0.0, "format_thinking": 0.0, "format_answer": 1.0, "format_once": 1.0,
        "acc": 0.0,
    }  # fmt: skip
    assert call(pbrlsvr.format, "<think>17 - 6 = 11</think> #### 11", **options)["score"] == 0.0
    with pytest.raises(ConfigError, match="'sometimes'"):
        call(pbrlsvr.format, thoughtful, format={"thinking": "sometimes"})


SPANISH = "Ana tiene 17 manzanas y regala 6 a su hermana, así que le quedan 11 manzanas."
ENGLISH = "Ana has 17 apples and gives 6 of them to her sister, so she has 11 apples left."


def test_language_consistency_is_the_share_in_the_rows_language():
    spanish = {"language": "es"}
    assert call(pbrlsvr.language_consistency, SPANISH, row=spanish)["score"] == 1.0
    assert call(pbrlsvr.language_consistency, ENGLISH, row=spanish)["score"] == 0.0
    assert 0.3 < call(pbrlsvr.language_consistency, f"{SPANISH} {ENGLISH}", row=spanish)["score"] < 0.7
    assert call(pbrlsvr.language_consistency, "", row=spanish)["score"] == 0.0


def test_language_consistency_of_english_thinking_and_a_native_answer():
    response = f"<think>{ENGLISH}</think> <answer>A Ana le quedan once manzanas después de regalar seis.</answer>"
    options = {"language": {"reasoning": {"mode": "gate", "language": "en"}, "answer": {"mode": "gate"}}}
    assert call(pbrlsvr.language_consistency, response, row={"language": "es"}, **options)["score"] == 1.0
    assert call(pbrlsvr.language_consistency, response, row={"language": "de"}, **options)["score"] == 0.0


def test_language_consistency_needs_the_rows_language():
    with pytest.raises(DataError, match=r"has no extra_info\['language'\]"):
        call(pbrlsvr.language_consistency, SPANISH, row={})
