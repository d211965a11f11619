"""comet_score, the mt_ rewards and hybrid as veRL calls them: tiny COMET, real MiniLM, a translator behind HTTP."""

import asyncio
import math

import pytest

import pbrlsvr
from pbrlsvr.errors import ConfigError, DataError, ServiceError
from pbrlsvr.models.comet.comet import CometLoader
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.scoring.overlap import bleu, chrf

PIVOT = "Ana has 17 apples and gives away 6 apples, so 17 - 6 = 11 apples are left."
SPANISH = "Ana tiene diecisiete manzanas y regala seis manzanas a su hermana, por eso le quedan once."
ENGLISH = "Ana has seventeen apples and gives six apples to her sister, so eleven are left."
QUESTION = "Ana tiene 17 manzanas y regala 6. ¿Cuántas le quedan?"
ROW = {
    "index": 3,
    "language": "es",
    "question": QUESTION,
    "pivot_reasoning": PIVOT,
    "pivot_answer": "11 apples",
}
HONEST = f"{SPANISH} <answer>11 manzanas</answer>"
#: What rounding a score to a multiple of 2^-12 may change.
GRID = {"abs": 2**-13}
ALONE = {"rule": "sum", "weights": {"answer": 0.0}}


def behind(server, **endpoint):
    """The serving block of a model behind this server."""
    return {"place": "endpoint", "endpoint": {"urls": [server.url], **endpoint}}


@pytest.fixture
def translation(http_server):
    """The block of a translator that knows one sentence, and answers others in their own words."""

    def answer(request):
        text = request.body["messages"][-1]["content"]
        said = ENGLISH if SPANISH.rstrip(".") in text else "Something else was said."
        return {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}

    server = http_server(answer)
    return {"model": "toy", "serving": behind(server, retries=0)}


def call(reward, response=HONEST, truth="", row=ROW, **options):
    return asyncio.run(getattr(pbrlsvr, reward)("demo/es", response, truth, row, **options))


def raw_comet(model, *sample):
    return CometLoader.of(CometOptions(model)).load().run([sample])[0]


def test_comet_compares_how_both_state_their_answers(comet_model):
    found = call("comet_score", comet={"model": comet_model}, combine=ALONE)
    said = f"{SPANISH} 11 manzanas"
    assert found["comet_raw"] == pytest.approx(raw_comet(comet_model, PIVOT, said, PIVOT), abs=1e-5)
    row = {**ROW, "pivot_answer_text": "She has 11 apples left."}
    found = call("comet_score", row=row, comet={"model": comet_model}, combine=ALONE)
    raw = raw_comet(comet_model, row["pivot_answer_text"], said, row["pivot_answer_text"])
    assert found["comet_raw"] == pytest.approx(raw, abs=1e-5)


def test_beside_a_pivot_without_words_the_bare_answers_are_compared(comet_model):
    row = {**ROW, "pivot_reasoning": "17 - 6 = 11", "pivot_answer": "11"}
    found = call("comet_score", row=row, comet={"model": comet_model})
    assert found["comet_raw"] == pytest.approx(raw_comet(comet_model, "11", "11 manzanas", "11"), abs=1e-5)


@pytest.mark.parametrize("reward", ["comet_score", "hybrid"])
def test_in_a_group_that_is_right_throughout_comet_tells_the_responses_apart(reward, comet_model, minilm):
    advantages = pytest.importorskip("verl.trainer.ppo.core_algos").compute_grpo_outcome_advantage
    import numpy
    import torch

    row = {**ROW, "pivot_answer": "11"}
    said = [
        "por eso le quedan 11 manzanas.",
        "17 menos 6 son 11 manzanas.",
        "Ana se queda con 11.",
        "Quedan 11 frutas.",
    ]
    responses = [f"Tiene diecisiete y regala seis. {text}\n#### 11" for text in said]

    def spread(compare):
        blocks = {"comet": {"model": comet_model, "scale": [-9, 9], "compare": compare}}
        # Only COMET: the reasonings differ in any case.
        if reward == "hybrid":
            blocks |= {"embedding": {"model": minilm}, "combine": {"rule": "gated", "weights": {"reasoning": 0.0}}}
        scores = [call(reward, text, "11", row, **blocks)["score"] for text in responses]
        rewards = torch.tensor(scores)[:, None]
        return advantages(rewards, torch.ones_like(rewards), numpy.array(["one"] * len(said)))[0].abs().max().item()

    assert spread("answer") == 0.0
    assert spread("statement") > 0.5


def test_the_bare_answer_can_be_compared(comet_model):
    found = call("comet_score", comet={"model": comet_model, "compare": "answer", "scale": [-1, 1]}, combine=ALONE)
    raw = raw_comet(comet_model, "11 apples", "11 manzanas", "11 apples")
    assert found["comet_raw"] == pytest.approx(raw, abs=1e-5)
    assert found["score"] == found["comet"] == pytest.approx(min(max((raw + 1) / 2, 0), 1), **GRID)


