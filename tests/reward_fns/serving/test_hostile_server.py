"""What a server may do to its clients: our own errors, bounded memory, the other answers kept, and no score of 0."""

import asyncio
import base64
import gzip
import json
import os
import subprocess
import sys
import textwrap
import zlib

import numpy as np
import pytest

from pbrlsvr.errors import ModelError, ServiceError
from pbrlsvr.models.embedding.embedder import EmbeddingOptions, EncoderLoader, embedder
from pbrlsvr.models.embedding.pooling import checked_unit, pooled
from pbrlsvr.models.translation.translator import TranslationOptions, translator
from pbrlsvr.serving.batcher import Failure
from pbrlsvr.serving.chat import chat
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, EndpointOptions
from pbrlsvr.serving.options import ServingOptions

MODEL = "/no/such/folder/multilingual-e5-small"  # whose card says 384 dimensions
POISON = "poison"


def options(url, **more):
    return EndpointOptions(**{"urls": (url,), "timeout_s": 20.0, "retries": 1, **more})


def at(endpoint):
    return ServingOptions(place="endpoint", endpoint=endpoint)


def encoder(model, endpoint):
    """The client of an embedding model behind servers."""
    return EncoderLoader.of(model).served_by(endpoint).load()


def as_json(body, **headers):
    return 200, body if isinstance(body, str | bytes) else json.dumps(body), headers


def zeros(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(size >> 20)) + packer.flush()


BOMB = zeros(2**28)


def choices(*contents, **fields):
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"} for content in contents], **fields}


def deep(depth):
    return "[" * depth + "]" * depth


# What a server answers to any request: (status, body, headers).
ANSWERS = {
    "gzip bomb": (200, BOMB, {"Content-Encoding": "gzip"}),
    "bomb in a bomb": (200, gzip.compress(BOMB), {"Content-Encoding": "gzip, gzip"}),
    "bomb in an error": (500, BOMB, {"Content-Encoding": "gzip"}),
    "bomb in a refusal": (400, BOMB, {"Content-Encoding": "gzip"}),
    "large body": (200, b" " * 2**26, {}),
    "large error": (503, b"x" * 2**24, {}),
    "brotli": (200, b"x" * 100, {"Content-Encoding": "br"}),
    "unknown coding": (200, b"x" * 100, {"Content-Encoding": "\xff\xfe"}),
    "gzip cut off": (200, gzip.compress(b"{}" * 999)[:-12], {"Content-Encoding": "gzip"}),
    "charset zlib": (200, zlib.compress(b"{}"), {"Content-Type": "application/json; charset=zlib_codec"}),
    "charset hex": (200, b"7b7d", {"Content-Type": "application/json; charset=hex"}),
    "charset unknown": (200, b"{}", {"Content-Type": "application/json; charset=no-such"}),
    "charset rot13": (500, b"{}", {"Content-Type": "text/plain; charset=rot13"}),
    "charset idna": (400, b"\xff" * 50, {"Content-Type": "text/plain; charset=idna"}),
    "utf-16": (200, json.dumps({"a": 1}).encode("utf-16"), {}),
    "bytes": (200, bytes(range(256)), {}),
    "deep": (200, deep(100_000), {}),
    "deep enough to be read": (200, deep(900), {}),
    "deep inside": (200, '{"choices": ' + deep(900) + ', "data": ' + deep(900) + "}", {}),
    "5,000 digits": (200, '{"choices": ' + "9" * 5000 + "}", {}),
    "4,000 digits": (200, '{"data": [{"index": ' + "9" * 4000 + ', "embedding": [' + "9" * 4000 + "]}]}", {}),
    "NaN": (200, '{"choices": NaN, "data": -Infinity}', {}),
    "null": (200, "null", {}),
    "a number": (200, "1e999", {}),
    "a text": (200, '"ok"', {}),
    "nothing": (200, b"", {}),
    "surrogate keys": (200, '{"\\ud800": "\\udfff"}', {}),
    "retry after a year beyond": (429, "", {"Retry-After": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"}),
    "retry after 1e999": (503, "", {"Retry-After": "1e999"}),
    "retry after digits": (503, "", {"Retry-After": "9" * 5000 + "x"}),
    "redirect": (302, "", {"Location": "http://127.0.0.1:1/else\u00ff"}),
    "status 999": (999, "{}", {}),
    "models that are none": (404, '{"data": [{"id": 7}, {"id": null}, [], 8]}', {}),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_chat_ends_in_our_own_error_that_is_short(http_server, name):
    endpoint = Endpoint(options(http_server(lambda _: ANSWERS[name]).url))
    with pytest.raises(ServiceError) as caught:
        await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}], max_tokens=10)
    assert len(str(caught.value)) < 3000
    assert str(caught.value).isprintable()
    await endpoint.aclose()


