"""A server that is told to stop answers what it has taken in."""

import asyncio
import signal
import socket
from contextlib import closing

import httpx
import pytest


def one(response):
    return {"samples": [{"response": response}]}


async def in_flight(client, count):
    while f"pbrlsvr_samples_waiting {count}.0" not in (await client.get("/metrics")).text:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_nothing_that_was_taken_in_is_lost_and_new_requests_are_sent_elsewhere(start, sent, tmp_path):
    served, mark = start("reward=own.py:reward"), tmp_path / "mark"
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        asked = [asyncio.create_task(client.post("/score", json=one(f"until {mark}"))) for _ in range(50)]
        await in_flight(client, 50)
        served.process.send_signal(sent)
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as late:
            while (await late.get("/ready")).status_code == 200:
                await asyncio.sleep(0.02)
            assert (await late.get("/ready")).json() == {"ready": False, "why": "shutting down"}
            assert (await late.get("/health")).status_code == 200
            refused = await late.post("/score", json=one("fine"))
            assert refused.status_code == 503
            assert refused.json()["error"]["type"] == "draining"
            assert refused.headers["Retry-After"] == "5"
            assert refused.headers["Connection"] == "close"
            # Again, as those do who think that the first was not heard.
            served.process.send_signal(signal.SIGTERM)
            assert (await late.post("/score", json=one("fine"))).status_code == 503
        assert not any(task.done() for task in asked)
        mark.touch()
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 50
    assert all("score" in answer.json()["results"][0] for answer in answers)
    assert served.process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/health")
    assert "Traceback" not in served.said


async def test_under_load_every_request_is_answered_or_was_never_taken_in(start):
    """Clients that ask without a pause: each gets its score, or is sent elsewhere."""
    served, answers = start("reward=own.py:reward"), []

    async def ask():
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            while True:
                try:
                    answer = await client.post("/score", json=one("wait 0.05"))
                except (httpx.ConnectError, httpx.ReadError):
                    # Closed between two requests. That none was taken in and lost says the exit code.
                    return
                answers.append(answer)
                if answer.status_code != 200:
                    return

    asking = asyncio.gather(*(ask() for _ in range(40)))
    while len(answers) < 200:
        await asyncio.sleep(0.02)
    served.process.send_signal(signal.SIGTERM)
    await asking
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 503}
    assert all(len(answer.json()["results"]) == 1 for answer in answers if answer.status_code == 200)
    assert served.process.wait(60) == 0


async def test_a_body_that_was_begun_before_the_end_is_still_answered(start):
    served = start("reward=own.py:reward")
    body = b'{"samples": [{"response": "fine"}]}'
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
    writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body[:5]))
    await writer.drain()
    async with httpx.AsyncClient(base_url=served.url) as client:
        while "pbrlsvr_requests_in_flight 2.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.02)
    served.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(1)
    writer.write(body[5:])
    said = await reader.read()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in said
    writer.close()
    assert served.process.wait(60) == 0


async def test_what_takes_longer_than_the_drain_may_is_counted_and_the_exit_code_says_so(start):
    served = start("reward=own.py:reward", "limits.drain_s=1")
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        asked = [asyncio.create_task(client.post("/score", json=one("wait 500"))) for _ in range(3)]
        await in_flight(client, 3)
        assert await asyncio.to_thread(served.end) == 1
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, httpx.TransportError) or each.status_code >= 500 for each in found)
    assert "3 requests have no answer" in served.said


async def test_the_second_ctrl_c_ends_it_at_once(start):
    served = start("reward=own.py:reward")
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        asked = asyncio.create_task(client.post("/score", json=one("wait 500")))
        await in_flight(client, 1)
        served.process.send_signal(signal.SIGINT)
        while (await client.get("/ready")).status_code == 200:
            await asyncio.sleep(0.02)
        assert await asyncio.to_thread(served.end, signal.SIGINT) == 130
        with pytest.raises(httpx.TransportError):
            await asked


def test_idle_connections_do_not_keep_it_alive(start):
    served = start("reward=own.py:reward")
    with (
        closing(socket.create_connection(("127.0.0.1", served.port))) as silent,
        httpx.Client(base_url=served.url) as used,
    ):
        assert used.get("/health").status_code == 200
        assert silent.fileno() >= 0
        assert served.end() == 0


def test_told_to_stop_while_the_models_load_it_stops(start, tmp_path):
    served = start("reward=own.py:reward", "options={}", ready=False)
    served.wait_for("loading the models")
    assert served.end() == 0
