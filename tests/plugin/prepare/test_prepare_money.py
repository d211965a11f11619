"""What is paid for: nothing before all is there that will be needed, nothing for nothing, and all of it is counted."""

import json
import os
import sqlite3
import subprocess
import sys
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from pbrlsvr.errors import ConfigError
from pbrlsvr.yaml_files import parse_yaml
from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.prepare.cli import ROWS_MISSING, STARTER
from pbrlsvr_plugin.prepare.requests.journal import Journal

BOMB = "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}, *{p}, *{p}]\n" for p, n in pairwise("abcdefghijkl"))
EASY = ("check.language_share=0", "check.copied=1.0", "check.repetition=1.0")
COLUMNS = "load.columns={answer_in: answer, solution: answer}"


def invoke(*arguments, **options):
    return CliRunner().invoke(app, ["prepare", *map(str, arguments)], **options)


def start(problems, out, server, *more):
    return invoke(
        "run", "--source", problems, "--languages", "sw", "--out", out, "--pivot-url", server.url, "--pivot-model", "m",
        COLUMNS, *EASY, *more,
    )  # fmt: skip


def test_the_file_of_init_runs_as_it_stands(tmp_path, problems, chat_server, reply, solve):
    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    path = tmp_path / "prepare.yaml"
    assert invoke("init", path).exit_code == 0
    # Nothing but the places is replaced.
    ran = invoke(
        "run",
        path,
        f"out={tmp_path / 'out'}",
        f"load.source={problems}",
        f"reference.urls=[{server.url}]",
        COLUMNS,
        *EASY,
    )
    assert ran.exit_code == 0, ran.output
    assert {payload["model"] for payload in server.asked} == {"Qwen/Qwen3-32B"}
    assert len(server.asked) == 40 + 2 * 40
    assert "reference: about 40 requests" in ran.output
    assert "translate: about 80 requests" in ran.output


def test_the_starter_has_each_key_once():
    parse_yaml(STARTER.read_text(encoding="utf-8"), "the starter")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("a: 1\nb: {c: 2, c: 3}", r"'c' stands twice, in line 2 and in line 2"),
        ("a: 1\na: 1", "'a' stands twice"),
        ("- x: 1\n  x: 2", "'x' stands twice"),
        ("a: [", "is no YAML"),
        (BOMB, "values"),
        ("a: !!python/object/apply:os.system [x]", "is no YAML"),
    ],
)  # fmt: skip
def test_a_configuration_that_says_two_things_or_too_much_is_refused(yaml, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        parse_yaml(yaml, "it")
    path = tmp_path / "p.yaml"
    path.write_text(yaml)
    ran = invoke("run", path)
    assert ran.exit_code == 1
    assert "error: the configuration" in ran.output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("translate.engine=join",), "no translation into"),
        (("translate.prompt=nowhere.txt",), "nowhere.txt"),
        (("export.contamination.benchmarks=[nowhere.tsv]",), "nowhere.tsv"),
        (("export.tokenizer=/nowhere",), "export.tokenizer"),
        (("translate.model=other", "translate.urls=[http://127.0.0.1:9/v1]"), "127.0.0.1:9"),
        (("languages=[swahili]",), "swahili"),
        (("check.meaning={method: comet, threshold: 0.5}",), "check.meaning"),
    ],
)
def test_what_a_later_stage_lacks_shows_before_the_first_request(
    more, message, tmp_path, problems, chat_server, reply, solve
):
    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    flags = ("--source", problems, "--out", tmp_path / "out", "--pivot-url", server.url, "--pivot-model", "m")
    languages = () if any("languages" in each for each in more) else ("languages=[sw]",)
    ran = invoke("run", *languages, COLUMNS, *EASY, *more, *flags)
    assert ran.exit_code == 1, ran.output
    assert message in ran.output
    assert server.requests == 0


def test_a_wrong_translator_shows_before_the_references_are_paid(tmp_path, problems, chat_server, reply, solve):
    pivot = chat_server(lambda prompt, *_: reply(solve(prompt)))
    other = chat_server(lambda *_: reply(status=404, raw=b'{"error": "no such model"}'))
    ran = start(problems, tmp_path / "out", pivot, "translate.model=typo", f"translate.urls=[{other.url}]")
    assert ran.exit_code == 1
    assert "404" in ran.output
    assert pivot.requests == 0


