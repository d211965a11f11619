"""The same scores through every body, the same vectors through /v1/embeddings, and an OpenAPI that says what is so."""

import asyncio
import base64
import json

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.checks import positive_data_acceptance

import pbrlsvr
from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.embedding.text_splitter import TextSplitter
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr_plugin.adapters.openrlhf import answer
from pbrlsvr_plugin.adapters.samples import response_in

QWEN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
TEXTS = ["Ana has 17 apples.", "Ana hat 17 Äpfel.", "আনার ১৭টি আপেল আছে।", "", "\u200eشقيقة",
         " ".join(f"Step {i}: Ana has {i} apples and {2 * i} pears." for i in range(120))]  # fmt: skip


def row(number, language, words):
    return {
        "data_source": f"sums/{language}",
        "ground_truth": str(17 - number),
        "extra_info": {
            "index": number,
            "language": language,
            "question": f"17 - {number}?",
            "pivot_reasoning": f"Ana has 17 apples and gives away {number}, so {17 - number} are left.",
            "pivot_answer": str(17 - number),
        },
        "response": f"<think>\n{words.format(number, 17 - number)}\n</think>\n#### {17 - number}",
    }


ROWS = [
    row(number, language, words)
    for number in (2, 6)
    for language, words in {
        "es": "Ana tiene 17 manzanas y regala {0}, así que le quedan {1}.",
        "de": "Ana hat 17 Äpfel und verschenkt {0}, also bleiben {1}.",
        "bn": "আনার ১৭টি আপেল আছে, সে {0}টি দেয়, তাই {1}টি থাকে।",
        "zh": "安娜有17个苹果，送出{0}个，还剩{1}个。",
    }.items()
]


@pytest.fixture(scope="module")
def reward(minilm):
    """An encoder with a prompt, as E5 has one."""
    return {"embedding": {"model": minilm, "prompt": "query: "}}


@pytest.fixture(scope="module")
def served(start, reward):
    return start(f"options={json.dumps(reward)}", "limits.samples=64")


