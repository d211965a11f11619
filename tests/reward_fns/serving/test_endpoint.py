import asyncio
import email.utils
import gzip
import json
import logging
import pickle
import threading
import time

import pytest

from pbrlsvr.errors import ConfigError, ServiceError
from pbrlsvr.serving import failover
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, EndpointOptions, RejectedError
from pbrlsvr.serving.failover import retry_after

KEY = "sk-very-secret-0123456789"
FINE = {"value": 7}


def read(body):
    if not isinstance(body, dict) or "value" not in body:
        raise BadResponse(f"no value in {body!r}")
    return body["value"]


def endpoint(*servers, **options):
    urls = tuple(server if isinstance(server, str) else server.url for server in servers)
    return Endpoint(
        EndpointOptions(**{"urls": urls, "timeout_s": 5.0, "retries": 4, "api_key_env": "OPENAI_API_KEY", **options})
    )


def in_turn(*answers):
    """Gives the answers one after the other, the last one for ever; a callable is called for its answer."""
    left = list(answers)

    def answer(request):
        given = left.pop(0) if len(left) > 1 else left[0]
        return given(request) if callable(given) else given

    return answer


def cut(request):
    raise ConnectionAbortedError


def slow(request):
    time.sleep(1.0)
    return FINE


async def ask(target, path="/thing"):
    try:
        return await target.post(path, {"text": "Ω"}, read)
    finally:
        await target.aclose()


async def failure(target, kind=ServiceError):
    with pytest.raises(kind) as caught:
        await ask(target)
    return caught.value


async def test_an_answer_is_read_and_the_request_is_json_with_the_key(http_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = http_server(in_turn(FINE))
    assert await ask(endpoint(server)) == 7
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/thing", {"text": "Ω"})
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "gzip" in request.headers["accept-encoding"]


@pytest.mark.parametrize("variable", ["NOT_SET_ANYWHERE", None])
async def test_without_a_key_no_header_is_sent(http_server, monkeypatch, variable):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = http_server(in_turn(FINE))
    await ask(endpoint(server, api_key_env=variable))
    assert "authorization" not in server.requests[0].headers


async def test_a_gzipped_answer_is_read(http_server):
    server = http_server(in_turn((200, gzip.compress(json.dumps(FINE).encode()), {"Content-Encoding": "gzip"})))
    assert await ask(endpoint(server)) == 7


@pytest.mark.parametrize(
    "fault",
    [
        (500, "Internal Server Error"),
        (503, {"error": "starting"}),
        (408, ""),
        (409, ""),
        (425, ""),
        (429, "slow down"),
        (200, "<html>Welcome to nginx</html>"),
        (200, '{"value": 7'),
        (200, b"\xff\xfe"),
        (200, '{"value": 7}', {"Content-Length": "100"}),
        (200, b"not gzip", {"Content-Encoding": "gzip"}),
        (200, {"error": "oops"}),
        cut,
        slow,
    ],
    ids=lambda fault: getattr(fault, "__name__", None) or f"{fault[0]}-{str(fault[1])[:12]}",
)
async def test_a_fault_that_passes_is_mended_by_a_retry(http_server, fault):
    server = http_server(in_turn(fault, fault, FINE))
    assert await ask(endpoint(server, timeout_s=0.5)) == 7
    assert len(server.requests) == 3


@pytest.mark.parametrize("date", [False, True])
async def test_retry_after_is_honoured_as_seconds_and_as_a_date(http_server, date):
    def rest(request):
        # A date has whole seconds: the one 2 s from now is between 1 and 2 s away.
        wait = email.utils.formatdate(time.time() + 2, usegmt=True) if date else "1"
        return 429, "slow down", {"Retry-After": wait}

    server = http_server(in_turn(rest, FINE))
    assert await ask(endpoint(server)) == 7
    first, second = (request.at for request in server.requests)
    assert second - first >= 0.95


async def test_other_requests_wait_too_while_a_server_asks_for_rest(http_server):
    server = http_server(in_turn((429, "", {"Retry-After": "1"}), FINE))
    target = endpoint(server)
    first = asyncio.create_task(target.post("/thing", {}, read))
    (known,) = target._session().servers
    while not known.open_at:
        await asyncio.sleep(0.005)
    assert await target.post("/thing", {}, read) == 7
    assert await first == 7
    assert all(request.at - server.requests[0].at >= 0.95 for request in server.requests[1:])
    await target.aclose()


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "inf", "Fri, 99 Nov"])
def test_a_retry_after_that_says_nothing_is_ignored(value):
    assert retry_after(value) is None


def test_a_retry_after_in_the_past_means_now():
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0