def test_an_empty_answer_is_asked_for_again_and_the_row_can_be_had_later(tmp_path, problems, chat_server, reply, solve):
    empty = {"Ana has 3 ", "Ana has 5 "}

    def answer(prompt, *_):
        return reply(" \n") if any(each in prompt for each in empty) else reply(solve(prompt))

    server, out = chat_server(answer), tmp_path / "out"
    ran = start(problems, out, server)
    assert ran.exit_code == ROWS_MISSING, ran.output
    assert server.requests == 38 + 2 * 3 + 38
    assert "2 in the stage 'reference'" in ran.output
    assert "--redo reference" in ran.output
    again = start(problems, out, server)
    assert again.exit_code == ROWS_MISSING
    assert server.requests == 38 + 2 * 3 + 38
    empty.clear()
    last = start(problems, out, server, "--redo", "reference")
    assert last.exit_code == 0, last.output
    assert server.requests == 38 + 2 * 3 + 38 + 2 + 2
    facts = json.loads((out / "work/2-reference/stage.json").read_text())["facts"]
    assert facts["answers"] == 40
    assert facts["prompt_tokens"] == 10 * (40 + 2 * 3)  # the empty ones were paid for as well


def test_what_the_server_s_filter_refuses_is_kept_as_refused_and_asked_for_again_on_demand(
    tmp_path, problems, chat_server, reply, solve
):
    said = {"message": {"role": "assistant", "content": None, "refusal": "I cannot help."}, "finish_reason": "stop"}
    blocked = b'{"error": {"message": "...", "code": "content_filter", "status": 400}}'
    filtered = {  # the forms that servers give it
        "Ana has 3 ": reply("", finish_reason="content_filter"),
        "Ana has 5 ": reply("She has 5 and", finish_reason="content_filter"),
        "Ana has 7 ": reply(raw=json.dumps({"choices": [said]}).encode()),
        "Ana has 8 ": reply("", finish_reason="SAFETY"),
        "Ana has 9 ": reply(status=400, raw=blocked),
        "Translate": None,
    }
    of_translation = reply("[Swahili] Ana", finish_reason="content_filter")

    def answer(prompt, *_):
        if prompt.startswith("Translate"):
            return of_translation if "Ana has 11 " in prompt and "Translate" in filtered else reply(solve(prompt))
        return next((filtered[each] for each in filtered if each in prompt), None) or reply(solve(prompt))

    server, out = chat_server(answer), tmp_path / "out"
    ran = start(problems, out, server, "reference.give_up_after=2")
    assert ran.exit_code == 0, ran.output  # nothing that passes by itself
    assert server.requests == 40 + 35
    assert "refused by the server's filter" in ran.output
    assert "5 in the stage 'reference' and 1 in the stage 'translate'" in ran.output
    assert "reference.again_if_refused=true translate.again_if_refused=true" in ran.output
    reasons = [json.loads(line)["reason"] for line in (out / "work/2-reference/rejects.jsonl").read_text().splitlines()]
    assert reasons == ["refused"] * 5
    filtered.clear()
    assert start(problems, out, server).exit_code == 0
    assert start(problems, out, server, "--redo", "reference", "--redo", "translate").exit_code == 0
    assert server.requests == 40 + 35
    command = next(line.split() for line in ran.output.splitlines() if "--redo reference --redo translate" in line)
    assert "again_if_refused" not in invoke("status", f"out={out}", "reference.again_if_refused=true").output
    last = start(problems, out, server, *command[command.index("reference.again_if_refused=true") :])
    assert last.exit_code == 0, last.output
    assert "refused" not in last.output
    assert server.requests == 40 + 35 + 5 + 5 + 1
    start(problems, out, server, *command[command.index("reference.again_if_refused=true") :])
    assert server.requests == 40 + 35 + 5 + 5 + 1


def test_of_several_candidates_those_that_the_filter_leaves_stay(tmp_path, problems, chat_server, reply, solve):
    def answer(prompt, payload, number):
        cut = payload["seed"] % 2 and not prompt.startswith("Translate")
        return reply("", finish_reason="content_filter") if cut else reply(solve(prompt))

    more = ("reference.candidates=2", "reference.temperature=0.7", "translate.temperature=0.7")
    ran = start(problems, tmp_path / "out", chat_server(answer), *more)
    assert ran.exit_code == 0, ran.output
    assert "refused" not in ran.output


def test_the_cost_is_that_of_all_runs_together(tmp_path, problems, chat_server, reply, solve):
    server, out = (
        chat_server(lambda prompt, _, number: reply(solve(prompt)) if number <= 25 else reply(status=401)),
        tmp_path / "out",
    )
    assert start(problems, out, server, "reference.max_concurrency=2").exit_code == 1
    server.reply = lambda prompt, *_: reply(solve(prompt))
    assert start(problems, out, server, "reference.max_concurrency=2").exit_code == 0
    facts = json.loads((out / "work/2-reference/stage.json").read_text())["facts"]
    assert (facts["asked"], facts["answers"], facts["prompt_tokens"]) == (15, 40, 400)
    assert "| reference | 40 | 400 |" in (out / "README.md").read_text()


