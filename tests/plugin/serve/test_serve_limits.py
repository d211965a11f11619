"""Clients that are slow, many, gone or strangers; and servers that cannot be."""

import asyncio
import json
import socket
import time
from contextlib import ExitStack, closing

import httpx
import pytest
from serve_requests import JSON, head, one, raw, refused

from pbrlsvr_plugin.serve.command import run


def test_a_client_that_sends_too_slowly_loses_its_place_and_others_do_not_wait(own, client):
    slow = []
    for start in (b"", b"POST /sc", head(own.port, content_length=100), head(own.port, content_length=100) + b"{"):
        connection = socket.create_connection(("127.0.0.1", own.port), timeout=30)
        connection.sendall(start)
        slow.append(connection)
    # And one that has had an answer, and begins its next request only.
    kept = socket.create_connection(("127.0.0.1", own.port), timeout=30)
    kept.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        answer += kept.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    kept.sendall(b"GET /hea")
    assert client.post("/score", json=one()).status_code == 200
    answers = []
    for connection in (*slow, kept):
        found = b""
        try:
            while chunk := connection.recv(65536):
                found += chunk
                if b"408" in found:
                    break
        except ConnectionResetError:
            pass
        answers.append(found[:12])
        connection.close()
    assert answers == [b"", b"", b"HTTP/1.1 408", b"HTTP/1.1 408", b""]


def test_a_client_that_does_not_take_its_answer_loses_its_place(own, client):
    body = json.dumps({"responses_create_params": {"x": "y" * 900_000}, "response": {"output": [
        {"type": "message", "content": "fine"}]}}).encode()  # fmt: skip
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", own.port))
        connection.settimeout(30)
        for _ in range(8):
            connection.sendall(head(own.port, "/verify", content_length=len(body)) + body)
            time.sleep(0.1)
        deadline = time.monotonic() + 60
        while client.get("/metrics").text.count("pbrlsvr_requests_in_flight 1.0") == 0:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert client.post("/score", json=one()).status_code == 200


