import asyncio
import inspect
import math
import subprocess
import sys

import pytest

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError, ModelError

PIVOT = "Ana has 17 apples and gives away 6 apples, so 17 - 6 = 11 apples are left."
ROW = {"index": 3, "split": "train", "language": "en", "question": "?", "pivot_reasoning": PIVOT, "pivot_answer": "11"}
HONEST = f"{PIVOT} #### 11"
PLAIN = {"rule": "sum", "weights": {"answer": 0.0}}


def score(response, row=ROW, **options):
    return asyncio.run(pbrlsvr.embed_cosine("demo/en", response, "11", row, **options))


def test_the_pivots_own_reasoning_scores_one(minilm):
    assert score(f"{PIVOT} #### 11", embedding={"model": minilm})["score"] == pytest.approx(1.0, abs=1e-5)


def test_a_paraphrase_scores_above_another_subject(minilm):
    paraphrase = score("Of her 17 apples Ana gives 6 away: 11 apples remain. #### 11", embedding={"model": minilm})
    other = score("The train to the coast leaves at noon. #### 11", embedding={"model": minilm})
    assert paraphrase["score"] > other["score"] + 0.3


def test_the_plain_cosine_does_not_look_at_the_final_answer(minilm):
    right, wrong = (
        score(f"{PIVOT} #### {answer}", embedding={"model": minilm}, combine=PLAIN) for answer in ("11", "4711")
    )
    assert right["score"] == wrong["score"] == pytest.approx(right["similarity"])
    assert (right["acc"], wrong["acc"]) == (1.0, 0.0)


def test_by_default_the_reasoning_counts_where_the_answer_is_right_and_a_tenth_where_it_is_wrong(minilm):
    right, wrong = (score(f"{PIVOT} #### {answer}", embedding={"model": minilm}) for answer in ("11", "4711"))
    assert right["score"] == pytest.approx(1.0, abs=1e-4)
    assert wrong["score"] == pytest.approx(0.1, abs=1e-3)
    unknown = asyncio.run(
        pbrlsvr.embed_cosine("d", PIVOT, "", {**ROW, "pivot_answer": ""}, embedding={"model": minilm})
    )
    assert unknown["score"] == pytest.approx(1.0, abs=1e-4)  # nothing to compare with: the reasoning alone
    assert unknown["answer_missing"] == 1.0


def test_an_answer_in_words_does_not_gate_since_it_reads_differently_in_each_language(minilm):
    row = {**ROW, "pivot_answer": "the Seine"}
    reasoning = "The river that flows through Paris is the Seine."
    row["pivot_reasoning"] = reasoning

    def found(answer):
        return asyncio.run(
            pbrlsvr.embed_cosine("d", f"{reasoning} <answer>{answer}</answer>", "", row, embedding={"model": minilm})
        )

    translated, same = found("la Seine"), found("The Seine")
    assert translated["score"] == same["score"] > 0.99
    assert (translated["answer_missing"], translated["acc"], same["acc"]) == (1.0, 0.0, 1.0)


def test_reasoning_in_another_language_loses_half_and_behind_a_gate_all(minilm):
    spanish = {**ROW, "language": "es"}
    native, foreign = score(HONEST, embedding={"model": minilm}), score(HONEST, spanish, embedding={"model": minilm})
    assert foreign["score"] == pytest.approx(native["score"] / 2)
    gate = {"reasoning": {"mode": "gate"}}
    assert score(HONEST, spanish, embedding={"model": minilm}, language=gate)["score"] == 0.0
    assert score(HONEST, embedding={"model": minilm}, language=gate)["score"] == native["score"]


def test_a_loop_scores_zero(minilm):
    assert (
        score("So 17 - 6 = 11 apples are left, as I said. " * 30 + "#### 11", embedding={"model": minilm})["score"]
        == 0.0
    )


def test_steps_in_the_wrong_order_score_lower_when_aligned(minilm):
    steps = ["Ana has 17 red apples.", "Her brother takes 6 of them away.", "She bakes a cake with the other 11."]
    row = {**ROW, "pivot_reasoning": " ".join(steps)}
    in_order = score(" ".join(steps) + " #### 11", row, embedding={"model": minilm, "align": True})["score"]
    reversed_ = score(" ".join(reversed(steps)) + " #### 11", row, embedding={"model": minilm, "align": True})["score"]
    assert in_order == pytest.approx(1.0, abs=1e-4)
    assert reversed_ < 0.8