@pytest.mark.parametrize("name", ANSWERS)
def test_embeddings_end_in_our_own_error_for_each_text(http_server, name):
    found = encoder(EmbeddingOptions(MODEL), options(http_server(lambda _: ANSWERS[name]).url))
    for result in found.run(["a", "b", "c"]):
        assert isinstance(result, Failure)
        assert isinstance(result.error, ServiceError | ModelError)


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_translation_is_our_own_error_and_the_other_lines_are_kept(http_server, name):
    def answer(request):
        prompt = request.body["messages"][0]["content"] if request.body else ""
        return ANSWERS[name] if POISON in prompt else choices(prompt.rpartition("\n")[2].upper())

    server = http_server(answer)
    target = translator(TranslationOptions("m"), at(options(server.url, retries=0)))
    texts = ["maji moto sana", f"nyumba ya {POISON}", "watoto wa shule"]
    found = await asyncio.gather(*(target.translate(text, "sw") for text in texts), return_exceptions=True)
    assert isinstance(found[1], ServiceError | ModelError)
    if not name.startswith(
        ("bomb in an error", "large error", "charset rot13", "retry", "redirect", "models", "status")
    ):
        assert [found[0], found[2]] == ["MAJI MOTO SANA", "WATOTO WA SHULE"]


RSS = """
import asyncio, resource, sys
from pbrlsvr.errors import ServiceError
from pbrlsvr.serving.endpoint import Endpoint, EndpointOptions

async def ask(endpoint):
    try:
        await endpoint.post("/thing", {}, lambda body: body)
    except ServiceError as error:
        return str(error)

async def main():
    endpoint = Endpoint(EndpointOptions(urls=(sys.argv[1],), retries=0, timeout_s=float(sys.argv[2])))
    await asyncio.gather(*(ask(endpoint) for _ in range(1)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = await asyncio.gather(*(ask(endpoint) for _ in range(8)))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, all(said))

asyncio.run(main())
"""


def growth_mib(url, timeout_s=60.0):
    """MiB by which the memory of a client's process grew over eight requests at once, after a first one."""
    run = [sys.executable, "-c", textwrap.dedent(RSS), url, str(timeout_s)]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    said = subprocess.run(run, capture_output=True, text=True, timeout=300, check=True, env=environment).stdout.split()
    assert said[1] == "True"
    return int(said[0])


@pytest.mark.parametrize("name", ["gzip bomb", "bomb in a bomb", "bomb in an error", "large body", "large error"])
def test_memory_is_bounded_whatever_a_body_unpacks_to(http_server, name):
    # Each of the eight may hold 16 MiB, as parts and as a whole; the bombs hold 256 MiB each.
    assert growth_mib(http_server(lambda _: ANSWERS[name]).url) < 400