def test_paths_and_headers_of_strangers_do_no_harm(own, client):
    for path in (
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/score/",
        "//score",
        "/score%00",
        "/docs",
        "/redoc",
    ):
        said = raw(own.port, f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 404 "), said
    assert client.get("/score").status_code == client.head("/score").status_code == 405
    assert [client.head(path).status_code for path in ("/health", "/ready", "/metrics")] == [200, 200, 200]
    assert client.head("/health").content == b""
    assert client.get("/score").headers["Allow"] == "POST"
    injected = raw(own.port, b"GET /x%0d%0aset-cookie:%20a=b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b"set-cookie" not in injected.partition(b"\r\n\r\n")[0].lower()
    two = b'{"samples": [{"response": "a"}]}'
    smuggled = raw(
        own.port, head(own.port, content_length=len(two), transfer_encoding="chunked", connection="close") + two
    )
    assert smuggled.startswith(b"HTTP/1.1 400 ")
    bad_chunk = head(own.port, transfer_encoding="chunked") + b"-5\r\nabc"
    for no_http in (b"\x16\x03\x01\x02\x00" * 100, b"GET /health HTTP/1.1\r\n\r\n", bad_chunk):
        top, _, body = raw(own.port, no_http).partition(b"\r\n\r\n")
        assert top.startswith(b"HTTP/1.1 400 ")
        assert b"application/json" in top
        assert "no HTTP/1.1" in json.loads(body)["error"]["message"]
    assert raw(own.port, b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000)[:13] in (b"HTTP/1.1 400 ", b"")
    upgraded = raw(
        own.port, b"GET /score HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n\r\n"
    )
    assert upgraded.startswith(b"HTTP/1.1 405 ")
    series = client.get("/metrics").text
    assert "etc/passwd" not in series
    assert 'path="other"' in series


async def test_what_a_client_that_left_has_asked_for_is_given_up(own):
    async with httpx.AsyncClient(base_url=own.url, timeout=60) as client:
        asked = asyncio.create_task(client.post("/score", json={"samples": [{"response": "wait 9"}] * 60}))
        while "pbrlsvr_samples_waiting 60.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)
        asked.cancel()
        while "pbrlsvr_samples_waiting 0.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)
        assert (await client.post("/score", json=one())).status_code == 200
    left = own.folder / "left"
    assert left.read_text().split().count("9") == 60


async def test_too_many_that_wait_get_429_with_a_time_and_the_others_their_scores(own):
    bodies = [{"samples": [{"response": "wait 1"}] * 64}] * 8
    async with httpx.AsyncClient(base_url=own.url, timeout=60) as client:
        answers = await asyncio.gather(*(client.post("/score", json=body) for body in bodies))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 3 + [429] * 5
    for answer in answers:
        if answer.status_code == 429:
            refused(answer, 429, "limits.waiting=200")
            assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_bodies_that_fill_the_memory_together_get_429(own):
    async def trickle(size):
        yield b" " * size
        await asyncio.sleep(1)
        yield b" "

    async with httpx.AsyncClient(base_url=own.url, timeout=60, limits=httpx.Limits(max_connections=20)) as client:
        answers = await asyncio.gather(
            *(client.post("/score", content=trickle(2**20 - 10), headers=JSON) for _ in range(8))
        )
        # Blank bodies are no JSON; those that were turned away were not read to their end.
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {400, 429}
        assert codes.count(429) >= 4
        assert (await client.post("/score", json=one())).status_code == 200


def test_connections_are_counted_and_one_too_many_is_told_to_come_again(start):
    served = start("reward=own.py:reward", "limits.connections=20")
    with ExitStack() as held:
        taken = [
            held.enter_context(closing(socket.create_connection(("127.0.0.1", served.port), timeout=60)))
            for _ in range(40)
        ]
        answers = [connection.recv(65536) for connection in taken[20:]]
        assert all(each.startswith(b"HTTP/1.1 503 ") and b"retry-after: 5" in each for each in answers)
        assert {json.loads(each.partition(b"\r\n\r\n")[2])["error"]["type"] for each in answers} == {"busy"}
        taken[0].sendall(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n")
        assert taken[0].recv(65536).startswith(b"HTTP/1.1 200 ")
    assert served.end() == 0


def test_a_token_is_asked_for_everywhere_but_at_the_probes(start):
    token = "a-token-of-more-than-16"
    served = start("reward=own.py:reward", "token_env=MINE", environment={"MINE": token})
    with httpx.Client(base_url=served.url) as client:
        assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 200]
        for path in ("/metrics", "/openapi.json", "/v1/models", "/nowhere"):
            assert client.get(path).status_code == 401
        for wrong in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {token}x"}, {"Authorization": token},
                      {"Authorization": "Basic !"}, {"Authorization": f"Bearer {token[:-1]}é".encode()}):  # fmt: skip
            answer = client.post("/score", json=one(), headers=wrong)
            refused(answer, 401, "Bearer")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.post("/score", json=one(), headers={"Authorization": f"bearer {token}"}).status_code == 200
        twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
        assert client.post("/score", json=one(), headers=twice).status_code == 401
    # As a client sends it that takes a URL and nothing else: OpenRLHF, slime.
    assert httpx.post(served.url.replace("http://", f"http://any:{token}@") + "/rm", json={"response": "a"}).json() >= 0
    served.end()
    assert token not in served.said


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        (["host=0.0.0.0"], "", ["host='0.0.0.0'", "token_env"]),
        (['host=""'], "", ["host=''"]),
        (['host="::"'], "", ["host='::'"]),
        (["host=no.such.host.invalid"], "", ["no.such.host.invalid"]),
        (["token_env=MINE"], "short", ["5 characters", "16 or more"]),
        (["token_env=MINE"], "with a space in its midst", ["without spaces"]),
        (["token_env=MINE"], "", ["0 characters"]),
        (["reward=nonsense"], "", ["nonsense"]),
        (["reward=nonsense.py:f"], "", ["nonsense"]),
        (["options.nonsense=1"], "", ["nonsense"]),
        (["options.combine.rule=nonsense"], "", ["nonsense"]),
        (["reward=exact_answer", "replicas=2"], "", ["serving"]),
        (["limits.samples=9000"], "", ["samples=9000", "waiting=8192"]),
        (["limits.body_mib=0"], "", ["body_mib"]),
        (["limits.answer_s=.nan"], "", ["answer_s"]),
        (["nonsense=1"], "", ["nonsense"]),
        (["port=70000"], "", ["70000"]),
        (["missing.yaml"], "", ["missing.yaml"]),
        (["."], "", ["'.' cannot be read"]),
        (["config=missing.yaml"], "", ["missing.yaml"]),
        (["host=203.0.113.7", "open=true"], "", ["cannot listen there"]),
        (["replicas=2", "options.serving.place=local"], "", ["replicas=2 contradicts"]),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_listens(arguments, token, words, monkeypatch, capsys):
    monkeypatch.setenv("MINE", token)
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    for word in words:
        assert word in said.err


def test_a_model_that_cannot_be_loaded_ends_the_server_with_the_reason(start):
    served = start("reward=own.py:broken", ready=False)
    assert served.process.wait(120) == 2
    served.wait_for("ModelError: model='mine' cannot be loaded")
    assert "Traceback" not in served.said


def test_a_port_that_is_taken_is_named(start, own):
    served = start("reward=own.py:reward", f"port={own.port}", ready=False)
    assert served.process.wait(120) == 2
    assert f"port={own.port}" in served.said
    assert "another port" in served.said
