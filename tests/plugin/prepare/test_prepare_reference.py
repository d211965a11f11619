"""References through a real HTTP server: each paid once, faults survived or named, the key never shown."""

import json
import re

import pytest

from pbrlsvr.errors import ConfigError, ServiceError
from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions
from pbrlsvr_plugin.prepare.reference.reference import Reference
from pbrlsvr_plugin.prepare.requests.asking import fill
from pbrlsvr_plugin.prepare.stage import new_row


class ListRows(list):
    """Rows in memory."""


def question_rows(count, repeat=1):
    questions = [f"Ana has {i} apples and buys {2 * i + 1} more. How many?" for i in range(count)]
    return ListRows(
        new_row(id=f"a:{i}", language="en", question=q, english=q, answer=str(3 * (i % count) + 1))
        for i, q in enumerate(questions * repeat)
    )


def options(server, **values):
    defaults = {"model": "m", "urls": (server.url,), "prompt": "reference_math", "retries": 2, "timeout_s": 5.0}
    return ReferenceOptions(**{**defaults, **values})


def run(context, rejects, rows, chosen, seed=0):
    return list(Reference(chosen, context("sw", seed=seed)).run(rows, rejects))


def test_reasoning_and_answer_are_apart_in_the_order_of_the_rows(chat_server, reply, solve, context, rejects):
    # Later questions are answered sooner, so the order is not that of the answers.
    server = chat_server(lambda prompt, _, number: reply(solve(prompt), seconds=max(0.0, 0.2 - 0.01 * number)))
    rows = run(context, rejects, question_rows(20), options(server))
    assert [row["id"] for row in rows] == [f"a:{i}" for i in range(20)]
    assert rows[3]["candidates"] == [
        {
            "reasoning": "She has 3 and buys 7, so she has 10.",
            "answer": "10",
            "thinking": "",
            "finish_reason": "stop",
            "model": "m",
        }
    ]


def test_a_question_in_several_rows_is_asked_once_and_never_again(chat_server, reply, solve, context, rejects):
    server = chat_server(lambda prompt, *_: reply(solve(prompt), seconds=0.02))
    first = run(context, rejects, question_rows(10, repeat=3), options(server))
    assert (len(first), server.requests) == (30, 10)
    assert run(context, rejects, question_rows(10, repeat=3), options(server)) == first
    assert server.requests == 10


def test_each_candidate_is_a_request_of_its_own_with_its_own_seed(chat_server, reply, solve, context, rejects):
    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    (row,) = run(context, rejects, question_rows(1), options(server, candidates=3, temperature=0.7))
    assert len(row["candidates"]) == 3
    assert len({payload["seed"] for payload in server.asked}) == 3
    run(context, rejects, question_rows(1), options(server, candidates=5, temperature=0.7))
    assert server.requests == 5  # the first three are kept
    run(context, rejects, question_rows(1), options(server, candidates=5, temperature=0.8))
    assert server.requests == 10  # another temperature is another request


def test_thinking_is_kept_apart_and_is_the_reference_only_if_asked(chat_server, reply, context, rejects):
    texts = {
        0: reply("<think>Hm, 1.</think>So it is one.\n#### 1"),
        1: reply("So four.\n#### 4", thinking="Let me see."),
    }
    server = chat_server(lambda prompt, *_: texts[int(re.search(r"has (\d)", prompt)[1])])
    rows = run(context, rejects, question_rows(2), options(server))
    told = [(c["reasoning"], c["answer"], c["thinking"]) for row in rows for c in row["candidates"]]
    assert told == [("So it is one.", "1", "Hm, 1."), ("So four.", "4", "Let me see.")]
    rows = run(context, rejects, question_rows(2), options(server, use="thinking"))
    assert [row["candidates"][0]["reasoning"] for row in rows] == ["Hm, 1.", "Let me see."]
    assert server.requests == 2  # the same request, read in another way


def test_a_cut_off_answer_is_asked_for_again_and_then_rejected(chat_server, reply, solve, context, rejects):
    def answer(prompt, payload, _):
        always = "has 1 " in prompt
        return reply("She has", "length") if always or payload["seed"] % 101 == 0 else reply(solve(prompt))

    server = chat_server(answer)
    rows = run(context, rejects, question_rows(2), options(server, temperature=0.5, regenerate=2))
    assert [row["candidates"][0]["answer"] for row in rows] == ["1"]
    assert rejects == [("a:1", "cut_off")]
    assert server.requests == 2 + 3


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 500},
        {"raw": b"{not json"},
        {"raw": b'{"choices": []}'},
        {"cut": True},
    ],
    ids=lambda fault: next(iter(fault.items()))[0] + str(next(iter(fault.values())))[:12],
)
def test_faults_that_pass_are_survived_and_change_nothing(fault, chat_server, reply, solve, context, rejects):
    calm = chat_server(lambda prompt, *_: reply(solve(prompt)))
    expected = run(context, rejects, question_rows(12), options(calm))
    failing = chat_server(
        lambda prompt, _, number: reply(solve(prompt), **fault) if number % 3 == 0 else reply(solve(prompt))
    )
    again = Reference(options(failing, retries=8), context("sw", journal="other.sqlite"))
    assert list(again.run(question_rows(12), rejects)) == expected
    assert rejects == []
    assert len(failing.asked) == 12