async def test_a_wait_beyond_the_deadline_fails_at_once(http_server):
    server = http_server(in_turn((429, "quota", {"Retry-After": "3600"})))
    error = await failure(endpoint(server, deadline_s=60.0))
    assert "Retry-After" in str(error)
    assert "quota" in str(error)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "The request itself"),
        (401, "'OPENAI_API_KEY'"),
        (403, "'OPENAI_API_KEY'"),
        (404, "/v1"),
        (405, "/v1"),
        (422, "The request itself"),
        (307, "elsewhere"),
    ],
)
async def test_what_a_retry_cannot_mend_raises_at_once_with_the_mend(http_server, monkeypatch, status, words):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = http_server(in_turn((status, {"error": "its own words"})))
    error = await failure(endpoint(server), RejectedError)
    assert len([request for request in server.requests if request.method == "POST"]) == 1
    assert error.status == status
    for part in (server.url, str(status), words, "its own words"):
        assert part in str(error)
    assert pickle.loads(pickle.dumps(error)).status == status


async def test_a_404_lists_the_models_that_the_server_has(http_server):
    def answer(request):
        models = {"data": [{"id": "BAAI/bge-m3"}, {"id": "other"}]}
        return models if request.path == "/v1/models" else (404, {"error": "no such model"})

    assert "['BAAI/bge-m3', 'other']" in str(await failure(endpoint(http_server(answer)), RejectedError))


async def test_a_text_beyond_the_context_is_named_as_such(http_server):
    said = "This model's maximum context length is 512 tokens. However, you requested 900 tokens"
    error = await failure(endpoint(http_server(in_turn((400, {"message": said})))), RejectedError)
    assert "lower max_tokens" in str(error)


@pytest.mark.parametrize("set_key", [True, False])
async def test_a_401_says_whether_the_key_is_missing_or_wrong(http_server, monkeypatch, set_key):
    if set_key:
        monkeypatch.setenv("MY_KEY", KEY)
    error = await failure(endpoint(http_server(in_turn((401, "no"))), api_key_env="MY_KEY"), RejectedError)
    assert ("does not accept it" if set_key else "not set here") in str(error)


async def test_when_nothing_helps_the_error_names_url_attempts_status_body_and_mend(http_server):
    server = http_server(in_turn((503, "x" * 5000)))
    error = await failure(endpoint(server, retries=2))
    for part in (server.url, "3 attempts", "HTTP 503", "xxx...", "server's log"):
        assert part in str(error)
    assert len(str(error)) < 1000
    assert len(server.requests) == 3
    assert pickle.loads(pickle.dumps(error)).args == error.args


async def test_an_answer_that_is_never_usable_is_an_error_with_the_reason(http_server):
    assert "no value in {'nothing': 1}" in str(await failure(endpoint(http_server(in_turn({"nothing": 1})), retries=1)))


async def test_a_slow_server_fails_within_the_deadline(http_server):
    server = http_server(slow)
    error = await failure(endpoint(server, timeout_s=0.4, retries=50, deadline_s=1.5))
    assert len(server.requests) < 50
    assert "no answer within 0.4 s" in str(error)