@pytest.mark.parametrize("response", ["", "   \n", "#### 11", "\u200b", "... --- ..."])
def test_a_response_without_reasoning_scores_zero_and_says_so(response, minilm):
    found = score(response, embedding={"model": minilm})
    assert (found["score"], found["similarity"], found["empty"]) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    "response", ["", f"{PIVOT} #### 11", "安娜有17个苹果。", "\ud83d\ude00" * 50, "x" * 5000, "<think>"]
)
def test_each_sample_has_the_same_keys_with_finite_scores_in_range(response, minilm):
    result = score(response, embedding={"model": minilm})
    assert set(result) == set(score(PIVOT, embedding={"model": minilm}))
    assert all(type(value) is float and math.isfinite(value) for value in result.values())
    assert 0.0 <= result["score"] <= 1.0


def test_the_score_does_not_depend_on_who_waits_at_the_same_time(minilm):
    responses = [PIVOT, "short", "A much longer response. " * 30, "安娜有17个苹果。"]
    serving = {"place": "local", "cache_mib": 0}
    alone = [
        score(response, embedding={"model": minilm}, combine=PLAIN, serving=serving)["score"] for response in responses
    ]

    async def together():
        calls = (
            pbrlsvr.embed_cosine("d", response, "", ROW, embedding={"model": minilm}, combine=PLAIN, serving=serving)
            for response in responses
        )
        return [result["score"] for result in await asyncio.gather(*calls)]

    assert asyncio.run(together()) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("reference", [None, "", "  "])
def test_a_row_without_pivot_reference_is_named_with_the_mend(reference, minilm):
    row = {**ROW, "pivot_reasoning": reference}
    with pytest.raises(DataError, match=r"row 3 of 'demo/en'.*pivot_reasoning.*Write the reference into each row"):
        score("some response", row, embedding={"model": minilm})


def test_a_row_without_extra_info_is_a_data_error_too(minilm):
    with pytest.raises(DataError, match=r"has the keys \[\]"):
        score("some response", None, embedding={"model": minilm})


def test_a_row_without_language_is_named_where_the_policy_needs_it(minilm):
    row = {name: value for name, value in ROW.items() if name != "language"}
    with pytest.raises(DataError, match=r"row 3 of 'demo/en'.*language\.reasoning\.mode=off"):
        score("some response", row, embedding={"model": minilm})
    assert score(HONEST, row, embedding={"model": minilm}, language={"reasoning": "off"})["score"] > 0.9


def test_a_language_that_does_not_exist_is_named_with_its_row(minilm):
    with pytest.raises(DataError, match=r"row 3 of 'demo/en'.*'klingon'"):
        score("some response", {**ROW, "language": "klingon"}, embedding={"model": minilm})


def test_an_option_that_cannot_work_is_refused_before_the_model_is_loaded():
    with pytest.raises(ConfigError, match="max_tokens=0"):
        score("some response", embedding={"model": "never/loaded", "max_tokens": 0})


def test_a_model_that_cannot_be_loaded_is_an_error_never_a_zero(tmp_path):
    with pytest.raises(ModelError, match="no-model"):
        score("some response", embedding={"model": str(tmp_path / "no-model")})


def test_every_public_reward_is_async_with_verls_signature():
    for name in pbrlsvr.REWARD_FUNCTIONS:
        function = getattr(pbrlsvr, name)
        assert inspect.iscoroutinefunction(function)
        assert list(inspect.signature(function).parameters)[:4] == [
            "data_source", "solution_str", "ground_truth", "extra_info",
        ]  # fmt: skip


def test_the_public_names_are_pinned():
    assert pbrlsvr.__all__ == [
        "REWARD_FUNCTIONS", "__version__", "comet_score", "embed_cosine", "exact_answer", "format", "hybrid",
        "language_consistency", "mt_bleu", "mt_chrf", "mt_embed_cosine",
    ]  # fmt: skip
    with pytest.raises(AttributeError, match=r"no attribute 'embed_cosin'.*embed_cosine"):
        pbrlsvr.embed_cosin  # noqa: B018


def test_importing_pbrlsvr_loads_neither_torch_nor_verl():
    heavy = "torch verl ray transformers sentence_transformers numpy hydra babel"
    code = f"import sys, pbrlsvr; sys.exit(', '.join(set('{heavy}'.split()) & set(sys.modules)) or 0)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, f"loaded: {result.stderr}"


def test_a_missing_package_is_named_with_the_command_that_installs_it(minilm):
    code = (
        "import sys, asyncio, pbrlsvr; sys.modules['sentence_transformers'] = None\n"
        "asyncio.run(pbrlsvr.embed_cosine('d', 'text', '', {'pivot_reasoning': 'p'}, embedding='m'))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "MissingDependencyError" in result.stderr
    assert "pip install 'pbrlsvr[embed]'" in result.stderr