def test_a_slow_answer_is_given_up_and_asked_for_again(chat_server, reply, solve, context, rejects):
    server = chat_server(lambda prompt, _, number: reply(solve(prompt), seconds=3.0 if number == 1 else 0.0))
    rows = run(context, rejects, question_rows(3), options(server, timeout_s=0.5, retries=4))
    assert len(rows) == 3
    assert rejects == []


def test_a_refusal_of_one_question_rejects_that_row_alone(chat_server, reply, solve, context, rejects):
    def answer(prompt, *_):
        too_long = "has 3 " in prompt
        return reply(status=400, raw=b'{"error": "maximum context length"}') if too_long else reply(solve(prompt))

    rows = run(context, rejects, question_rows(6), options(chat_server(answer)))
    assert [row["id"] for row in rows] == ["a:0", "a:1", "a:2", "a:4", "a:5"]
    assert rejects == [("a:3", "no_reference")]


def test_a_wrong_key_stops_at_once_and_the_key_is_nowhere(
    chat_server, reply, solve, context, rejects, tmp_path, monkeypatch, caplog
):
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("MY_KEY", secret)
    server = chat_server(lambda *_: reply(status=401, raw=f'{{"error": "bad key {secret}"}}'.encode()))
    with pytest.raises(ServiceError, match="MY_KEY") as caught:
        run(context, rejects, question_rows(50), options(server, api_key_env="MY_KEY", max_concurrency=4))
    assert server.requests <= 16
    assert server.keys == {f"Bearer {secret}"}
    server.reply = lambda prompt, *_: reply(solve(prompt))
    run(context, rejects, question_rows(5), options(server, api_key_env="MY_KEY"))
    everywhere = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert everywhere
    assert not any(secret.encode() in content for content in everywhere)
    assert secret not in str(caught.value) + repr(caught.value) + caplog.text


def test_a_server_that_goes_down_stops_the_run_and_what_was_answered_is_kept(
    chat_server, reply, solve, context, rejects
):
    server = chat_server(lambda prompt, _, number: reply(solve(prompt)) if number <= 30 else reply(status=503))
    chosen = options(server, retries=0, give_up_after=5, max_concurrency=4)
    with pytest.raises(ServiceError, match="5 requests in a row have failed"):
        run(context, rejects, question_rows(100), chosen)
    assert server.requests < 60
    server.reply = lambda prompt, *_: reply(solve(prompt))
    assert len(run(context, rejects, question_rows(100), chosen)) == 100
    assert len(server.asked) == 100  # 30 before and 70 after: none twice


def test_the_rate_limit_spaces_the_requests(chat_server, reply, solve, context, rejects):
    import time

    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    started = time.monotonic()
    run(context, rejects, question_rows(11), options(server, requests_per_minute=600))
    assert time.monotonic() - started >= 1.0  # ten gaps of 0.1 s


def test_no_more_requests_than_allowed_are_under_way(chat_server, reply, solve, context, rejects):
    now, most = [0], [0]

    def answer(prompt, *_):
        import time

        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.02)
        now[0] -= 1
        return reply(solve(prompt))

    run(context, rejects, question_rows(40), options(chat_server(answer), max_concurrency=5))
    assert 2 <= most[0] <= 5


def test_the_solutions_of_the_data_set_are_references(context, rejects):
    rows = ListRows([new_row(id="a:1", extra={"solution": "One and one.\n#### 2"}), new_row(id="a:2")])
    (row,) = run(context, rejects, rows, ReferenceOptions(engine="dataset"))
    (candidate,) = row["candidates"]
    assert (candidate["reasoning"], candidate["answer"], candidate["model"]) == ("One and one.", "2", "dataset")
    assert rejects == [("a:2", "no_reference")]


def test_a_file_of_references_is_joined_by_id(tmp_path, context, rejects):
    path = tmp_path / "references.jsonl"
    lines = [{"id": "a:2", "reference": "Two.\n#### 2"}, {"id": "77", "reference": "Seven.\n#### 7"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    rows = ListRows([new_row(id="a:1", extra={"id": "77"}), new_row(id="a:2"), new_row(id="a:3")])
    found = run(context, rejects, rows, ReferenceOptions(engine="dataset", file=str(path)))
    assert [row["candidates"][0]["answer"] for row in found] == ["7", "2"]
    assert rejects == [("a:3", "no_reference")]


def test_candidates_at_temperature_0_are_refused():
    with pytest.raises(ConfigError, match="at temperature 0"):
        ReferenceOptions(candidates=4)


def test_an_endpoint_without_a_model_is_refused(context):
    with pytest.raises(ConfigError, match="model='' and urls="):
        Reference(ReferenceOptions(), context("sw"))


def test_speed_options_are_no_part_of_the_fingerprint(context, chat_server):
    from pbrlsvr_plugin.prepare.stage import fingerprint

    made = context("sw")
    chosen = options(chat_server(lambda *_: None))
    base = fingerprint(Reference(chosen, made), made)
    assert (
        fingerprint(
            Reference(chosen.model_copy(update={"max_concurrency": 3, "urls": ("http://other/v1",)}), made), made
        )
        == base
    )
    assert fingerprint(Reference(chosen.model_copy(update={"max_tokens": 3}), made), made) != base


def test_braces_that_are_no_place_stay_in_a_prompt():
    assert fill(r"{question} \frac{a}{b} {", question="{language}?") == r"{language}? \frac{a}{b} {"
