"""The command: flags and files build the same configuration; errors end with the fix and exit code 1."""

import io
import json
import re
import time

import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.prepare.cli import STARTER
from pbrlsvr_plugin.prepare.config import STAGES, read_config
from pbrlsvr_plugin.prepare.progress import Tracked, stage_shown, table
from pbrlsvr_plugin.prepare.requests.asking import chat_request, user_turn
from pbrlsvr_plugin.prepare.requests.journal import Journal, request_key
from pbrlsvr_plugin.prepare.requests.options import ChatOptions
from pbrlsvr_plugin.prepare.runner import Runner, differences
from pbrlsvr_plugin.prepare.stage import Context, fingerprint, new_row
from pbrlsvr_plugin.prepare.store import StageWriter

COLUMNS = "load.columns={answer_in: answer, solution: answer}"


def invoke(*arguments):
    return CliRunner().invoke(app, ["prepare", *map(str, arguments)])


def test_flags_and_a_file_give_the_same_configuration(tmp_path):
    path = tmp_path / "prepare.yaml"
    path.write_text(yaml.safe_dump({"out": "o", "languages": ["sw", "DE"], "load": {"source": "gsm8k", "limit": 3}}))
    flags = {"out": "o", "languages": "sw,de", "load.source": "gsm8k", "load.limit": 3}
    assert read_config(path, (), {}) == read_config(None, (), flags)
    assert read_config(path, ["load.limit=5", "seed=7"], {"seed": 8}).load.limit == 5
    assert read_config(path, ["seed=7"], {"seed": 8}).seed == 8


def test_the_starter_configuration_is_valid_and_explains_every_field(tmp_path, context):
    config = read_config(STARTER, (), {"out": str(tmp_path)})
    made = context("sw")
    for name in STAGES:
        config.stage(name, made)
    lines = STARTER.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#") and not line.endswith(":"):
            assert lines[number - 1].lstrip().startswith("#"), line
            assert "  #" not in line, line


def test_init_writes_it_and_never_over_a_file(tmp_path):
    path = tmp_path / "p.yaml"
    assert invoke("init", path).exit_code == 0
    assert path.read_text() == STARTER.read_text()
    assert invoke("init", path).exit_code == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["out=o"], "languages is missing: .*such as \\['en', 'sw', 'de'\\]"),
        (["languages=[sw]"], "out is missing: .*such as 'data/gsm8k'"),
        (["out=o", "languages=[swahili]"], "'swahili'"),
        (["out=o", "languages=[sw]", "refrence.model=m"], "refrence=.*Did you mean 'reference'"),
        (["out=o", "languages=[sw]", "seed=x"], "seed='x'"),
        (["out=o", "languages=[sw]", "load=3"], "load=3"),
        (["seed"], "no `key=value`"),
    ],
)
def test_a_wrong_configuration_is_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        read_config(None, overrides, {})