async def test_a_server_that_sends_byte_after_byte_is_cut_off_by_the_time_out():
    async def trickle(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    listener = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    await failure(endpoint(f"http://127.0.0.1:{port}/v1", timeout_s=0.3, retries=0))
    listener.close()


async def test_a_server_that_is_down_is_passed_over_at_once_and_used_again_later(http_server, monkeypatch):
    monkeypatch.setattr(failover, "REST_S", 0.3)
    one, two = http_server(in_turn(FINE)), http_server(in_turn(FINE))
    one.stop()
    target = endpoint(one, two)
    assert await asyncio.gather(*(target.post("/thing", {}, read) for _ in range(20))) == [7] * 20
    assert len(two.requests) == 20
    one.start()
    await asyncio.sleep(0.4)
    for _ in range(6):
        await target.post("/thing", {}, read)
    assert one.requests
    await target.aclose()


async def test_when_a_server_dies_in_mid_flight_nothing_is_lost(http_server):
    def steady(request):
        time.sleep(0.02)
        return {"value": request.body["i"]}

    one, two = http_server(steady), http_server(steady)
    target = endpoint(one, two, max_concurrency=8)
    asked = [asyncio.create_task(target.post("/thing", {"i": i}, read)) for i in range(100)]
    while len(one.requests) < 3:
        await asyncio.sleep(0.005)
    await asyncio.to_thread(one.stop)
    assert await asyncio.gather(*asked) == list(range(100))
    assert len(one.requests) < 100 < len(one.requests) + len(two.requests) + 1
    await target.aclose()


async def test_all_servers_down_is_an_error_in_bounded_time_that_names_each(http_server):
    servers = [http_server(in_turn(FINE)) for _ in range(3)]
    for server in servers:
        server.stop()
    error = await failure(endpoint(*servers, retries=5, deadline_s=4.0))
    assert all(server.url in str(error) for server in servers)
    assert "ConnectError" in str(error)
    assert "Is the server up" in str(error)


async def test_load_goes_to_the_least_busy_server(http_server):
    def busy(request):
        time.sleep(0.2)
        return FINE

    quick, laggard = http_server(in_turn(FINE)), http_server(busy)
    target = endpoint(quick, laggard, max_concurrency=4)
    await asyncio.gather(*(target.post("/thing", {}, read) for _ in range(60)))
    assert len(quick.requests) > 3 * len(laggard.requests) > 0
    await target.aclose()


async def test_no_more_requests_are_under_way_than_allowed(http_server):
    under_way, most = [], []

    def count(request):
        under_way.append(request)
        most.append(len(under_way))
        time.sleep(0.03)
        under_way.remove(request)
        return FINE

    target = endpoint(http_server(count), max_concurrency=3)
    await asyncio.gather(*(target.post("/thing", {}, read) for _ in range(30)))
    assert max(most) == 3
    await target.aclose()


def test_one_endpoint_serves_many_event_loops(http_server):
    target = endpoint(http_server(in_turn(FINE)))
    assert [asyncio.run(ask(target)) for _ in range(3)] == [7, 7, 7]
    assert not target._sessions


async def test_a_caller_who_leaves_frees_its_slot(http_server):
    stuck = threading.Event()
    server = http_server(in_turn(lambda _: stuck.wait(60) and FINE, FINE))
    target = endpoint(server, max_concurrency=1, timeout_s=60.0)
    first = asyncio.create_task(target.post("/thing", {}, read))
    while not server.requests:
        await asyncio.sleep(0.01)
    first.cancel()
    assert await asyncio.wait_for(target.post("/thing", {}, read), 30) == 7
    assert not stuck.is_set()
    stuck.set()
    await target.aclose()


async def test_the_key_is_in_no_error_log_or_repr(http_server, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for status in (200, 401, 500):
        server = http_server(lambda request, status=status: (status, f"you sent {request.headers['authorization']}"))
        target = endpoint(server, retries=1)
        error = await failure(target)
        cause = error
        while cause is not None:
            assert KEY not in f"{cause} {cause!r}"
            cause = cause.__cause__ or cause.__context__
        assert KEY not in repr(target.options)
        assert KEY not in repr(vars(target))
    assert "HTTP Request" in caplog.text  # httpx did log
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["sk secret", "sk-secret\nX-Admin: 1", "sk-sécret"])
async def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(http_server, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    error = await failure(endpoint(http_server(in_turn(FINE))), ConfigError)
    assert "OPENAI_API_KEY" in str(error)
    assert "cret" not in str(error)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"urls": "http://host/v1"}, "list"),
        ({"urls": ("host:8000/v1",)}, "host:8000"),
        ({"urls": ("ftp://host/v1",)}, "ftp"),
        ({"urls": ("http:///v1",)}, "http:///v1"),
        ({"urls": ("http://host:port/v1",)}, "host:port"),
        ({"urls": ("http://a host/v1",)}, "a host"),
        ({"urls": ("http://ho\tst/v1",)}, "urls"),
        ({"urls": ("http://[bad",)}, "cannot be read"),
        ({"urls": (3,)}, "urls holds something that is not a text"),
        ({"urls": None}, "list"),
        ({"timeout_s": 0}, "timeout_s=0"),
        ({"timeout_s": float("inf")}, "timeout_s=inf"),
        ({"timeout_s": True}, "timeout_s=True"),
        ({"deadline_s": "9"}, "deadline_s='9'"),
        ({"retries": -1}, "retries=-1"),
        ({"retries": 1.5}, "retries=1.5"),
        ({"max_concurrency": 0}, "max_concurrency=0"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options, named):
    with pytest.raises(ConfigError, match=named):
        EndpointOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"urls": (f"http://user:{KEY}@host/v1",)},
        {"urls": (f"http://host/v1?key={KEY}",)},
        {"urls": (f"http://host/v1#{KEY}",)},
        {"urls": (f"http://user:{KEY}@[host/v1",)},
        {"urls": (f"user:{KEY}@host/v1",)},
        {"urls": (f"//user:{KEY}@host/v1",)},
        {"urls": (f"http:/user:{KEY}@host/v1",)},
        {"urls": (f"https:user:{KEY}@host/v1",)},
        {"urls": (f"http://user%3A{KEY}%40host/v1",)},
        {"api_key_env": KEY},
    ],
)
def test_a_secret_in_the_options_is_refused_without_showing_it(options):
    with pytest.raises(ConfigError) as caught:
        EndpointOptions(**options)
    assert KEY not in str(caught.value)


def test_options_are_hashable_and_take_a_list_of_urls():
    options = EndpointOptions(urls=["http://host:8000/v1/", "https://other/v1"])
    assert options.urls == ("http://host:8000/v1", "https://other/v1")
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(options) == hash(EndpointOptions(urls=options.urls))


def test_an_endpoint_without_urls_is_refused():
    with pytest.raises(ConfigError, match="names no server"):
        Endpoint(EndpointOptions())
