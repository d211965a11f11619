import pytest

from pbrlsvr.errors import ServiceError
from pbrlsvr.serving.chat import Completion, chat
from pbrlsvr.serving.endpoint import Endpoint, EndpointOptions

USAGE = {"prompt_tokens": 5, "completion_tokens": 9}
QUESTION = [{"role": "user", "content": "2+2?"}]


def choice(content, **message):
    return {"message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}


def serving(http_server, answer, **options):
    server = http_server(answer)
    return server, Endpoint(EndpointOptions(urls=(server.url,), retries=1, **options))


async def completions(http_server, *choices, n=1, **sampling):
    _, endpoint = serving(http_server, lambda _: {"choices": list(choices), "usage": USAGE})
    try:
        return await chat(endpoint, "m", QUESTION, n=n, **sampling)
    finally:
        await endpoint.aclose()


async def test_the_request_holds_model_messages_and_sampling(http_server):
    server, endpoint = serving(http_server, lambda _: {"choices": [choice("4")], "usage": USAGE})
    assert await chat(endpoint, "m", QUESTION, temperature=0.5) == [Completion("4", "", "stop", USAGE)]
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].body == {"model": "m", "messages": QUESTION, "temperature": 0.5}
    await endpoint.aclose()


@pytest.mark.parametrize(
    ("content", "fields", "text", "reasoning"),
    [
        ("4", {"reasoning_content": "2+2"}, "4", "2+2"),
        ("4", {"reasoning": "2+2"}, "4", "2+2"),
        ("4", {"reasoning_content": None}, "4", ""),
        ("<think>2+2</think>\n4", {}, "4", "2+2"),
        ("\n<think>\n2+2\n</think>\n\n4", {}, "4", "2+2"),
        ("2+2\n</think>\n4", {}, "4", "2+2"),
        ("<think>2+2 is", {}, "", "2+2 is"),
        ("It writes <think>a</think> first.", {}, "It writes <think>a</think> first.", ""),
        ("<think>x</think>4", {"reasoning_content": "2+2"}, "<think>x</think>4", "2+2"),
        (None, {"reasoning_content": "2+2"}, "", "2+2"),
        (None, {}, "", ""),
        ([{"type": "text", "text": "4"}, {"type": "text", "text": "2"}], {}, "42", ""),
        (" 4 ", {}, " 4 ", ""),
    ],
)
async def test_reasoning_is_apart_from_the_text(http_server, content, fields, text, reasoning):
    (completion,) = await completions(http_server, choice(content, **fields))
    assert (completion.text, completion.reasoning) == (text, reasoning)


async def test_a_cut_off_answer_says_so(http_server):
    cut = {**choice("The ans"), "finish_reason": "length"}
    assert (await completions(http_server, cut))[0].finish_reason == "length"


async def test_n_completions_come_in_one_request_where_the_server_can(http_server):
    server, endpoint = serving(http_server, lambda r: {"choices": [choice(str(i)) for i in range(r.body["n"])]})
    assert [c.text for c in await chat(endpoint, "m", QUESTION, n=3)] == ["0", "1", "2"]
    assert len(server.requests) == 1
    await endpoint.aclose()


async def test_a_server_that_gives_one_at_a_time_is_asked_again_with_another_seed(http_server):
    server, endpoint = serving(http_server, lambda r: {"choices": [choice(str(r.body["seed"]))]})
    assert [c.text for c in await chat(endpoint, "m", QUESTION, n=3, seed=5)] == ["5", "6", "7"]
    assert [request.body.get("n") for request in server.requests] == [3, 2, None]
    await endpoint.aclose()


@pytest.mark.parametrize(
    "body", [{}, [], {"choices": []}, {"choices": [{}]}, {"choices": [choice(7)]}, {"error": {"message": "overloaded"}}]
)
async def test_an_answer_without_a_completion_is_an_error_not_an_empty_text(http_server, body):
    _, endpoint = serving(http_server, lambda _: (200, body))
    with pytest.raises(ServiceError, match="2 attempts"):
        await chat(endpoint, "m", QUESTION)
    await endpoint.aclose()