@pytest.fixture
async def raw_server():
    """`raw_server(write)`: a server that calls the coroutine function `write(writer)` for each connection."""
    servers = []

    async def start(write):
        async def serve(reader, writer):
            try:
                await reader.readuntil(b"\r\n\r\n")
                await write(writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"

    yield start
    for server in servers:
        server.close()


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
NEVER_ENDING = {
    "body": (OK + b"\r\n", b" " * 65536),
    "chunks": (CHUNKED + b"\r\n", b"1\r\n \r\n" * 1000),
    "packed blocks that hold nothing": (
        CHUNKED
        + b"Content-Encoding: gzip\r\n\r\n14\r\n"
        + gzip.compress(b"")[:10]
        + b"\x00\x00\x00\xff\xff" * 2
        + b"\r\n",
        b"5\r\n\x00\x00\x00\xff\xff\r\n" * 1000,
    ),
    "packed data after its end": (
        CHUNKED + b"Content-Encoding: gzip\r\n\r\n",
        b"14\r\n" + gzip.compress(b"") + b"\r\n",
    ),
    "headers": (OK, b"X-More: " + b"x" * 1000 + b"\r\n"),
    "one header": (OK + b"X: ", b"x" * 65536),
    "status line": (b"HTTP/1.1 200 ", b"x" * 65536),
    "provisional answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "error": (b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536),
    "drops": (OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "drops of a header": (OK, b"X"),
    "silence": (b"", b""),
}


@pytest.mark.parametrize("name", NEVER_ENDING)
async def test_a_stream_without_end_ends_with_the_attempt(raw_server, name):
    first, then = NEVER_ENDING[name]

    async def write(writer):
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(0.001 if len(then) > 1 else 0.05)

    url = await raw_server(write)
    endpoint = Endpoint(options(url, timeout_s=1.0, retries=0))
    with pytest.raises(ServiceError):
        await asyncio.wait_for(endpoint.post("/thing", {}, lambda body: body), 60)
    await endpoint.aclose()


@pytest.mark.parametrize("name", ["body", "packed blocks that hold nothing", "one header"])
async def test_memory_is_bounded_under_a_stream_without_end(raw_server, name):
    first, then = NEVER_ENDING[name]

    async def write(writer):
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()

    assert await asyncio.to_thread(growth_mib, await raw_server(write), 2.0) < 400


USAGES = [
    "n/a", None, 7, [], [1], {}, {"prompt_tokens": "n/a"}, {"prompt_tokens": "5"}, {"completion_tokens": [3]},
    {"completion_tokens": 10**18}, {"prompt_tokens": 10**18}, {"prompt_tokens": -5}, {"completion_tokens": True},
    {"completion_tokens": 1e300}, {"prompt_tokens": {}}, "1e999", "NaN",
]  # fmt: skip


@pytest.mark.parametrize("usage", USAGES, ids=str)
async def test_a_usage_that_cannot_be_is_left_out_and_the_answer_kept(http_server, usage):
    body = json.dumps(choices("4", usage=usage)).replace(
        '"1e999"', '{"prompt_tokens": 1e999, "completion_tokens": NaN}'
    )
    endpoint = Endpoint(options(http_server(lambda _: as_json(body)).url))
    (found,) = await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}], max_tokens=10)
    assert (found.text, dict(found.usage)) == ("4", {})
    await endpoint.aclose()


async def test_a_usage_that_can_be_is_kept_beside_a_count_that_cannot(http_server):
    usage = {"prompt_tokens": 12, "completion_tokens": 10**9, "total_tokens": 10**9 + 12}
    endpoint = Endpoint(options(http_server(lambda _: choices("4", usage=usage)).url))
    (found,) = await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}], max_tokens=10)
    assert found.usage == {"prompt_tokens": 12}
    await endpoint.aclose()


@pytest.mark.parametrize(
    "bad", [None, 7, [], {"message": None}, {"message": {"content": 7}}, {"message": {"content": [7]}}, {"index": [0]}]
)
async def test_a_choice_that_cannot_be_read_is_asked_for_again_and_the_others_are_kept(http_server, bad):
    def answer(request):
        good = choices(*"abc"[: request.body.get("n", 1)])["choices"]
        return {"choices": [bad, *good[1:]] if request.body.get("n") == 3 else good}

    server = http_server(answer)
    endpoint = Endpoint(options(server.url))
    found = await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}], n=3)
    assert sorted(each.text for each in found) == ["a", "b", "c"]
    assert [request.body.get("n") for request in server.requests] == [3, None]
    await endpoint.aclose()


async def test_half_a_surrogate_pair_is_replaced_wherever_it_stands(http_server):
    body = '{"choices": [{"message": {"content": "4 \\ud800.", "reasoning": "\\udfff"}, "finish_reason": "\\ud800"}]}'
    endpoint = Endpoint(options(http_server(lambda _: as_json(body)).url))
    (found,) = await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}])
    assert (found.text, found.reasoning, found.finish_reason) == ("4 \ufffd.", "\ufffd", "")
    await endpoint.aclose()


async def test_an_empty_translation_is_an_error_and_no_text(http_server):
    server = http_server(lambda _: choices(" \n"))
    target = translator(TranslationOptions("m"), at(options(server.url)))
    with pytest.raises(ServiceError, match="empty translation of 'maji moto sana'"):
        await target.translate("maji moto sana", "sw")


# Embeddings. The vector of a text, of which a server makes another.


