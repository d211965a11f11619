import asyncio
import base64
import json
import logging
import random
import re
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from pbrlsvr.errors import ConfigError, ModelError, ServiceError
from pbrlsvr.models.embedding.embedder import EncoderLoader, embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.embedding.order import AT_FIRST, TEXTS_PER_LOOK
from pbrlsvr.models.embedding.served import EndpointEncoder
from pbrlsvr.models.embedding.text_splitter import TextSplitter
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.endpoint import EndpointOptions, RejectedError
from pbrlsvr.serving.options import ServingOptions

KEY = "sk-very-secret-0123456789"
LONG = " ".join(f"Step {i}: Ana has {i} apples and {2 * i} pears." for i in range(120))
REST = [0.0] * 381
FIRST = 2  # requests for one vector as numbers and as bytes, before all others
KNOWN = "Ana has 17 apples and gives away 6."  # goes along with some requests
TEXTS = ["Ana has 17 apples.", "Ana hat 17 Äpfel.", "আনার ১৭টি আপেল আছে।", "17", "\u200eشقيقة", "", LONG, LONG[::-1]]


@pytest.fixture(scope="module")
def sentence_transformer(minilm):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(minilm, device="cpu")


@pytest.fixture
def serve(http_server, sentence_transformer):
    """A server of the real model; `change(body)` may spoil an answer, and `floats=False` refuses base64."""

    def start(change=lambda body, request: body, base64_known=True):
        def answer(request):
            payload = request.body
            wants_base64 = payload["encoding_format"] == "base64"
            if wants_base64 and not base64_known:
                return 422, {"error": "unknown encoding_format 'base64'"}
            vectors = sentence_transformer.encode(payload["input"], normalize_embeddings=False).astype("<f4")
            shown = [base64.b64encode(v.tobytes()).decode() if wants_base64 else v.tolist() for v in vectors]
            return change({"data": [{"index": i, "embedding": e} for i, e in enumerate(shown)]}, request)

        return http_server(answer)

    return start


@pytest.fixture
def vector_server(http_server):
    """A server whose vectors a test makes: `start(spoil)`; that of a text is its length, 1, 2 and zeros up to 384."""

    def start(spoil=lambda rows, request: {"data": rows}):
        def answer(request):
            texts = request.body["input"]
            rows = [{"index": i, "embedding": [float(len(t)), 1.0, 2.0, *REST]} for i, t in enumerate(texts)]
            return spoil(rows, request)

        return http_server(answer)

    return start


def encoder(model, *servers, max_tokens=None, prompt=None, **options):
    urls = tuple(server.url for server in servers)
    settings = {"urls": urls, "timeout_s": 5.0, "retries": 2, "deadline_s": 20.0, **options}
    return EndpointEncoder(
        EncoderLoader.of(EmbeddingOptions(model, max_tokens=max_tokens, prompt=prompt)).served_by(
            EndpointOptions(**settings)
        )
    )


def local_vectors(model, texts):
    return EncoderLoader.of(EmbeddingOptions(model)).load().run(texts)


def in_turn(*spoilers):
    left = list(spoilers)
    return lambda rows, request: (left.pop(0) if len(left) > 1 else left[0])(rows, request)


def fine(rows, request):
    return {"data": rows}


@pytest.mark.parametrize("base64_known", [True, False])
@pytest.mark.parametrize("prompt", [None, "query: "])
async def test_cosines_are_those_of_the_local_model(minilm, serve, base64_known, prompt):
    server = serve(base64_known=base64_known)
    options = EmbeddingOptions(minilm, prompt=prompt)
    away = ServingOptions(place="endpoint", endpoint=EndpointOptions(urls=(server.url,)))
    local, remote = embedder(options, ServingOptions(place="local")), embedder(options, away)
    for text in TEXTS:
        for other in (TEXTS[0], LONG):
            assert await remote.cosine(text, other) == pytest.approx(await local.cosine(text, other), abs=1e-5)
    assert all(text.startswith(prompt or "") for request in server.requests for text in request.body["input"])


def test_vectors_of_split_texts_are_those_of_the_local_model(minilm, serve):
    options = EncoderLoader.of(EmbeddingOptions(minilm, max_tokens=40))
    texts = [LONG, LONG[100:900], "Ana has 17 apples. " * 12]
    remote = options.served_by(EndpointOptions(urls=(serve().url,))).load().run(texts)
    np.testing.assert_allclose(np.stack(remote), np.stack(options.load().run(texts)), atol=1e-5)