@pytest.fixture(scope="module")
def client(served):
    with httpx.Client(base_url=served.url, timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def expected(reward):
    """What the reward says of the rows when it is asked here."""

    async def ask():
        return await asyncio.gather(
            *(
                pbrlsvr.embed_cosine(r["data_source"], r["response"], r["ground_truth"], r["extra_info"], **reward)
                for r in ROWS
            )
        )

    return asyncio.run(ask())


def post(client, path, body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def label(of):
    return json.dumps({name: of[name] for name in ("data_source", "ground_truth", "extra_info")}, ensure_ascii=False)


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    assert found == pytest.approx(wanted, abs=1e-5)


def test_samples_have_the_scores_and_components_that_the_reward_gives_here(client, expected):
    found = post(client, "/score", {"samples": ROWS})["results"]
    for each, wanted in zip(found, expected, strict=True):
        assert_same({"score": each["score"], **each["components"]}, wanted)


def test_openrlhf_gets_numbers_for_one_rollout_and_lists_for_several(client, expected):
    def body(rows):
        prompts = [QWEN.format(r["extra_info"]["question"]) for r in rows]
        query = [prompt + r["response"] + "<|im_end|>\n" for prompt, r in zip(prompts, rows, strict=True)]
        return {"query": query, "prompts": prompts, "labels": [label(r) for r in rows]}

    for r, wanted in zip(ROWS[:4], expected, strict=False):
        found = post(client, "/get_reward", body([r]))
        assert found["rewards"] == found["scores"] == pytest.approx(wanted["score"], abs=1e-5)
        assert_same(found["extra_logs"], answer(wanted)["extra_logs"])
    together = post(client, "/get_reward", body(ROWS))
    assert together["rewards"] == pytest.approx([each["score"] for each in expected], abs=1e-5)
    assert together["extra_logs"]["pbrlsvr/acc"] == [each["acc"] for each in expected]
    refused = client.post("/get_reward", json={**body(ROWS[:2]), "labels": [label(ROWS[0])]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "labels")
    wrong = client.post("/get_reward", json={**body(ROWS[:1]), "labels": ['{"extra_info": {"language": 3}}']})
    assert wrong.json()["error"]["param"] == "labels[0].extra_info.language"


def test_special_tokens_are_found_in_a_response_of_spaces():
    """In time that grows with its length: with its square, this would take an hour."""
    spaces = " \n" * 100_000
    assert response_in(f"a: {spaces}x{' </s>' * 10_000}", "a: ") == f"{spaces}x "
    assert response_in(f"a: {spaces}x{spaces}", "a: ") == f"{spaces}x{spaces}"


def test_a_query_without_its_prompt_has_no_response(client):
    refused = client.post("/get_reward", json={"query": ["other text"], "prompts": ["the prompt"], "labels": ["1"]})
    assert refused.status_code == 422
    assert "query[0]: the query 'other text' does not hold the end of its prompt" in refused.json()["error"]["message"]


def test_slime_and_miles_get_a_number_or_an_object(client, expected):
    for r, wanted in zip(ROWS, expected, strict=True):
        body = {
            "prompt": [{"role": "user", "content": "?"}],
            "response": r["response"] + "<|im_end|>",
            "label": label(r),
        }
        assert post(client, "/rm", body) == pytest.approx(wanted["score"], abs=1e-5)
        assert_same(post(client, "/rm/components", {**body, "label": json.loads(label(r))}), wanted)
    assert client.post("/rm", json={"prompt": "?", "response": "a", "label": "18"}).status_code == 422  # no reference


def test_nemo_gym_gets_its_request_again_with_the_reward(client, expected):
    for r, wanted in zip(ROWS, expected, strict=True):
        thought, _, answer = r["response"].partition("\n</think>\n")
        said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": r["response"]}]}
        apart = [
            {
                "type": "reasoning",
                "id": "r",
                "summary": [{"type": "summary_text", "text": thought.removeprefix("<think>\n")}],
            },
            {**said, "content": [{"type": "output_text", "text": answer}]},
        ]
        columns = {name: r[name] for name in ("data_source", "ground_truth", "extra_info")}
        for output, row_of in (([said], columns), (apart, {"verifier_metadata": columns, "acc": "of the row"})):
            body = {"responses_create_params": {"input": "?"}, "response": {"id": "x", "output": output}, **row_of}
            found = post(client, "/verify", body)
            assert {name: found[name] for name in body} == body
            assert found["reward"] == pytest.approx(wanted["score"], abs=1e-5)
            assert_same({"score": found["reward"], **found["reward_components"]}, wanted)
    assert post(client, "/seed_session", {"anything": 1}) == {}
    nothing = {"responses_create_params": {}, "response": {"output": [{"type": "function_call", "name": "f"}]}}
    refused = client.post("/verify", json=nothing)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "response.output")


def test_nemo_gym_gets_its_figures_of_all_rollouts_and_may_verify_them_again(client):
    rollouts = [
        {"_ng_task_index": task, "_ng_rollout_index": n, "reward": reward, "right": reward == 1, "data_source": "a/sw",
         "response": {"usage": {"output_tokens": 10 * n, "output_tokens_details": {"reasoning_tokens": 1}}}}
        for task, rewards in ((7, [1, 0.5, 0.0]), (3, [0.25]))
        for n, reward in enumerate(rewards)
    ]  # fmt: skip
    found = post(client, "/aggregate_metrics", {"verify_responses": rollouts})
    alone, three = found["group_level_metrics"]
    assert [(each["_ng_task_index"], each["num_rollouts"]) for each in (alone, three)] == [(3, 1), (7, 3)]
    assert (alone["mean/reward"], alone["std/reward"]) == (0.25, 0.0)
    # (0.5, 0, -0.5): the squares sum to 0.5, over n - 1 = 2.
    assert [three[f"{name}/reward"] for name in ("mean", "max", "min", "median", "std")] == [0.5, 1.0, 0.0, 0.5, 0.5]
    assert (three["mean/right"], three["mean/output_tokens"]) == (pytest.approx(1 / 3), 10.0)
    assert found["agent_metrics"]["mean/reward"] == 1.75 / 4
    assert found["key_metrics"] == {
        "mean/reward": 1.75 / 4, "mean/right": 0.25, "mean/output_tokens": 7.5,
    }  # fmt: skip
    assert post(client, "/aggregate_metrics", {"verify_responses": []}) == {
        "group_level_metrics": [], "agent_metrics": {}, "key_metrics": {},
    }  # fmt: skip
    huge = {"verify_responses": [{"reward": 10**400}, {"reward": 1.7e308}, {"reward": -1.7e308}, {"reward": True}]}
    assert post(client, "/aggregate_metrics", huge)["key_metrics"] == {"mean/reward": 1.0}
    for wrong, param in (
        ([{"_ng_task_index": "a"}], "verify_responses[0]._ng_task_index"),
        ([{f"n{number}": 1 for number in range(2000)}], "verify_responses"),
        ([{}] * 100_001, "verify_responses"),
        ([3], "verify_responses[0]"),
    ):
        refused = client.post("/aggregate_metrics", json={"verify_responses": wrong})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert client.get("/reverify_mode").json() == "stateless"


def test_embeddings_are_those_of_the_texts_as_they_are(client, minilm):
    here = embedder(EmbeddingOptions(model=minilm, prompt=""), ServingOptions(place="local"))

    async def ask():
        return await asyncio.gather(*map(here.embed, TEXTS))

    wanted = np.stack(asyncio.run(ask()))
    for form in ("float", "base64"):
        found = post(client, "/v1/embeddings", {"model": minilm, "input": TEXTS, "encoding_format": form})
        assert [each["index"] for each in found["data"]] == list(range(len(TEXTS)))
        rows = [each["embedding"] for each in found["data"]]
        vectors = [np.frombuffer(base64.b64decode(each), "<f4") for each in rows] if form == "base64" else rows
        np.testing.assert_allclose(np.array(vectors), wanted, atol=1e-5)
    assert client.get("/v1/models").json()["data"][0]["id"] == minilm
    for change, status in (
        ({"model": "other"}, 404), ({"dimensions": 7}, 422), ({"input": []}, 422), ({"input": [[1, 2]]}, 422),
        ({"encoding_format": "int8"}, 422), ({"input": ["a"] * 65}, 422), ({"input": "x" * 200_001}, 422),
    ):  # fmt: skip
        answer = client.post("/v1/embeddings", json={"model": minilm, "input": "a", **change})
        assert answer.status_code == status, (change, answer.text)
    assert client.post("/v1/embeddings", json={"model": minilm, "input": "a", "dimensions": 384}).status_code == 200


def test_a_reward_elsewhere_has_its_vectors_from_here_and_the_same_scores(served, reward, expected):
    serving = {"place": "endpoint", "endpoint": {"urls": [f"{served.url}/v1"], "max_texts": 8}}

    async def ask():
        return await asyncio.gather(
            *(pbrlsvr.embed_cosine(r["data_source"], r["response"], r["ground_truth"], r["extra_info"],
                                   **reward, serving=serving) for r in ROWS)
        )  # fmt: skip

    for found, wanted in zip(asyncio.run(ask()), expected, strict=True):
        assert found["score"] == pytest.approx(wanted["score"], abs=5e-4)  # the grid of 2^-12 may round otherwise


@pytest.mark.parametrize("extra", [-2, -1, 0, 1, 2])
def test_a_text_that_just_fits_has_the_same_vector_from_here(client, minilm, served, extra):
    """The client cuts at the model's limit; a piece of just that length must not be cut again."""
    options = EmbeddingOptions(model=minilm, prompt="query: ")
    here = ServingOptions(place="local")
    there = ServingOptions(place="endpoint", endpoint={"urls": [f"{served.url}/v1"]})
    splitter = TextSplitter.of(embedder(options, here)._scorer.options)
    text = " ".join(["apple"] * (splitter.piece_tokens + extra))

    async def ask():
        return await embedder(options, here).embed(text), await embedder(options, there).embed(text)

    np.testing.assert_allclose(*asyncio.run(ask()), atol=1e-5)


def test_metrics_are_prometheus_and_count_what_was_asked(client):
    def value(name, **labels):
        families = text_string_to_metric_families(client.get("/metrics").text)
        found = [s.value for f in families for s in f.samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(found)

    before = value("pbrlsvr_requests_total", path="/score", status="200"), value("pbrlsvr_score_count")
    post(client, "/score", {"samples": ROWS})
    after = value("pbrlsvr_requests_total", path="/score", status="200"), value("pbrlsvr_score_count")
    assert after == (before[0] + 1, before[1] + len(ROWS))
    assert value("pbrlsvr_ready") == 1
    assert value("pbrlsvr_scorer_computed", kind="EncoderLoader") > 0
    assert value("process_resident_memory_bytes") > 0


def test_each_example_of_the_openapi_is_answered(client):
    found = client.get("/openapi.json").json()
    asked = 0
    for path, methods in found["paths"].items():
        reference = (
            methods.get("post", {})
            .get("requestBody", {})
            .get("content", {})
            .get("application/json", {})
            .get("schema", {})
        )
        name = reference.get("$ref", "").rpartition("/")[2]
        for example in found["components"]["schemas"].get(name, {}).get("examples", []):
            model = client.get("/v1/models").json()["data"][0]["id"]
            post(client, path, {**example, "model": model} if "model" in example else example)
            asked += 1
    assert asked == 7


def test_what_the_openapi_says_holds_for_requests_right_and_wrong(served):
    operations = [
        each.ok() for each in schemathesis.openapi.from_url(f"{served.url}/openapi.json").get_all_operations()
    ]
    assert len(operations) == 13
    for operation in operations:
        for mode in schemathesis.GenerationMode:

            @settings(max_examples=12, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case):
                # A sample of the right form may still lack what the reward reads, and get 422 for it.
                case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=300)

            if mode in _modes(operation):
                check()


def _modes(operation):
    """What has no parameters and no body cannot be asked wrongly."""
    return list(schemathesis.GenerationMode) if operation.body else [schemathesis.GenerationMode.POSITIVE]