def test_comets_source_can_be_the_question_and_its_text_the_reasoning(comet_model):
    question = call("comet_score", comet={"model": comet_model, "source": "question", "compare": "answer"})
    assert question["comet_raw"] == pytest.approx(
        raw_comet(comet_model, QUESTION, "11 manzanas", "11 apples"), abs=1e-5
    )
    reasoning = call("comet_score", comet={"model": comet_model, "compare": "reasoning"})
    assert reasoning["comet_raw"] == pytest.approx(raw_comet(comet_model, PIVOT, SPANISH, PIVOT), abs=1e-5)
    with pytest.raises(DataError, match=r"row 3 of 'demo/es'.*\['question'\]=None.*set source=pivot"):
        call("comet_score", row={**ROW, "question": None}, comet={"model": comet_model, "source": "question"})


def test_by_default_comet_counts_where_the_answer_is_right_and_a_tenth_where_it_is_wrong(comet_model):
    wrong = call(
        "comet_score", f"{SPANISH} <answer>12 manzanas</answer>", comet={"model": comet_model, "scale": [-9, 9]}
    )
    assert wrong["comet"] > 0.1
    assert (wrong["score"], wrong["acc"]) == (pytest.approx(wrong["comet"] / 10, abs=2**-12), 0.0)
    words = {**ROW, "pivot_answer": "the Seine"}
    unknown = call(
        "comet_score", "es el Sena <answer>el Sena</answer>", row=words, comet={"model": comet_model, "scale": [-9, 9]}
    )
    assert unknown["score"] == unknown["comet"] > 0.1


def test_an_answer_is_compared_with_the_ground_truth_where_the_pivot_gave_none(comet_model):
    row = {**ROW, "pivot_answer": ""}
    found = call("comet_score", truth="11", row=row, comet={"model": comet_model, "compare": "answer"})
    assert found["comet_raw"] == pytest.approx(raw_comet(comet_model, "11", "11 manzanas", "11"), abs=1e-5)
    with pytest.raises(DataError, match=r"neither extra_info.'pivot_answer'. nor a ground truth"):
        call("comet_score", row=row, comet={"model": comet_model})


def test_a_response_without_an_answer_has_comet_zero(comet_model):
    found = call("comet_score", SPANISH, comet={"model": comet_model, "scale": [-9, 9]})
    assert (found["comet"], found["comet_raw"], found["empty"]) == (0.0, 0.0, 1.0)


def test_the_translated_reasoning_is_compared_in_english(translation, minilm):
    found = call("mt_embed_cosine", translation=translation, embedding={"model": minilm}, combine=ALONE)
    direct = asyncio.run(
        pbrlsvr.embed_cosine("d", ENGLISH, "", {**ROW, "language": "en"}, embedding={"model": minilm}, combine=ALONE)
    )
    assert found["similarity"] == pytest.approx(direct["similarity"], abs=1e-5)
    other = call("mt_embed_cosine", "No sé.", translation=translation, embedding={"model": minilm}, combine=ALONE)
    assert other["similarity"] < found["similarity"] - 0.3


def test_overlap_rewards_are_sacrebleus_figures_of_the_translation(translation):
    assert call("mt_chrf", translation=translation)["score"] == pytest.approx(chrf(ENGLISH, PIVOT), **GRID)
    plus = call("mt_chrf", translation=translation, word_order=2)["score"]
    assert plus == pytest.approx(chrf(ENGLISH, PIVOT, word_order=2), **GRID)
    assert call("mt_bleu", translation=translation)["score"] == pytest.approx(bleu(ENGLISH, PIVOT), **GRID)


def test_a_row_without_language_cannot_be_translated(translation):
    row = {name: value for name, value in ROW.items() if name != "language"}
    with pytest.raises(DataError, match=r"row 3 of 'demo/es'.*is to be translated"):
        call("mt_chrf", row=row, translation=translation, language={"reasoning": "off"})


def test_a_translator_that_fails_is_an_error_never_a_zero(http_server):
    server = http_server(lambda request: (500, "broken"))
    block = {"model": "toy", "serving": behind(server, retries=1, deadline_s=20)}
    with pytest.raises(ServiceError, match="500"):
        call("mt_chrf", translation=block)


