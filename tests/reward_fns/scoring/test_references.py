"""Several references for one problem: each response is scored against the nearest, by every component."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pbrlsvr
from pbrlsvr.errors import DataError
from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.scoring.references import read_references
from pbrlsvr.serving.options import ServingOptions

SUBTRACTS = "Ana has 17 apples and gives away 6 apples, so 17 - 6 = 11 apples are left."
ADDS = "What must be put on 6 to reach 17? 6 + 10 = 16, and one more makes 17. Thus eleven pieces of fruit remain."
FORMULAS = "17 - 6 = 11"
ROW = {"index": 3, "language": "en", "question": "?", "pivot_reasoning": SUBTRACTS, "pivot_answer": "11"}
PLAIN = {"rule": "sum", "weights": {"answer": 0.0}}


def call(reward, response, row=ROW, truth="11", **options):
    return asyncio.run(getattr(pbrlsvr, reward)("demo/en", response, truth, row, **options))


def with_(*references, **row):
    return {**ROW, **row, "pivot_references": list(references)}


@pytest.fixture
def models(minilm, comet_model, http_server):
    def echo(request):
        text = request.body["messages"][-1]["content"]
        return {"choices": [{"message": {"content": text.split("\n\n")[-1]}, "finish_reason": "stop"}]}

    place = {"place": "endpoint", "endpoint": {"urls": [http_server(echo).url]}}
    blocks = {
        "comet": {"model": comet_model, "scale": [-9, 9]},
        "embedding": {"model": minilm},
        "translation": {"model": "echo", "serving": place},
    }
    takes = {"embed_cosine": ["embedding"], "comet_score": ["comet"], "mt_chrf": ["translation"],
             "mt_embed_cosine": ["translation", "embedding"], "hybrid": ["comet", "embedding"]}  # fmt: skip
    return {reward: {name: blocks[name] for name in names} for reward, names in takes.items()}


REWARDS = ("embed_cosine", "comet_score", "mt_chrf", "mt_embed_cosine", "hybrid")


@pytest.mark.parametrize("reward", REWARDS)
def test_the_score_is_that_beside_the_best_single_reference(reward, models):
    """With one pair of texts to compare, that of the nearest reference, nothing else of the sample changes."""
    for response in (f"{SUBTRACTS} #### 11", f"{ADDS} #### 11", "Seventeen less six is eleven. #### 11"):
        alone = [
            call(reward, response, {**ROW, "pivot_reasoning": text}, combine=PLAIN, **models[reward])
            for text in (SUBTRACTS, ADDS)
        ]
        both = call(reward, response, with_({"reasoning": ADDS, "answer": "11"}), combine=PLAIN, **models[reward])
        place = int(both["nearest"])
        raw = "comet_raw" if reward == "comet_score" else "similarity"
        assert both[raw] == max(one[raw] for one in alone)
        assert {**both, "nearest": 0.0} == alone[place]


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize(
    "column", [None, [], (), np.array([], dtype=object), [{"reasoning": SUBTRACTS, "answer": None}], [SUBTRACTS]],
    ids=["null", "empty", "empty tuple", "empty array", "the same again", "the same as text"],
)  # fmt: skip
def test_without_a_further_reference_nothing_changes(reward, column, models):
    response = f"{ADDS} #### 11"
    without = call(reward, response, **models[reward])
    assert call(reward, response, {**ROW, "pivot_references": column}, **models[reward]) == without
    assert without["nearest"] == 0.0


#: Of the version before there were further references, all-MiniLM-L6-v2.
GOLDEN = {
    f"{SUBTRACTS} #### 11": 1.0,
    f"{ADDS} #### 11": 0.6614,
    "Seventeen less six is eleven. #### 11": 0.4387,
    f"{SUBTRACTS} #### 12": 0.0,
}


def test_a_file_without_the_column_scores_as_before(minilm):
    options = {"embedding": {"model": minilm}, "combine": {"floor": 0.0}}
    found = {response: call("embed_cosine", response, **options)["score"] for response in GOLDEN}
    assert found == pytest.approx(GOLDEN, abs=1e-3)


def test_a_response_that_goes_another_way_is_near_the_reference_that_goes_it(models):
    response = "From 6 one counts 10 up to 16 and another one to 17, so eleven pieces of fruit stay. #### 11"
    alone = call("embed_cosine", response, **models["embed_cosine"])
    both = call("embed_cosine", response, with_({"reasoning": ADDS}), **models["embed_cosine"])
    assert (both["nearest"], alone["nearest"]) == (1.0, 0.0)
    assert both["score"] > alone["score"] + 0.2


def test_a_response_is_encoded_once_and_each_reference_once_for_all_of_them(minilm):
    serving = {"place": "local", "device": "cpu", "cache_mib": 8}
    encoder = {"model": minilm, "max_tokens": 77}  # a scorer of its own
    responses = [f"Way {i}: seventeen less six is eleven. #### 11" for i in range(6)]

    async def group():
        row = with_(ADDS, FORMULAS)
        calls = (pbrlsvr.embed_cosine("d", one, "11", row, embedding=encoder, serving=serving) for one in responses)
        return await asyncio.gather(*calls)

    asyncio.run(group())
    (metrics,) = embedder(EmbeddingOptions(**encoder), ServingOptions(**serving))._scorer.describe()
    assert metrics["computed"] == len(responses) + 3


def test_the_hybrid_takes_comet_beside_the_reference_that_the_reasoning_is_near(models, comet_model):
    row = with_({"reasoning": ADDS, "answer": "11 apples", "answer_text": "Eleven pieces of fruit remain."})
    found = call("hybrid", f"{ADDS} #### 11", row, **models["hybrid"])
    assert found["nearest"] == 1.0
    beside = {**ROW, "pivot_reasoning": ADDS, "pivot_answer_text": "Eleven pieces of fruit remain."}
    assert found["comet_raw"] == call("comet_score", f"{ADDS} #### 11", beside, **models["comet_score"])["comet_raw"]


@pytest.mark.parametrize("reward", ["comet_score", "hybrid"])
def test_a_reference_in_formulas_alone_does_not_have_bare_answers_compared(reward, models):
    """Beside the same number, that would be a constant, and the highest one."""
    said = [f"{FORMULAS}. {text}\n#### 11" for text in ("Eleven apples are left.", "She keeps the rest of the fruit.")]
    scores = [call(reward, text, with_(FORMULAS), combine=PLAIN, **models[reward])["comet_raw"] for text in said]
    assert scores[0] != scores[1]


def test_formulas_alone_are_no_full_marks_beside_any_reference_in_words(minilm):
    spanish = {"language": "es", "question": "¿Cuántas manzanas le quedan a Ana?"}
    response = f"{FORMULAS} #### 11"
    without = call("embed_cosine", response, {**ROW, **spanish}, embedding={"model": minilm})
    beside = call("embed_cosine", response, with_(FORMULAS, **spanish), embedding={"model": minilm})
    assert beside["nearest"] == 1.0
    assert beside["reasoning_language_factor"] == without["reasoning_language_factor"] < 1.0


def test_english_words_of_any_reference_are_english_in_another_language(minilm):
    response = "Primero contamos hacia arriba: pieces fruit remain eleven reach, y por eso quedan once. #### 11"
    row = with_(ADDS, language="es", question="¿Cuántas le quedan?")
    swapped = {**row, "pivot_reasoning": ADDS, "pivot_references": [SUBTRACTS]}
    found, other = (call("embed_cosine", response, one, embedding={"model": minilm}) for one in (row, swapped))
    for key in ("reasoning_language_share", "reasoning_language_factor", "score"):
        assert found[key] == other[key]
    assert found["reasoning_language_factor"] < 1.0


def test_the_length_guard_looks_at_the_nearest_reference(minilm):
    long = " ".join([SUBTRACTS, "Let us look at it again, from another side, with more words for each small step."] * 4)
    found = call("embed_cosine", f"{ADDS} #### 11", with_(ADDS, pivot_reasoning=long), embedding={"model": minilm},
                 guards={"length": True})  # fmt: skip
    assert 1.0 <= found["length_ratio"] < 1.1


def test_a_wrong_answer_earns_a_tenth_at_most_beside_any_reference(models):
    found = call("hybrid", f"{ADDS} #### 12", with_(ADDS, {"reasoning": FORMULAS, "answer": "12"}), **models["hybrid"])
    assert (found["score"] <= 0.1, found["acc"]) == (True, 0.0)


@settings(max_examples=25)
@given(order=st.permutations([ADDS, FORMULAS, "Because of 11.", SUBTRACTS]))
def test_the_order_of_the_references_does_not_change_the_score(order, minilm):
    row = {**ROW, "pivot_reasoning": order[0], "pivot_references": order[1:]}
    found = call("embed_cosine", "Eleven apples remain, as 6 and 11 are 17. #### 11", row, embedding={"model": minilm})
    first = call("embed_cosine", "Eleven apples remain, as 6 and 11 are 17. #### 11", with_(ADDS, FORMULAS,
                 "Because of 11."), embedding={"model": minilm})  # fmt: skip
    assert {**found, "nearest": 0.0} == {**first, "nearest": 0.0}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("one text", r"\['pivot_references'\]='one text' must be a list"),
        ({"reasoning": ADDS}, "must be a list"),
        (7, r"=7 must be a list"),
        (float("nan"), "=nan must be a list"),
        (b"bytes", "must be a list"),
        ([ADDS, 7], r"\['pivot_references'\]\[1\]=7 must be "),
        ([None], r"\[0\]=None must be "),
        ([[ADDS]], r"\[0\]=\[.* must be "),
        ([" \n"], r"\[0\]\['reasoning'\]=' \\n' is empty; leave the entry out"),
        ([{"answer": "11"}], r"\[0\]\['reasoning'\]=None must be a text"),
        ([{"reasoning": ADDS, "answer": 11}], r"\[0\]\['answer'\]=11 must be a text"),
        (np.array([1.0]), r"\[0\]=1.0 must be"),
    ],
)
def test_references_of_another_kind_are_named_with_their_row(column, message, minilm):
    with pytest.raises(DataError, match=rf"row 3 of 'demo/en'.*{message}"):
        call("embed_cosine", f"{ADDS} #### 11", {**ROW, "pivot_references": column}, embedding={"model": minilm})


def test_what_parquet_and_pandas_make_of_the_column_is_read():
    entries = np.array([{"reasoning": ADDS, "answer": "11", "answer_text": None, "model": "m"}], dtype=object)
    (found,) = read_references(entries)
    assert (found.reasoning, found.answer, found.answer_text) == (ADDS, "11", "")


def test_an_entry_of_more_digits_than_python_writes_is_refused_as_any_other():
    with pytest.raises(DataError, match="must be a text"):
        read_references([{"reasoning": 10**5000}])