def right(text, size=384):
    return np.random.default_rng(len(text)).normal(size=size)


def b64(vector, dtype):
    return base64.b64encode(np.asarray(vector).astype(dtype).tobytes()).decode()


WRONG = {
    "100 dimensions": lambda v: v[:100].tolist(),
    "100 dimensions in base64": lambda v: b64(v[:100], "<f4"),
    "twice the dimensions": lambda v: [*v, *v],
    "float16 in base64": lambda v: b64(v, "<f2"),
    "float64 in base64": lambda v: b64(v, "<f8"),
    "768 numbers of float16": lambda v: b64([*v, *v], "<f2"),
    "192 numbers of float64": lambda v: b64(v[:192], "<f8"),
    "the other byte order": lambda v: b64(v, ">f4"),
    "integers": lambda v: b64(v * 100, "<i4"),
    "bytes": lambda v: b64([*(v * 30)] * 4, "i1"),
    "1e30": lambda v: (v * 1e30).tolist(),
    "1e-30": lambda v: (v * 1e-30).tolist(),
    "1e30 in base64": lambda v: b64(v * 1e30, "<f4"),
    "1e-30 in base64": lambda v: b64(v * 1e-30, "<f4"),
    "overflow": lambda v: [3e38] * 384,
    "overflow of float64": lambda v: [1e308] * 384,
    "underflow": lambda v: [1e-45, *[0.0] * 383],
    "underflow of float64": lambda v: [1e-300] * 384,
    "zero": lambda v: [0.0] * 384,
    "minus zero": lambda v: b64(v * -0.0, "<f4"),
    "NaN inside": lambda v: [float("nan"), *v[1:]],
    "NaN in base64": lambda v: b64([float("nan"), *v[1:]], "<f4"),
    "infinity": lambda v: [float("-inf"), *v[1:]],
    "null inside": lambda v: [None, *v[1:]],
    "true": lambda v: [True] * 384,
    "texts of numbers": lambda v: [str(x) for x in v],
    "a list of lists": lambda v: [[x] for x in v],
    "lists in lists": lambda v: [v.tolist()],
    "a mapping": lambda v: {str(i): x for i, x in enumerate(v)},
    "huge integers": lambda v: [10**400] * 384,
    "half of base64": lambda v: b64(v, "<f4")[:-3],
    "no base64": lambda v: "é" * 384,
    "nothing": lambda v: [],
    "null": lambda v: None,
}


def embedding_server(http_server, wrong):
    def answer(request):
        wants = request.body["encoding_format"]
        rows = []
        for index, text in enumerate(request.body["input"]):
            vector = right(text)
            fine = b64(vector, "<f4") if wants == "base64" else vector.tolist()
            rows.append({"index": index, "embedding": wrong(text, vector, fine)})
        return as_json({"data": rows})

    return http_server(answer)


@pytest.mark.parametrize("name", WRONG)
async def test_a_vector_that_is_not_the_model_s_is_an_error_and_no_score(http_server, name):
    server = embedding_server(http_server, lambda text, vector, fine: WRONG[name](vector))
    away = at(options(server.url))
    with pytest.raises((ServiceError, ModelError)):
        await embedder(EmbeddingOptions(MODEL), away).cosine("one text", "and another")


@pytest.mark.parametrize("vector", [right("a"), np.ones(384), np.eye(384)[0]], ids=["noise", "ones", "one"])
async def test_a_server_that_gives_every_text_the_same_vector_is_an_error_and_no_score_of_1(http_server, vector):
    server = embedding_server(
        http_server, lambda text, _, fine: b64(vector, "<f4") if isinstance(fine, str) else vector.tolist()
    )
    with pytest.raises(ServiceError, match="the same vector"):
        await embedder(EmbeddingOptions(MODEL), at(options(server.url))).cosine("one text", "and another")


def test_a_server_that_says_that_another_model_answered_is_logged_once(http_server, caplog):
    def answer(request):
        rows = [{"index": i, "embedding": right(t).tolist()} for i, t in enumerate(request.body["input"])]
        return {"data": rows, "model": "org/another-model"}

    client = encoder(EmbeddingOptions(MODEL, prompt=""), options(http_server(answer).url))
    client.run(["a", "bb"])
    client.run(["ccc"])
    said = [record.getMessage() for record in caplog.records if "another-model" in record.getMessage()]
    assert len(said) == 1
    assert "multilingual-e5-small" in said[0]