def test_a_pause_that_the_server_asks_for_is_waited_for_and_one_server_fills_no_log(
    tmp_path, problems, chat_server, reply, solve, caplog
):
    def answer(prompt, _, number):
        return reply(status=429, headers={"Retry-After": "0.2"}) if number % 2 else reply(solve(prompt))

    server = chat_server(answer)
    ran = start(problems, tmp_path / "out", server, "reference.retries=0", "reference.give_up_after=2")
    assert ran.exit_code == 0, ran.output
    assert "others are asked first" not in caplog.text + ran.output
    assert len(server.asked) == 80


def test_an_answer_that_nobody_waits_for_any_more_is_kept_and_the_next_ones_as_well(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        for i in range(50):
            journal.put_soon(f"cancelled{i}", {"text": "x"}).cancel()
        journal.put_soon("last", {"text": "y"}).result(timeout=30)
        assert len(journal) == 51


def test_half_a_surrogate_pair_costs_no_other_answer(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        done = [journal.put_soon(f"k{i}", {"text": "\ud800" if i == 3 else "x"}) for i in range(6)]
        for each in done:
            each.result(timeout=30)
        assert [journal.get(f"k{i}")["text"] for i in range(6)] == ["x", "x", "x", "\ud800", "x", "x"]


@pytest.mark.parametrize(
    "usage",
    [
        '"n/a"',
        "1e999",
        '{"prompt_tokens": "n/a"}',
        '{"prompt_tokens": 1e999}',
        '{"completion_tokens": 1000000000000000000}',
        "[]",
    ],
)
def test_a_usage_that_makes_no_sense_counts_nothing(usage, tmp_path, problems, chat_server, reply, solve):
    def answer(prompt, *_):
        message = json.dumps({"role": "assistant", "content": solve(prompt)})
        return reply(
            raw=f'{{"choices": [{{"message": {message}, "finish_reason": "stop"}}], "usage": {usage}}}'.encode()
        )

    ran = start(problems, tmp_path / "out", chat_server(answer), "reference.tokens_per_minute=10000000")
    assert ran.exit_code == 0, ran.output


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from pbrlsvr_plugin.cli import main
main()
"""


@pytest.mark.parametrize("limit", [0, 1_000, 40_000])
def test_a_full_disk_is_one_clear_error(limit, tmp_path, problems):
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), "prepare", "run", "--source", str(problems), "--languages", "en",
         "--out", str(tmp_path / "out"), COLUMNS, "reference.engine=dataset"],
        capture_output=True, text=True,
        # Python itself would leave compiled modules behind that end at the limit.
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert "Traceback" not in ran.stderr, ran.stderr[-2000:]
    if ran.returncode:
        assert ran.stderr.count("error:") == 1, ran.stderr
        assert "cannot be used" in ran.stderr
    assert ran.returncode == 1 or limit == 40_000


def test_out_below_a_file_or_in_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, problems):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "out", "/proc/nowhere/out"):
        ran = invoke(
            "run", "--source", problems, "--languages", "en", "--out", out, COLUMNS, "reference.engine=dataset"
        )
        assert ran.exit_code == 1
        assert ran.exception is None or isinstance(ran.exception, SystemExit)
        assert "cannot be used" in ran.output
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "work").mkdir()
    (tmp_path / "linked" / "work" / "lock").symlink_to(tmp_path / "file")
    ran = invoke("run", "--source", problems, "--languages", "en", "--out", tmp_path / "linked", COLUMNS)
    assert ran.exit_code == 1


PAID = {"text": "So 7.\n#### 7", "thinking": "", "finish_reason": "stop", "usage": {"prompt_tokens": 1}}


@pytest.mark.parametrize("with_digest", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        "NULL",
        "7",
        "'{'",
        "'[1]'",
        "'{}'",
        "x'ff00'",
        """'{"text": 5, "thinking": null}'""",
        "replace(value, 'So', 'no')",
    ],
)
def test_an_answer_that_is_not_what_was_written_is_asked_for_again(value, with_digest, tmp_path, caplog):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put_many({"a": PAID, "b": PAID, "c": "eine Übersetzung"})
    with sqlite3.connect(tmp_path / "j.sqlite") as database:
        database.execute(f"UPDATE answers SET value = {value} WHERE key != 'c'")
        if not with_digest:  # as an earlier version wrote
            database.execute("ALTER TABLE answers DROP COLUMN digest")
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.get("c") == "eine Übersetzung"
        if value.startswith("replace") and not with_digest:
            return  # nothing can tell
        assert journal.get("a") is journal.get("b") is None
        assert journal.damaged == 2
        assert len(caplog.records) == 1
        journal.put("a", PAID)
        assert journal.get("a") == PAID