def test_all_mistakes_of_all_stages_are_said_at_once_and_no_key_is_shown():
    key = "sk-4711"
    overrides = [
        "out=o", "languages=[sw]", "load.limit=-1", "load.columns.questoin=problem", f"reference.api_key_env={key}",
        f"reference.body={{api_key: {key}}}", f"reference.urls=['http://me:{key}@host/v1']", "verify.choose=best",
        "translate.translator={beam_size: 4}", "check.meaning.method=cosine", "export.split.test=1.5", "name=7",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as error:
        read_config(None, overrides, {})
    lines = str(error.value).splitlines()
    assert lines[0] == "10 options cannot work:"
    for place, wrong in {
        "name": "name=7 must be a text",
        "limit": "load.limit=-1 must be a whole number of 0 or more",
        "questoin": "load.columns.questoin='problem': there is no such option. Did you mean 'question'?",
        "api_key_env": "reference.api_key_env: api_key_env must be the name of an environment variable",
        "api_key'": "reference.body={'api_key': '...'}: it may not hold ['api_key']",
        "urls": "reference.urls: urls holds a URL (host 'host') with a user",
        "choose": "verify.choose='best' must be one of 'first', 'shortest', 'longest', 'median'",
        "translator": "translate.translator={'beam_size': 4}: this option has moved: write translate.translation",
        "threshold": "check.meaning.threshold is missing: it must be a number",
        "split": "export.split.test=1.5: this is neither a fraction in [0, 1) nor a number of problems",
    }.items():
        assert any(line.startswith(f"- {wrong}") for line in lines), (place, lines)
    assert key not in str(error.value)


def test_what_is_left_empty_in_a_file_has_its_default(tmp_path):
    path = tmp_path / "prepare.yaml"
    path.write_text(
        "out: o\nlanguages: [no, sw]\nname:\nload:\ntranslate:\n  urls:\n  translator: {}\n"
        "export:\n  card:\n  tokenizer:\n"
    )
    assert read_config(path, (), {}) == read_config(None, ["out=o", "languages='no,sw'"], {})


def test_a_translator_is_asked_as_the_pivot_is_unless_something_else_is_said(context):
    given = {
        "out": "o", "languages": "sw", "reference.model": "pivot", "reference.urls": "http://a/v1",
        "reference.body": {"top_k": 1}, "reference.retries": 2, "reference.api_key_env": "KEY",
    }  # fmt: skip

    def of(**said):
        flags = {**given, **{f"translate.{name}": value for name, value in said.items()}}
        stage = read_config(None, (), flags).stage("translate", context("sw"))
        found = stage.options
        return found.engine, found.model, found.urls, found.body, found.retries, found.api_key_env, found.as_reference

    assert of() == ("chat", "pivot", ("http://a/v1",), {"top_k": 1}, 2, "KEY", True)
    assert of(model="", urls=[], body={}) == of()
    assert of(model="other") == ("chat", "other", ("http://a/v1",), {}, 2, "KEY", False)
    assert of(urls=["http://b/v1"], retries=0) == ("chat", "pivot", ("http://b/v1",), {"top_k": 1}, 0, "KEY", False)
    no_key = read_config(None, ["translate.api_key_env=null"], given).stage("translate", context("sw")).options
    assert no_key.api_key_env is None
    assert of(engine="join")[0] == "join"


def test_a_store_of_an_earlier_version_is_still_good(context):
    made = context("sw")
    flags = {"out": "o", "languages": "sw", "reference.model": "m", "reference.urls": "http://a/v1"}
    stage = read_config(None, (), flags).stage("translate", made)
    options = {
        "model": "m", "temperature": 0, "top_p": 1.0, "max_tokens": 4096, "body": {}, "engine": "chat",
        "existing": True, "file": None, "prompt": "translate", "translator": {},
    }  # fmt: skip
    now = fingerprint(stage, made)
    before = {"stage": "translate", "version": 1, "seed": 0, "languages": ["sw"], "options": options}
    assert list(differences({**before, "files": now["files"]}, now)) == []
    # What was asked with `temperature: 1` in a file is not asked, and paid, again.
    options = ChatOptions.of({"model": "m", "temperature": 1, "top_p": 1, "body": {"stop": ["a"]}})
    request = chat_request(options, user_turn("2+2?"), 0, 0, 0)
    assert request_key("chat", **request) == "b1b58a1366f8eeda6c5ee3ad57c849e3db8cb27862050d8db6ae3b3990481c79"


def test_a_typo_in_the_last_stage_shows_before_the_first_one_starts(tmp_path, problems):
    out = tmp_path / "out"
    start = ("run", "--source", problems, "--languages", "en", "--out", out, COLUMNS)
    ran = invoke(*start, "reference.engine=dataset", "export.splt=1")
    assert ran.exit_code == 1
    assert "export.splt=1: there is no such option. Did you mean 'split'" in ran.output
    assert not list(out.glob("work/1-load/*"))


def test_stages_run_alone_in_order_and_status_says_where_they_are(tmp_path, problems):
    path = tmp_path / "p.yaml"
    block = {"source": str(problems), "columns": {"answer_in": "answer", "solution": "answer"}}
    config = {"out": str(tmp_path / "out"), "languages": ["en"], "load": block, "reference": {"engine": "dataset"}}
    path.write_text(yaml.safe_dump(config))
    early = invoke("verify", path)
    assert early.exit_code == 1
    assert "the stage 'load' is not finished" in early.output
    for stage in ("load", "reference", "verify"):
        assert invoke(stage, path).exit_code == 0
    status = invoke("status", path).output
    assert status.count(" good") == 3
    assert status.count("not finished") == 3
    other = invoke("status", path, "verify.choose=first").output.replace("\n", " ")
    assert "would be done again: options.choose was 'shortest' and is 'first'" in other


def test_a_run_writes_training_files_that_can_be_followed_back(tmp_path, problems, chat_server, reply, solve):
    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    ran = invoke(
        "run", "--source", problems, "--languages", "sw,en", "--out", tmp_path / "out", "--pivot-url", server.url,
        "--pivot-model", "m", COLUMNS, "check.language_share=0", "check.copied=1.0", "check.repetition=1.0",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    tables = [pq.read_table(tmp_path / "out" / f"{split}.parquet").to_pylist() for split in ("train", "test")]
    rows = [row for table in tables for row in table]
    assert len(rows) == 80
    problems_of = [{row["extra_info"]["problem"] for row in table} for table in tables]
    assert not problems_of[0] & problems_of[1]
    source = [json.loads(line) for line in problems.read_text().splitlines()]
    for row in rows:
        info = row["extra_info"]
        origin = source[info["line"] - 1]
        assert info["question"].endswith(origin["question"])
        assert row["reward_model"]["ground_truth"] == origin["answer"].split("#### ")[1] == info["pivot_answer"]
        assert row["data_source"] == f"problems/{info['language']}"


def test_a_source_without_rows_is_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text("")
    start = ("run", "--source", tmp_path / "a.jsonl", "--languages", "en", "--out", tmp_path / "out")
    ran = invoke(*start, "reference.engine=dataset")
    assert ran.exit_code == 1
    assert "is the source empty?" in ran.output


def test_the_lock_is_let_go_and_scratch_folders_are_removed(tmp_path, problems):
    flags = {"load.source": str(problems), "languages": "en", "out": str(tmp_path / "out")}
    config = read_config(None, (), flags)
    for _ in range(2):
        with Runner(config, lambda line: None, None):
            pass
    with pytest.raises(ConfigError, match="at work"), Runner(config, lambda line: None, None):
        Runner(config, lambda line: None, None).__enter__()
    assert not list((tmp_path / "out" / "work").glob("*scratch*"))


def test_differences_of_fingerprints_are_named():
    old = {"version": 1, "options": {"limit": 0, "body": {"a": 1}}, "files": {"p.txt": "x"}}
    new = {"version": 1, "options": {"limit": 5, "body": {}}, "files": {"p.txt": "y"}}
    assert list(differences(old, new)) == [
        "the file 'p.txt' has changed",
        "options.body.a was 1 and is None",
        "options.limit was 0 and is 5",
    ]


def test_reports_leave_out_a_stage_that_is_being_written(tmp_path):
    for name in ("1-load", "2-reference.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stage.json").write_text('{"name": "x"}')
    with Journal(tmp_path / "j.sqlite") as journal:
        context = Context(tmp_path, tmp_path, "n", 0, ("sw",), journal, tmp_path)
        assert len(context.reports()) == 1


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    rows = [new_row(id=f"a:{i}") for i in range(20)]
    tracked = Tracked(rows)
    with StageWriter(tmp_path / "1-load", "verify") as writer, stage_shown(console, "verify", tracked, writer, 0.05):
        for i, row in enumerate(tracked):
            writer.reject(row, "odd") if i % 2 else writer.write(row)
            time.sleep(0.02)
    lines = console.file.getvalue().splitlines()
    assert len(lines) >= 3
    assert re.fullmatch(r"verify: \d+ of 20 rows, [\d.]+/s, about \d+ s left; \d+ out, \d+ rejected", lines[2])


def test_the_bar_of_a_terminal_ends_with_all_rows(tmp_path):
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    tracked = Tracked([new_row(id=f"a:{i}") for i in range(7)])
    with StageWriter(tmp_path / "1-load", "verify") as writer, stage_shown(console, "verify", tracked, writer):
        for row in tracked:
            writer.write(row)
    assert "7/7" in console.file.getvalue()
    assert "7 out, 0 rejected" in console.file.getvalue()


def test_the_table_counts_rejects_by_reason_the_most_frequent_first():
    console = Console(file=io.StringIO(), width=200)
    report = {"name": "verify", "rows_in": 9, "rows_out": 4, "seconds": 1.5, "facts": {"right": 4}}
    console.print(table([{**report, "rejected": {"no_answer": 1, "wrong_answer": 4}}]))
    assert re.search(r"verify +9 +4 +5 +1\.5 +wrong_answer 4 +no_answer 1 +right=4", console.file.getvalue())


def test_another_language_or_name_leaves_the_references_alone(tmp_path, problems):
    columns = {"answer_in": "answer", "solution": "answer"}
    flags = {"load.source": str(problems), "load.columns": columns, "reference.engine": "dataset", "out": str(tmp_path)}
    said = []
    for values in ({"languages": "en"}, {"languages": "en,sw", "name": "other"}):
        config = read_config(None, (), {**flags, **values})
        with Runner(config, said.append, Console(quiet=True)) as runner:
            runner.run(["load", "reference", "verify"])
    assert "load: done again, because languages was ['en'] and is ['en', 'sw']" in said
    assert {"reference: finished before, nothing has changed", "verify: finished before, nothing has changed"} <= {
        *said
    }