def test_the_hybrid_is_the_weighted_mean_of_what_its_parts_measure(comet_model, minilm):
    comet, embedding = {"model": comet_model, "scale": [-9, 9]}, {"model": minilm}
    weights = {"answer": 1.0, "comet": 2.0, "reasoning": 3.0, "format": 4.0}
    found = call("hybrid", comet=comet, embedding=embedding, combine={"rule": "sum", "weights": weights})
    part = call("comet_score", comet=comet)["comet"]
    reasoning = call("embed_cosine", embedding=embedding)["reasoning"]
    assert found["comet"] == pytest.approx(part, abs=1e-5)
    assert found["reasoning"] == pytest.approx(reasoning, abs=1e-5)
    assert (found["answer"], found["format"]) == (1.0, 1.0)
    assert found["score"] == pytest.approx((1 * 1.0 + 2 * part + 3 * reasoning + 4 * 1.0) / 10, abs=2**-12)


def test_by_default_the_hybrid_is_half_comet_half_reasoning_behind_the_answer(comet_model, minilm):
    blocks = {"comet": {"model": comet_model, "scale": [-9, 9]}, "embedding": {"model": minilm}}
    right = call("hybrid", **blocks)
    assert right["score"] == pytest.approx((right["comet"] + right["reasoning"]) / 2, abs=2**-12)
    swapped = call("hybrid", f"{SPANISH} <answer>17 manzanas</answer>", **blocks)
    assert swapped["comet"] > 0.1
    assert swapped["score"] == pytest.approx((swapped["comet"] + swapped["reasoning"]) / 20, abs=2**-12)


def test_without_any_answer_in_the_row_the_hybrid_is_its_reasoning(comet_model, minilm):
    row = {**ROW, "pivot_answer": ""}
    found = call("hybrid", row=row, comet={"model": comet_model}, embedding={"model": minilm})
    assert (found["comet_missing"], found["answer_missing"]) == (1.0, 1.0)
    assert found["score"] == pytest.approx(found["reasoning"])


@pytest.mark.parametrize("similarity", ["mt_embed_cosine", "mt_chrf", "mt_bleu"])
def test_the_hybrid_takes_each_translation_similarity(similarity, comet_model, minilm, translation):
    blocks = {"translation": translation, "embedding": {"model": minilm}}
    found = call("hybrid", similarity=similarity, comet={"model": comet_model}, **blocks)
    own = {"translation": translation} | ({"embedding": {"model": minilm}} if similarity == "mt_embed_cosine" else {})
    assert found["similarity"] == pytest.approx(call(similarity, **own)["similarity"], abs=1e-5)


@pytest.mark.parametrize("reward", ["comet_score", "mt_embed_cosine", "mt_chrf", "mt_bleu", "hybrid"])
def test_each_sample_has_the_same_keys_with_finite_scores_in_range(reward, comet_model, minilm, translation):
    blocks = {
        "comet_score": {"comet": {"model": comet_model}},
        "mt_embed_cosine": {"translation": translation, "embedding": {"model": minilm}},
        "mt_chrf": {"translation": translation},
        "mt_bleu": {"translation": translation},
        "hybrid": {"comet": {"model": comet_model}, "embedding": {"model": minilm}},
    }[reward]
    responses = [HONEST, "", "#### 11", "安娜有17个苹果。" * 40, "\ud83d", "<think>", "x" * 3000]
    results = [call(reward, response, **blocks) for response in responses]
    assert len({frozenset(result) for result in results}) == 1
    for result in results:
        assert all(type(value) is float and math.isfinite(value) for value in result.values())
        assert 0.0 <= result["score"] <= 1.0


@pytest.mark.parametrize(
    ("reward", "options", "message"),
    [
        ("comet_score", {"comet": {"scale": [1, 0]}}, r"comet\.scale=\(1, 0\): scale must be \[lo, hi\]"),
        ("comet_score", {"comet": {"compare": "all"}}, r"comet\.compare='all' must be one of"),
        ("hybrid", {"similarity": "bleu"}, "similarity='bleu' must be one of"),
        ("hybrid", {"comet": {"modle": "x"}}, r"comet\.modle='x': there is no such option. Did you mean 'model'"),
        ("hybrid", {"comet": {"span": "reasoning"}}, r"comet\.span='reasoning'.*write comet\.compare"),
        ("hybrid", {"embedding": {"serving": {"place": "moon"}}}, r"embedding\.serving\.place='moon' must be one of"),
        ("hybrid", {"combine": {"weights": {"comett": 1}}}, "a weight is given for 'comett'"),
        ("mt_chrf", {"word_order": -1}, "word_order=-1 must be"),
        (
            "mt_chrf",
            {"translation": {"target_language": "de"}},
            r"translation\.target_language=\'de\'.*the pivot is English",
        ),
        ("mt_chrf", {"translation": 2}, "translation.* must be a mapping of .*, or its model alone"),
        ("mt_embed_cosine", {"embedding": {"calibration": "x.json"}}, r"embedding\.calibration='x\.json'"),
    ],
)
def test_an_option_that_cannot_work_is_refused_before_a_model_is_loaded(reward, options, message):
    with pytest.raises(ConfigError, match=message):
        call(reward, **options)