# Bytes of another format that make 384 likely numbers are found at the start, where they are compared with numbers.
@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"768 numbers of float16"}))
def test_a_text_with_such_a_vector_fails_alone(http_server, name):
    server = embedding_server(http_server, lambda text, vector, fine: WRONG[name](vector) if POISON in text else fine)
    client = encoder(EmbeddingOptions(MODEL, prompt=""), options(server.url, retries=0))
    texts = [f"text {'x' * n}" for n in range(20)] + [POISON]
    found = client.run(["warm up", *texts])[1:]
    assert isinstance(found[-1], Failure)
    assert isinstance(found[-1].error, ServiceError | ModelError)
    for text, vector in zip(texts[:-1], found[:-1], strict=True):
        np.testing.assert_allclose(vector, right(text) / np.linalg.norm(right(text)), atol=1e-6)


IN_BASE64 = [name for name in WRONG if "numbers of" in name or "base64" in name or "order" in name]


@pytest.mark.parametrize("name", [*IN_BASE64, "integers", "bytes"])
@pytest.mark.parametrize("model", [MODEL, "/no/such/model"])
def test_bytes_in_another_format_are_not_used_where_the_numbers_are_right(http_server, name, model):
    def wrong(text, vector, fine):
        return WRONG[name](vector) if isinstance(fine, str) else fine

    server = embedding_server(http_server, wrong)
    client = encoder(EmbeddingOptions(model, prompt=""), options(server.url, retries=0))
    for text, vector in zip(["a", "bb"], client.run(["a", "bb"]), strict=True):
        np.testing.assert_allclose(vector, right(text) / np.linalg.norm(right(text)), atol=1e-6)


INDICES = {
    "a list": lambda i, n: [i],
    "a text": lambda i, n: str(i),
    "float": lambda i, n: float(i),
    "true": lambda i, n: i == 1,
    "negative": lambda i, n: i - n,
    "from one": lambda i, n: i + 1,
    "all zero": lambda i, n: 0,
    "null": lambda i, n: None,
    "huge": lambda i, n: 10**30 + i,
}


@pytest.mark.parametrize("name", INDICES)
def test_indices_that_name_no_text_are_an_error(http_server, name):
    def answer(request):
        texts = request.body["input"]
        return {
            "data": [{"index": INDICES[name](i, len(texts)), "embedding": list(right(t))} for i, t in enumerate(texts)]
        }

    client = encoder(EmbeddingOptions(MODEL, prompt=""), options(http_server(answer).url))
    for text, result in zip(["a", "bb", "ccc"], client.run(["a", "bb", "ccc"]), strict=True):
        if name == "all zero":  # as it should be where a text is asked for alone
            np.testing.assert_allclose(result, right(text) / np.linalg.norm(right(text)), atol=1e-6)
        else:
            assert isinstance(result.error, BadResponse)


# Where vectors are made, and where they are used.


def test_unit_vectors_do_not_overflow_or_vanish():
    for scale in (3e38, 1e-38, 1.0):
        (vector,) = pooled(np.array([[1.0, 1.0]]) * np.float32(scale), [1], [0], 1)
        np.testing.assert_allclose(vector, [0.5**0.5] * 2, atol=1e-7)


def test_pieces_that_cancel_out_are_an_error():
    with pytest.raises(ModelError, match="cancel out"):
        pooled([[1.0, 0.0], [-1.0, 0.0]], [3, 3], [0, 0], 1)


@pytest.mark.parametrize("vector", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [0.5, 0.5], [[1.0]], [2.0]])
def test_what_is_no_unit_vector_is_no_cosine(vector):
    with pytest.raises(ModelError, match="no unit vector"):
        checked_unit(np.array(vector, dtype=np.float32), "m")


@pytest.mark.parametrize(("scale", "norm"), [(1e30, "inf|e\\+"), (1e-30, "e-|0.0")])
def test_a_local_model_whose_numbers_overflow_or_vanish_is_an_error(minilm, scale, norm):
    import torch

    client = EncoderLoader.of(EmbeddingOptions(minilm)).load()
    layer = client._model[0].auto_model.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    del client._model[-1]  # Normalize, which this model has and others have not
    with pytest.raises(ModelError, match=f"a vector of norm .*({norm}).* for the text 'some text'"):
        client.run(["some text"])