def test_a_request_holds_no_more_texts_and_characters_than_allowed(vector_server, minilm):
    server = vector_server()
    texts = [f"{i} " + "x" * i for i in range(40)]
    vectors = encoder(minilm, server, max_texts=4, max_characters=60).run(texts)
    inputs = [request.body["input"] for request in server.requests[FIRST:]]
    assert sorted(text for batch in inputs for text in batch if text != KNOWN) == sorted(texts)
    assert all(len(batch) <= 4 for batch in inputs)
    assert all(sum(map(len, batch)) <= 60 for batch in inputs if len(batch) > 1)
    for text, vector in zip(texts, vectors, strict=True):
        expected = np.array([len(text), 1.0, 2.0, *REST])
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_requests_are_in_flight_together(vector_server, minilm):
    together = threading.Barrier(20)

    def meet(rows, request):
        together.wait(60)  # breaks unless all are there
        return {"data": rows}

    server = vector_server(in_turn(*[fine] * FIRST, meet))
    vectors = encoder(minilm, server, max_texts=1, timeout_s=120.0, retries=0).run([str(i) for i in range(20)])
    assert not any(isinstance(vector, Failure) for vector in vectors)


def test_the_name_at_the_server_may_differ(vector_server, minilm):
    server = vector_server()
    encoder(minilm, server, served_model="minilm").run(["a"])
    encoder(minilm, server).run(["a"])
    assert [request.body["model"] for request in server.requests] == ["minilm"] * 3 + [minilm] * 3


def test_a_shuffled_index_is_put_in_order(vector_server, minilm):
    texts = ["a", "bb", "ccc"]
    vectors = encoder(minilm, vector_server(lambda rows, request: {"data": rows[::-1]})).run(texts)
    assert all(one[0] < two[0] for one, two in pairwise(vectors))


def moved(order):
    """A server that gives each text the vector of another, under valid indices."""

    def change(body, request):
        rows = body["data"]
        vectors = [rows[at]["embedding"] for at in order(list(range(len(rows))), request.body["input"])]
        return {"data": [{"index": at, "embedding": vector} for at, vector in enumerate(vectors)]}

    return change


