"""What a server refuses of a request, and what it says then."""

import gzip
import json

import httpx
import pytest
from serve_requests import JSON, head, one, raw, refused


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["the body"]),
        (b"{", ["line 1"]),
        (b'{"samples": [{"response": NaN}]}', ["NaN is no number"]),
        (b'{"samples": [{"response": "a", "ground_truth": -Infinity}]}', ["Infinity is no number"]),
        (b'{"samples": [{"response": "a", "ground_truth": 1e999}]}', ["1e999 is too large"]),
        (b'{"samples": [{"response": "a", "ground_truth": ' + b"9" * 5000 + b"}]}", ["numbers of a usual size"]),
        (b'{"samples": [{"response": "a", "response": "b"}]}', ["key 'response' twice"]),
        (b'{"samples": [{"response": "a", "extra_info": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}]}", ["64 lists"]),
        (b"[" * 100_000, ["64 lists"]),
        (b'{"a":' * 100_000, ["64 lists"]),
        (b'{"samples": [{"response": "\xff"}]}', ["no UTF-8"]),
        ('{"samples": [{"response": "a"}]}'.encode("utf-16"), ["no UTF-8"]),
    ],
)
def test_a_body_that_is_no_json_or_can_be_read_in_two_ways_is_refused(client, body, words):
    answer = client.post("/score", content=body, headers=JSON)
    refused(answer, 422 if not body else 400, *words)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"samples": []}, "samples", ["at least 1"]),
        ({}, "samples", ["missing"]),
        ([], "the body", []),
        (None, "the body", []),
        (one(3), "samples[0].response", ["3", "valid string"]),
        (one(extra_info=[]), "samples[0].extra_info", []),
        (one(extra_info={"language": 7}), "samples[0].extra_info.language", ["7"]),
        (one(ground_truth={"a": 1}), "samples[0].ground_truth", []),
        (one(ground_truth=True), "samples[0].ground_truth", []),
        (one(options={"combine": {"rule": "sum"}}), "samples[0].options", ["no such field"]),
        ({**one(), "reward": "hybrid"}, "reward", ["no such field"]),
        ({"samples": [{"response": "a"}] * 65}, "samples", ["64 are the most"]),
        (one("x" * 20_001), "samples[0]", ["'response' has 20,001 characters", "20,000"]),
        (one(extra_info={"pivot_reasoning": "x" * 20_001}), "samples[0]", ["'pivot_reasoning' has 20,001"]),
        (one("data"), "samples[0]", ["the row lacks a reference"]),
        (one(extra_info={"x": [{"y": "z" * 20_001}]}), "samples[0]", ["'x' has 20,001"]),
        (
            one(extra_info={"pivot_references": ["a"] * 64}),
            "samples[0].extra_info.pivot_references",
            ["a list of 64", "64 samples and further references are the most"],
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_the_fix(client, body, param, words):
    answer = client.post("/score", content=json.dumps(body), headers=JSON)
    assert refused(answer, 422, *words)["param"] == param


@pytest.mark.parametrize(
    ("response", "status", "words"),
    [
        ("raise", 500, ["ZeroDivisionError: one by zero"]),
        ("nan", 500, ["nan", "no finite score"]),
        ("exit", 500, ["the reward ended with SystemExit: 3"]),
        ("service", 502, ["ServiceError: the encoder's server is down"]),
        ("wait 60", 504, ["no answer within 10 s"]),
    ],
)
def test_a_reward_that_fails_is_an_error_with_its_cause_and_never_a_score(client, response, status, words):
    answer = client.post("/score", json={"samples": [{"response": "fine"}, {"response": response}]})
    refused(answer, status, *words)


def test_a_function_that_ends_its_thread_is_an_error_and_the_server_goes_on(start):
    served = start("reward=own.py:in_threads")
    with httpx.Client(base_url=served.url, timeout=60) as client:
        for response, said in (
            ("exit", "SystemExit: no more"), ("stop", "StopIteration"), ("interrupt", "KeyboardInterrupt"),
        ):  # fmt: skip
            answer = client.post("/score", json={"samples": [{"response": "fine"}, {"response": response}]})
            refused(answer, 500, f"the reward ended with {said} for {response!r}")
        assert client.post("/score", json=one()).json()["results"][0]["score"] == 0.5


def test_numbers_that_are_none_do_not_leave(client):
    answer = client.post("/score", json=one("abcd", ground_truth=12))
    assert answer.json() == {"results": [{"score": 4 / 2**20, "components": {"note": "12", "odd": None, "twice": 2}}]}


def test_half_a_surrogate_pair_is_scored_and_comes_back(client):
    body = b'{"samples": [{"response": "\\ud83d", "ground_truth": "\\udc00"}]}'
    answer = client.post("/score", content=body, headers=JSON)
    assert answer.status_code == 200
    assert b'"note":"\\udc00"' in answer.content
    assert (
        client.post("/score", content=b'{"samples": [{"response": 1, "\\ud800": 2}]}', headers=JSON).status_code == 422
    )


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "text/plain"}, ["'text/plain'", "application/json"]),
        ({"Content-Type": "application/x-www-form-urlencoded"}, ["application/json"]),
        ({"Content-Type": "application/json; charset=utf-16"}, ["UTF-8"]),
        ({"Content-Type": "multipart/form-data; boundary=x"}, ["application/json"]),
        ({**JSON, "Content-Encoding": "gzip"}, ["compressed"]),
        ({**JSON, "Content-Encoding": "identity, br"}, ["compressed"]),
    ],
)
def test_another_kind_of_body_is_refused_and_never_unpacked(client, headers, words):
    packed = gzip.compress(b" " * 2**28) if "gzip" in str(headers) else json.dumps(one()).encode()
    refused(client.post("/score", content=packed, headers=headers), 415, *words)


def test_a_body_without_a_type_is_refused(own):
    body = json.dumps(one()).encode()
    said = raw(
        own.port,
        b"POST /score HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body),
    )
    assert said.startswith(b"HTTP/1.1 415 ")


def test_a_large_body_is_refused_announced_or_not(client, own):
    def chunks():
        for _ in range(40):
            yield b" " * 2**16

    refused(client.post("/score", content=b" " * (2**20 + 1), headers=JSON), 413, "1,048,577 bytes", "1 MiB")
    refused(client.post("/score", content=chunks(), headers=JSON), 413, "more than 1,048,576 bytes")
    # Announced and never sent: answered at once.
    said = raw(own.port, head(own.port, content_length=10**15, connection="close"))
    assert said.startswith(b"HTTP/1.1 413 ")
    said = raw(own.port, head(own.port, content_length="9" * 5000, connection="close"))
    assert said.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))


def test_a_million_samples_are_refused(client):
    for path, name in (
        ("/score", "samples"),
        ("/get_reward", "query"),
        ("/get_reward", "labels"),
        ("/v1/embeddings", "input"),
    ):
        body = f'{{"{name}": [{"{}," * 300_000}{{}}]}}'
        error = refused(client.post(path, content=body, headers=JSON), 422, "64", "limits.samples")
        assert (error["param"], error["value"]) == (name, "a list of 300,001")
    output = '{"responses_create_params": {}, "response": {"output": [' + "{}," * 300_000 + "{}]}}"
    refused(client.post("/verify", content=output, headers=JSON), 422, "response.output")
