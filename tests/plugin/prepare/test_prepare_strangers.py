"""What a stranger gives `pbrlsvr prepare`: a mistake is one error with value, place and fix, and nothing is paid."""

import bz2
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.prepare.cli import ROWS_MISSING

EASY = ("check.language_share=0", "check.copied=1.0", "check.repetition=1.0")
COLUMNS = "load.columns={answer_in: answer, solution: answer}"
ROWS = [{"question": f"Ana has {i} apples?", "answer": f"So {i}.\n#### {i}"} for i in range(1, 5)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def invoke(*arguments):
    return CliRunner().invoke(app, ["prepare", *map(str, arguments)])


def load(source, out, *more):
    """The stage `load` alone; its output, and the reasons of its rejected rows."""
    ran = invoke("run", "--source", source, "--languages", "en", "--out", out, "--until", "load", COLUMNS, *more)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    rejects = out / "work/1-load/rejects.jsonl"
    lines = rejects.read_text().splitlines() if rejects.exists() else []
    return ran, [json.loads(line)["reason"] for line in lines]


def parquet(path, *columns, names):
    pq.write_table(pa.Table.from_arrays([pa.array(column) for column in columns], names=names), path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"", "'a.parquet' is no parquet file that can be read"),
        ("a.parquet", b"PAR1" + b"x" * 200 + b"PAR1", "'a.parquet' is no parquet file that can be read"),
        ("a.jsonl", LINES.encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        ("a.csv", "question,answer\nq,#### 4\n".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        ("a.jsonl", gzip.compress(LINES.encode()), "packed with gzip; let its name end in .gz"),
        ("a.csv", bz2.compress(b"question,answer\n"), "packed with bzip2"),
        ("a.csv", b"PK\x03\x04" + b"x" * 99, "a spreadsheet"),
        ("a.jsonl", b"PAR1" + b"x" * 99, "let its name end in .parquet"),
        ("a.csv", b"question,answer,answer\nq,1,2\n", "two columns of the name 'answer'"),
        ("a.tsv", b"question\tquestion\tanswer\nq\tr\t2\n", "two columns of the name 'question'"),
    ],
)
def test_a_file_that_is_something_else_says_what_it_is(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    ran, _ = load(tmp_path / name, tmp_path / "out")
    assert ran.exit_code == 1
    assert message in ran.output


def test_two_columns_of_one_name_are_refused_in_parquet_too(tmp_path):
    parquet(tmp_path / "a.parquet", ["q"], ["#### 1"], ["#### 2"], names=["question", "answer", "answer"])
    ran, _ = load(tmp_path / "a.parquet", tmp_path / "out")
    assert "two columns of the name 'answer'" in ran.output


def test_what_is_no_text_or_stands_twice_rejects_its_row_alone(tmp_path):
    bad = [
        '{"question": "q", "question": "r", "answer": "#### 1"}',
        '{"question": "q", "answer": ["#### 1"]}',
        '{"question": "q", "answer": {"a": 1}}',
        '{"question": "q", "answer": 1e999}',
        '{"question": "q", "answer": {"a": 1, "a": 2}}',
    ]
    (tmp_path / "a.jsonl").write_text(LINES + "\n".join(bad) + "\n")
    ran, reasons = load(tmp_path / "a.jsonl", tmp_path / "out")
    assert ran.exit_code == 0, ran.output
    assert reasons == ["twice", "no_text", "no_text", "no_text", "twice"]


@pytest.mark.parametrize("address", ["s3://b/a.jsonl", "hdfs://h/a.parquet", "gs://b/*.jsonl", "https://h/a.csv"])
def test_an_address_is_no_file_and_says_how_to_get_it(address, tmp_path):
    ran, _ = load(address, tmp_path / "out")
    assert f"{address!r} is not on this machine" in ran.output
    assert "download it" in ran.output


def test_a_pattern_names_files_and_no_two_rows_have_one_id(tmp_path):
    for name in ("a/x.jsonl", "b/x.jsonl", "b/y.JSONL", "b/y.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(LINES)
    ran, _ = load(f"{tmp_path}/*/*.[jJ]*", tmp_path / "out")
    assert ran.exit_code == 0, ran.output
    rows = pq.read_table(tmp_path / "out/work/1-load/part-00000.parquet").to_pylist()
    assert len({row["id"] for row in rows}) == len({row["problem"] for row in rows}) == 16
    ran, _ = load(f"{tmp_path}/*.jsonl", tmp_path / "none")
    assert "the pattern" in ran.output


@pytest.mark.parametrize(
    ("yaml", "more", "message"),
    [
        ("reference:\n  <<: {seed: 1}\n  <<: {seed: 2}\n", (), "'<<' stands twice, in line 2 and in line 3"),
        ("seed: \x00", (), "special characters are not allowed"),
        ("check: {length_ratio_of: {zh: [0.5, 2], ZH: [0.1, 3]}}", (), "the same language"),
        ("export: {formats: [verl, verl]}", (), "'verl' stands twice"),
        ("load: {configs: [a, a]}", (), "'a' stands twice"),
        ("", ("translate.prompt=/tmp",), "there is no prompt '/tmp' (it is no file)"),
        ("", ("export.split.test=40",), "none would be left to train on"),
        ("", ("check.meaning={method: cosine, threshold: 0.5, embedding: {model: /no}}",), "check.meaning: model="),
        ("", ("check.meaning={method: comet, threshold: 0.5, comet: {model: /no}}",), "check.meaning: model='/no'"),
        ("", ("check.meaning={method: round_trip_chrf, threshold: 0.5, translation: {model: /no}}",), "model='/no'"),
        ("", ("translate.engine=seq2seq", "translate.model=/no"), "translate.model: model='/no' is no folder"),
        ("", ("translate.engine=ctranslate2", "translate.model=/tmp"), "has no model.bin"),
    ],
)  # fmt: skip
def test_what_cannot_work_shows_before_the_first_request(
    yaml, more, message, tmp_path, problems, chat_server, reply, solve
):
    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    (tmp_path / "p.yaml").write_text(yaml)
    ran = invoke(
        "run", tmp_path / "p.yaml", COLUMNS, *EASY, *more, "--source", problems, "--languages", "sw",
        "--out", tmp_path / "out", "--pivot-url", server.url, "--pivot-model", "m",
    )  # fmt: skip
    assert ran.exit_code in (1, 2)
    assert ran.exception is None or isinstance(ran.exception, SystemExit)
    assert message in " ".join(ran.output.replace("│", " ").split())
    assert server.requests == 0


def test_a_pivot_model_that_is_not_there_shows_before_ray_starts(tmp_path, problems):
    ran = invoke(
        "run", "--source", problems, "--languages", "en", "--out", tmp_path / "out", COLUMNS,
        "reference.engine=transformers", "reference.model=/no",
    )  # fmt: skip
    assert ran.exit_code == 1
    assert "reference.model: model='/no' is no folder" in ran.output


@pytest.mark.parametrize("nothing", ["\u200b\ufeff", "...", "####", "<think>Hm, 7.</think>"])
def test_an_answer_that_says_nothing_is_not_kept_as_paid(nothing, tmp_path, problems, chat_server, reply, solve):
    server = chat_server(lambda prompt, *_: reply(nothing if "Ana has 3 " in prompt else solve(prompt)))
    run = ("run", "--source", problems, "--languages", "sw", "--out", tmp_path / "out", COLUMNS, *EASY,
           "--pivot-url", server.url, "--pivot-model", "m")  # fmt: skip
    ran = invoke(*run)
    assert ran.exit_code == ROWS_MISSING, ran.output
    server.reply = lambda prompt, *_: reply(solve(prompt))
    assert invoke(*run, "--redo", "reference").exit_code == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_again_costs_no_row(status, tmp_path, problems, chat_server, reply, solve):
    def answer(prompt, _, number):
        return reply(status=status, headers={"Retry-After": "0.1"}) if number % 3 else reply(solve(prompt))

    server = chat_server(answer)
    ran = invoke(
        "run", "--source", problems, "--languages", "sw", "--out", tmp_path / "out", COLUMNS, *EASY,
        "--pivot-url", server.url, "--pivot-model", "m", "reference.retries=0", "load.limit=12",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output


def test_a_part_file_that_was_damaged_is_made_again_from_what_was_paid(tmp_path, problems, chat_server, reply, solve):
    server, out = chat_server(lambda prompt, *_: reply(solve(prompt))), tmp_path / "out"
    run = ("run", "--source", problems, "--languages", "sw", "--out", out, COLUMNS, *EASY,
           "--pivot-url", server.url, "--pivot-model", "m")  # fmt: skip
    assert invoke(*run).exit_code == 0
    before = (out / "train.parquet").read_bytes()
    for stage in ("2-reference", "4-translate"):
        part = out / f"work/{stage}/part-00000.parquet"
        content = bytearray(part.read_bytes())
        content[len(content) // 3] ^= 1
        part.write_bytes(content)
    asked = server.requests
    ran = invoke(*run)
    assert ran.exit_code == 0, ran.output
    assert server.requests == asked
    assert (out / "train.parquet").read_bytes() == before