ORDERS = {
    "reversed": lambda places, texts: places[::-1],
    "turned": lambda places, texts: places[1:] + places[:1],
    "shuffled": lambda places, texts: random.Random(7).sample(places, len(places)),
    "by length": lambda places, texts: sorted(places, key=lambda at: len(texts[at])),
    "halves exchanged": lambda places, texts: places[len(places) // 2 :] + places[: len(places) // 2],
    "hits of a cache first": lambda places, texts: sorted(places, key=lambda at: texts[at] != KNOWN),
    "only long requests": lambda places, texts: places[::-1] if len(places) > 8 else places,
}
MIXED = [f"{who} has {n} pears." + " Then more." * (n % 5) for n in range(12) for who in ("Ana", "Bo", "Cy")]


@pytest.mark.parametrize("order", ORDERS)
def test_a_server_that_mixes_up_the_order_of_a_request_is_an_error_with_its_name_and_both_cosines(serve, minilm, order):
    random.seed(1)  # decides where the known text goes
    server = serve(moved(ORDERS[order]))
    remote = encoder(minilm, server, retries=0)
    failed = remote.run(MIXED)
    assert all(isinstance(each, Failure) for each in failed)  # also what other requests were answered
    (said,) = {str(each.error) for each in failed}
    assert f"{server.url}/embeddings" in said
    cosines = [float(found) for found in re.findall(r"(-?\d\.\d{3})", said)]
    assert cosines[0] < 0.9 < 0.99 < cosines[1]
    assert "serving.endpoint.max_texts=1" in said
    asked = len(server.requests)
    assert all(isinstance(each, Failure) for each in remote.run(["a", "b"]))  # and is not asked again
    assert len(server.requests) == asked
    alone = encoder(minilm, server, max_texts=1).run(MIXED[:3])
    np.testing.assert_allclose(np.stack(alone), np.stack(local_vectors(minilm, MIXED[:3])), atol=1e-5)


def test_a_server_that_begins_to_mix_up_texts_later_is_noticed(serve, minilm):
    mixes = threading.Event()
    reverse = moved(ORDERS["reversed"])
    server = serve(lambda body, request: reverse(body, request) if mixes.is_set() else body)
    remote = encoder(minilm, server)
    assert not any(isinstance(each, Failure) for each in remote.run(MIXED * 10))
    mixes.set()
    runs = [remote.run([f"{n} {text}" for text in MIXED]) for n in range(4)]
    assert all(isinstance(each, Failure) for each in runs[-1])


def test_of_several_servers_one_with_another_model_is_named(serve, minilm):
    rotate = np.roll(np.eye(384, dtype="<f4"), 5, axis=0)

    def another(body, request):
        for row in body["data"]:
            vector = row["embedding"]
            vector = np.frombuffer(base64.b64decode(vector), "<f4") if isinstance(vector, str) else np.array(vector)
            row["embedding"] = (vector @ rotate).tolist()
        return body

    servers = [serve(), serve(), serve(another)]
    failed = encoder(minilm, *servers).run(MIXED * 5)
    (said,) = {str(each.error) for each in failed}
    assert any(f"{server.url}/embeddings" in said for server in servers)
    assert "do all URLs serve it, and in the same precision?" in said


@pytest.mark.parametrize(("max_texts", "texts"), [(32, 5_000), (2, 400), (1, 400), (7, 3)])
def test_looking_costs_one_text_in_a_hundred(vector_server, minilm, max_texts, texts):
    server = vector_server()
    remote = encoder(minilm, server, max_texts=max_texts)
    vectors = remote.run([f"{i}" + "x" * (i % 90) for i in range(texts)])
    assert not any(isinstance(vector, Failure) for vector in vectors)
    inputs = [request.body["input"] for request in server.requests[FIRST:]]
    assert all(len(batch) <= max_texts for batch in inputs)
    places = [batch.index(KNOWN) for batch in inputs if KNOWN in batch]
    assert 0 not in places
    assert len(places) <= AT_FIRST + texts / TEXTS_PER_LOOK
    assert len(places) >= (0 if max_texts == 1 else 1 if texts < max_texts else texts / TEXTS_PER_LOOK)


def test_noise_of_another_precision_and_of_other_lengths_is_no_other_order(minilm, http_server):
    import torch
    from sentence_transformers import SentenceTransformer

    halved = SentenceTransformer(minilm, device="cpu").to(torch.bfloat16)

    def answer(request):
        texts = request.body["input"]
        vectors = halved.encode(texts, batch_size=len(texts), convert_to_tensor=True).float().tolist()
        return {"data": [{"index": at, "embedding": vector} for at, vector in enumerate(vectors)]}

    vectors = encoder(minilm, http_server(answer), timeout_s=60.0).run([*TEXTS, *MIXED, *TEXTS[::-1]])
    assert not any(isinstance(vector, Failure) for vector in vectors)


FAULTS = {
    "count": lambda rows, request: {"data": rows[1:]},
    "index twice": lambda rows, request: {"data": [rows[0], *rows[:-1]]},
    "no index": lambda rows, request: {"data": [{"embedding": row["embedding"]} for row in rows]},
    "no data": lambda rows, request: {"error": "overloaded"},
    "no vectors": lambda rows, request: {"data": [{"index": row["index"]} for row in rows]},
    "dimension": lambda rows, request: {"data": [{**row, "embedding": row["embedding"][:2]} for row in rows]},
    "mixed": lambda rows, request: {"data": [{**rows[0], "embedding": [1.0]}, *rows[1:]]},
    "empty": lambda rows, request: {"data": [{**row, "embedding": []} for row in rows]},
    "words": lambda rows, request: {"data": [{**row, "embedding": ["a", "b", "c"]} for row in rows]},
    "not base64": lambda rows, request: {"data": [{**row, "embedding": "???"} for row in rows]},
    "cut base64": lambda rows, request: {"data": [{**row, "embedding": "AAAAAAA="} for row in rows]},
    "NaN": lambda rows, request: json.dumps({"data": [{**r, "embedding": [float("nan")] * 384} for r in rows]}),
    "null": lambda rows, request: {"data": [{**row, "embedding": [None] * 384} for row in rows]},
    "zero": lambda rows, request: {"data": [{**row, "embedding": [0.0] * 384} for row in rows]},
    "infinite": lambda rows, request: json.dumps({"data": [{**r, "embedding": [float("inf")] * 384} for r in rows]}),
    "HTML": lambda rows, request: "<html>Welcome</html>",
    "cut JSON": lambda rows, request: json.dumps({"data": rows})[:-9],
    "500": lambda rows, request: (500, "Internal Server Error"),
    "429": lambda rows, request: (429, "slow down", {"Retry-After": "0"}),
}


def as_text(spoil):
    def answer(rows, request):
        given = spoil(rows, request)
        return (200, given) if isinstance(given, str) else given

    return answer


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_changes_no_vector(vector_server, minilm, fault):
    texts = ["a", "bb", "ccc"]
    expected = encoder(minilm, vector_server()).run(texts)
    server = vector_server(in_turn(*[fine] * FIRST, fine, as_text(FAULTS[fault]), fine))
    spoiled = encoder(minilm, server)
    spoiled.run(["warm up"])
    np.testing.assert_array_equal(spoiled.run(texts), expected)
    assert len(server.requests) == FIRST + 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_an_error_for_each_text_and_never_a_vector(vector_server, minilm, fault):
    spoiled = encoder(
        minilm, vector_server(in_turn(*[fine] * FIRST, fine, as_text(FAULTS[fault]))), retries=1, deadline_s=2.0
    )
    spoiled.run(["warm up"])
    results = spoiled.run(["a", "bb", "ccc"])
    if fault in ("index twice", "mixed"):  # which they are not, where a text is asked for alone
        right = encoder(minilm, vector_server()).run(["a", "bb", "ccc"])
        assert all(isinstance(one, Failure) or (one == two).all() for one, two in zip(results, right, strict=True))
        return
    assert all(isinstance(result, Failure) for result in results)
    assert all(isinstance(result.error, ServiceError) for result in results)
    assert ("asks for a pause" if fault == "429" else "2 attempts") in str(results[0].error)


async def test_the_caller_gets_the_error_not_a_score(http_server, minilm):
    server = http_server(lambda request: (503, "starting"))
    away = ServingOptions("endpoint", endpoint=EndpointOptions(urls=(server.url,), retries=1))
    with pytest.raises(ServiceError, match="starting"):
        await embedder(EmbeddingOptions(minilm), away).cosine("a", "b")


async def test_all_servers_down_is_an_error_in_bounded_time(http_server, minilm):
    servers = [http_server(lambda request: {}) for _ in range(2)]
    for server in servers:
        server.stop()
    target = EndpointOptions(urls=tuple(server.url for server in servers), retries=3, max_texts=1, max_concurrency=2)
    remote = embedder(EmbeddingOptions(minilm), ServingOptions("endpoint", endpoint=target))
    outcomes = await asyncio.gather(*(remote.embed(str(i)) for i in range(50)), return_exceptions=True)
    assert len({str(outcome) for outcome in outcomes}) < 10  # each of them does not have its own retries
    assert all(isinstance(outcome, ServiceError) for outcome in outcomes)
    assert all(server.url in str(outcomes[0]) for server in servers)


def test_one_server_down_changes_no_vector(vector_server, minilm):
    one, two = vector_server(), vector_server()
    one.stop()
    texts = [f"{i}" * i for i in range(1, 30)]
    both, alone = encoder(minilm, one, two, max_texts=2), encoder(minilm, two)
    np.testing.assert_array_equal(both.run(texts), alone.run(texts))


def test_a_server_with_another_model_is_not_mixed_in(vector_server, minilm):
    other = vector_server(lambda rows, request: {"data": [{**row, "embedding": [1.0] * 7} for row in rows]})
    mixed = encoder(minilm, vector_server(), other, max_texts=1)
    vectors = mixed.run([str(i) for i in range(12)])
    assert len({len(vector) for vector in vectors if not isinstance(vector, Failure)}) == 1


def refusing(rows, request):
    if any("poison" in text for text in request.body["input"]):
        return 400, {"error": "this text exceeds the maximum context length"}
    return {"data": rows}


def spoiling(rows, request):
    texts = request.body["input"]
    return {
        "data": [{**r, "embedding": [None] * 384} if "poison" in t else r for r, t in zip(rows, texts, strict=True)]
    }


@pytest.mark.parametrize(("spoil", "kind"), [(refusing, RejectedError), (spoiling, ModelError)])
def test_a_poison_text_fails_alone(vector_server, minilm, spoil, kind):
    texts = [*(f"text {i}" for i in range(20)), "poison"]
    results = encoder(minilm, vector_server(spoil), retries=1).run(texts)
    failures = [text for text, result in zip(texts, results, strict=True) if isinstance(result, Failure)]
    assert failures == ["poison"]
    assert isinstance(results[-1].error, kind)


@pytest.mark.parametrize(("status", "words"), [(401, "OPENAI_API_KEY"), (404, "/v1")])
def test_what_no_retry_mends_fails_at_once(http_server, minilm, monkeypatch, status, words):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = http_server(lambda request: (status, "no"))
    results = encoder(minilm, server, api_key_env="OPENAI_API_KEY").run(["a"])
    assert words in str(results[0].error)
    assert len([request for request in server.requests if request.method == "POST"]) == 1


def test_the_key_reaches_the_server_and_nothing_else(http_server, minilm, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    server = http_server(lambda request: (401, f"you sent {request.headers['authorization']}"))
    remote = encoder(minilm, server, api_key_env="OPENAI_API_KEY")
    results = remote.run(["a"])
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    for shown in (str(results[0].error), repr(results), repr(remote.options), caplog.text):
        assert KEY not in shown


def test_without_a_tokenizer_texts_are_split_by_characters(caplog):
    splitter = TextSplitter.of(EncoderLoader.of(EmbeddingOptions("/no/such/model", max_tokens=100, prompt="query: ")))
    pieces = splitter.split(LONG)
    assert "".join(piece for piece, _ in pieces) == LONG
    assert all(len(piece) == weight <= 100 - len("query: ") - 4 for piece, weight in pieces)
    assert "split by characters" in caplog.text


def test_the_splitter_knows_what_the_loaded_model_knows(minilm):
    for options in (EmbeddingOptions(minilm), EmbeddingOptions(minilm, max_tokens=50, prompt="query: ")):
        loader = EncoderLoader.of(options)
        loaded, splitter = loader.load(), TextSplitter.of(loader)
        assert (splitter.piece_tokens, splitter.prompt) == (loaded.piece_tokens, loaded.prompt)


def test_a_limit_that_leaves_no_room_is_refused(minilm):
    with pytest.raises(ConfigError, match="max_tokens=3"):
        TextSplitter.of(EncoderLoader.of(EmbeddingOptions(minilm, max_tokens=3, prompt="query: ")))


def test_a_scorer_that_no_server_offers_is_refused(minilm):
    from pbrlsvr.models.comet.comet import comet
    from pbrlsvr.models.comet.options import CometOptions

    with pytest.raises(ConfigError, match=r"serving\.place='endpoint' cannot run model.*no client for CometLoader"):
        comet(CometOptions(minilm), ServingOptions("endpoint", endpoint=EndpointOptions(urls=("http://host/v1",))))


@pytest.fixture
def router(http_server):
    """veRL's own router, `router(servers) -> "host:port"`."""
    naive_router = pytest.importorskip("verl.experimental.reward_loop.router.naive_router")
    import uvicorn

    running = []

    def start(*servers):
        app = naive_router.NaiveRouter([server.url.removesuffix("/v1") for server in servers], retry_delay=0.05).app
        listener = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=listener.run, daemon=True)
        thread.start()
        running.append((listener, thread))
        while not listener.started:
            time.sleep(0.02)
        return f"127.0.0.1:{listener.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for listener, thread in running:
        listener.should_exit = True
        thread.join(10)


async def test_through_verl_s_router_cosines_are_those_of_the_local_model(minilm, serve, router):
    one, two = serve(), serve()
    away = ServingOptions("endpoint", endpoint=EndpointOptions(max_texts=2)).at(router(one, two))
    local, remote = (
        embedder(EmbeddingOptions(minilm), ServingOptions("local")),
        embedder(EmbeddingOptions(minilm), away),
    )
    for text in TEXTS:
        assert await remote.cosine(text, LONG) == pytest.approx(await local.cosine(text, LONG), abs=1e-5)


async def test_a_model_that_verl_serves_without_embeddings_is_an_error(http_server, minilm, router):
    # The router turns the server's 404 into its own 500, so that it is tried again before it fails.
    address = router(http_server(lambda request: (404, {"detail": "Not Found"})))
    away = ServingOptions("endpoint", endpoint=EndpointOptions(retries=1)).at(address)
    with pytest.raises(ServiceError, match="HTTP 500"):
        await embedder(EmbeddingOptions(minilm), away).embed("a")


async def test_verl_s_own_reward_model_is_asked_through_its_router(minilm, serve):
    address = serve().url.removeprefix("http://").removesuffix("/v1")
    away = ServingOptions("endpoint").at(address)
    assert await embedder(EmbeddingOptions(minilm), away).cosine("a", "a") == pytest.approx(1.0, abs=1e-6)
