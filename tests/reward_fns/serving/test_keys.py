"""Which server gets which key, and that no eight characters of one are shown, wherever a server repeats it."""

import asyncio
import contextlib
import logging
import traceback

import pytest

from pbrlsvr.errors import ConfigError, ServiceError
from pbrlsvr.serving.chat import chat
from pbrlsvr.serving.endpoint import BadResponse, Endpoint, EndpointOptions
from pbrlsvr.serving.keys import Secrets, key_for, key_variable

KEY = "sk-Zq3vX9mT7pLw2RkB8nYc4HdJ6sFg1AeU"
ANOTHER = "another-Kx82hQ"


@pytest.mark.parametrize(
    ("url", "variable", "expected"),
    [
        ("https://api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("https://eu.api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("https://API.OpenAI.com:443/v1", None, "OPENAI_API_KEY"),
        ("http://api.openai.com/v1", None, None),
        ("https://api.openai.com.evil.example/v1", None, None),
        ("https://evil-api.openai.com/v1", None, None),
        ("https://openai.com/v1", None, None),
        ("https://evil.example/api.openai.com", None, None),
        ("http://127.0.0.1:8000/v1", None, None),
        ("http://gpu7:8000/v1", None, None),
        ("http://gpu7:8000/v1", "VLLM_API_KEY", "VLLM_API_KEY"),
        ("https://host/v1", "OPENAI_API_KEY", "OPENAI_API_KEY"),
    ],
)
def test_a_key_goes_where_the_user_named_it_for(url, variable, expected):
    assert key_variable(url, variable) == expected


async def test_openai_s_key_reaches_no_other_server_unless_it_is_named(http_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = http_server(lambda _: {"value": 7})
    for variable, sent in ((None, None), ("OPENAI_API_KEY", f"Bearer {KEY}")):
        endpoint = Endpoint(EndpointOptions(urls=(server.url,), api_key_env=variable))
        await endpoint.post("/thing", {}, lambda body: body)
        assert server.requests[-1].headers.get("authorization") == sent
        await endpoint.aclose()


async def test_a_redirect_is_not_followed_and_its_target_gets_nothing(http_server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    other = http_server(lambda _: {"value": 7})
    server = http_server(lambda _: (307, "", {"Location": f"{other.url}/thing"}))
    endpoint = Endpoint(EndpointOptions(urls=(server.url,), api_key_env="MY_KEY"))
    with pytest.raises(ServiceError, match="The server is elsewhere"):
        await endpoint.post("/thing", {}, lambda body: body)
    assert not other.requests
    await endpoint.aclose()


@pytest.mark.parametrize(
    ("url", "warned"), [("http://gpu-7.test:8000/v1", 1), ("http://[::1]/v1", 0), ("https://h/v1", 0)]
)
def test_a_key_over_plain_http_is_warned_of_once_and_not_shown(monkeypatch, caplog, url, warned):
    monkeypatch.setenv("MY_KEY", KEY)
    for _ in range(3):
        assert key_for(url, "MY_KEY") == KEY
    assert len([r for r in caplog.records if "over plain http" in r.getMessage()]) == warned
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["sk 123", "sk-\n123", "sk-é", "sk-\x00"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(monkeypatch, key):
    monkeypatch.setattr("os.environ", {"MY_KEY": key})
    with pytest.raises(ConfigError) as caught:
        key_for("https://h/v1", "MY_KEY")
    assert "MY_KEY" in str(caught.value)
    assert key not in str(caught.value)


def runs_shown(text, key=KEY, length=8):
    return [key[at : at + length] for at in range(len(key) - length + 1) if key[at : at + length] in text]


@pytest.mark.parametrize("start", range(0, 30, 3))
@pytest.mark.parametrize("length", [8, 9, 15, 40])
def test_any_part_of_a_key_is_hidden_in_any_text(start, length):
    part = KEY[start : start + length]
    for text in (part, f"a{part}b", f"{part} {part}", f"{KEY}{KEY[:9]}", f"({part[:-1]}…{part}"):
        assert not runs_shown(Secrets([KEY, ANOTHER]).hide(text)) or len(part) < 8


def test_what_is_no_key_stays():
    text = "nothing to hide, not even sk-Zq3v or OPENAI_API_KEY"
    assert Secrets([KEY, None]).hide(text) == text
    assert Secrets([]).hide(text) == text


def padded(offset, secret):
    return "." * offset + secret + "." * 700


def starred(secret):
    return secret[:12] + "*" * 8 + secret[-12:]


# Where a server can put a text: (status, body, headers), from the text.
PLACES = {
    "body of an error": lambda text: (500, text, {}),
    "body of a refusal": lambda text: (400, text, {}),
    "body that is no JSON": lambda text: (200, text, {}),
    "JSON of another form": lambda text: (200, {"error": text}, {}),
    "list": lambda text: (200, [text], {}),
    "choices": lambda text: (200, {"choices": text}, {}),
    "message": lambda text: (200, {"choices": [{"message": text}]}, {}),
    "content": lambda text: (200, {"choices": [{"message": {"content": {text: text}}}]}, {}),
    "finish reason": lambda text: (200, {"choices": [{"message": {"content": "4"}, "finish_reason": text}]}, {}),
    "answer": lambda text: (200, {"choices": [{"message": {"content": text, "reasoning": text}}]}, {}),
    "usage": lambda text: (
        200,
        {"choices": [{"message": {"content": "4"}}], "usage": {text: 7, "prompt_tokens": text}},
        {},
    ),
    "location": lambda text: (302, "", {"Location": f"https://elsewhere/{text}"}),
    "location's query": lambda text: (302, "", {"Location": f"https://elsewhere/?key={text}"}),
    "location's user": lambda text: (302, "", {"Location": f"https://{text}@elsewhere/"}),
    "retry after": lambda text: (429, "", {"Retry-After": text}),
    "content encoding": lambda text: (200, "x", {"Content-Encoding": text}),
    "content type": lambda text: (200, "x", {"Content-Type": f"application/json; charset={text}"}),
    "any header": lambda text: (200, "x", {"X-Echo": text}),
    "any header's name": lambda text: (200, "x", {f"X-{text}": "1"}),
    "a wrong header": lambda text: (200, "x", {"Content-Length": text}),
    "models": lambda text: (404, {"data": [{"id": text}, {"id": "other"}]}, {}),
    "model's id in a list": lambda text: (404, {"data": [{"id": [text]}, {text: 1}]}, {}),
}


async def everything_shown(endpoint, caplog):
    """All that a run can write down: the answer, the error with its causes and their variables, and the log."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    shown = []
    try:
        for found in await chat(endpoint, "m", [{"role": "user", "content": "2+2?"}]):
            shown += [found.text, found.reasoning, found.finish_reason, str(found.usage)]
    except ServiceError as error:
        shown += [str(getattr(error, "body", "")), "".join(traceback.format_exception(error))]
        cause: BaseException | None = error
        while cause is not None:
            shown.append(f"{cause} {cause!r} {cause.args}")
            cause = cause.__cause__ or cause.__context__
    shown += [record.getMessage() for record in caplog.records]
    return "\n".join(shown)


@pytest.mark.parametrize("how", [str, starred, str.strip], ids=["whole", "starred", "again"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_key_is_shown_nowhere(http_server, monkeypatch, caplog, place, how):
    monkeypatch.setenv("MY_KEY", KEY)
    offset = [0]
    server = http_server(lambda _: PLACES[place](padded(offset[0], how(KEY))))
    endpoint = Endpoint(EndpointOptions(urls=(server.url,), api_key_env="MY_KEY", retries=0, timeout_s=10.0))
    for offset[0] in [*range(0, 12, 5), *range(255, 305, 7)]:
        assert not runs_shown(await everything_shown(endpoint, caplog)), offset
    await endpoint.aclose()


@pytest.mark.parametrize(
    "raw", ["HTTP/1.1 500 {key}", "HTTP/1.1 200 {key}", "{key}", "HTTP/1.1 {key}", "HTTP/9 {key} OK"]
)
async def test_a_key_in_the_status_line_is_shown_nowhere(monkeypatch, caplog, raw):
    monkeypatch.setenv("MY_KEY", KEY)

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw.format(key=KEY).encode() + b"\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    endpoint = Endpoint(EndpointOptions(urls=(url,), api_key_env="MY_KEY", retries=0))
    shown = await everything_shown(endpoint, caplog)
    assert "127.0.0.1" in shown
    assert not runs_shown(shown)
    await endpoint.aclose()
    listener.close()


async def test_what_the_reader_of_an_answer_complains_of_is_hidden_too(http_server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint = Endpoint(EndpointOptions(urls=(http_server(lambda _: {"x": KEY}).url,), api_key_env="MY_KEY", retries=0))

    def read(body):
        raise BadResponse("." * 290 + f" not {body!r}")

    with pytest.raises(BadResponse) as caught:
        await endpoint.post("/thing", {}, read)
    assert not runs_shown(str(caught.value))
    await endpoint.aclose()


async def test_a_stand_in_for_a_key_stays_a_word_of_an_answer(http_server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "EMPTY")
    server = http_server(lambda _: {"choices": [{"message": {"content": "The set is EMPTY."}}]})
    endpoint = Endpoint(EndpointOptions(urls=(server.url,), api_key_env="MY_KEY"))
    (found,) = await chat(endpoint, "m", [{"role": "user", "content": "?"}])
    assert found.text == "The set is EMPTY."
    await endpoint.aclose()


async def test_a_proxy_that_cannot_be_used_is_named_without_its_password(http_server, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", f"nonsense://user:{KEY}@proxy:1")
    endpoint = Endpoint(EndpointOptions(urls=("http://host.test/v1",)))
    with pytest.raises(ConfigError, match="HTTP_PROXY") as caught:
        await endpoint.post("/thing", {}, lambda body: body)
    assert not runs_shown("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize(
    "url", ["http://a" + "b" * 70 + ".test/v1", "http://\u2603.test:1/v1", "http://x..y/v1", "http://-/"]
)
async def test_a_host_that_no_name_can_have_is_our_own_error(url):
    with pytest.raises((ServiceError, ConfigError)):
        await Endpoint(EndpointOptions(urls=(url,), retries=0, timeout_s=5.0)).post("/thing", {}, lambda body: body)
