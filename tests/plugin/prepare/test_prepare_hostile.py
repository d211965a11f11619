"""A hostile data set and a hostile model: rejects, bounded memory, nothing that a terminal or a browser carries out."""

import json
import os
import re
import stat
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pbrlsvr_plugin.prepare.export.markdown import code, text

SECRET = "sk-very-secret-0123456789abcdef"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
CHILD = """
import resource, sys
import pyarrow.compute, pyarrow.parquet, pbrlsvr.answers, pbrlsvr.languages
from pbrlsvr_plugin.prepare.export import export
from pbrlsvr_plugin.prepare.translate import translate
from pbrlsvr_plugin import cli
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1200 << 20),) * 2)
sys.argv = ["pbrlsvr", *sys.argv[1:]]
cli.main()
"""


def prepare(*arguments, **environment):
    """`pbrlsvr prepare` in a process whose memory is limited to what it has when it starts and 1.2 GB."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), "prepare", *map(str, arguments)],
        capture_output=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            **environment,
        },
        timeout=300,
    )


def controls(output: bytes) -> set[str]:
    """What a terminal would carry out of an output."""
    return {each for each in output.decode("utf-8", "replace") if CONTROL.match(each)}


def run(source, out, server, *more, **environment):
    return prepare(
        "run", "--source", source, "--languages", "sw", "--out", out, "--pivot-url", server.url, "--pivot-model", "m",
        "load.columns={answer: answer}", "check.language_share=0", "check.copied=1.0", "check.repetition=1.0",
        "check.length_ratio=[0, 100]", "check.numbers=false", "check.verbatim=false", "reference.retries=0",
        *more, **environment,
    )  # fmt: skip


def hostile_lines(good):
    """Rows that mean harm, and `good` ones between them."""
    bad = [
        b"[" * 50_000,
        b'{"question": "\xff", "answer": "1"}',
        b'{"question": ' + b"9" * 6_000 + b', "answer": "1"}',
        b'{"question": "x", "answer": 1e999',
        b'{"question": {"deep": [1, 2]}, "answer": "1"}',
        b'{"question": "\\ud800 half", "answer": "1"}',
        b'{"question": "' + b"x" * (9 << 20) + b'", "answer": "1"}',
        b'{"question": null, "answer": null}',
        b"null",
        b'{"\\u001b[2J<b>": 1}',
    ]
    return b"\n".join([*bad, *(json.dumps(row).encode() for row in good)]) + b"\n"


@pytest.mark.timeout(600)
def test_a_hostile_data_set_gives_rejects_and_nothing_that_a_terminal_or_a_browser_carries_out(
    tmp_path, chat_server, reply
):
    evil = "\x1b]0;owned\x07<img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202e\x9b2J | ` #"

    def answer(prompt, payload, number):
        if prompt.startswith("Translate"):
            return reply(f"Ana ana {evil} {number}\u2029\x85" if "has 4" not in prompt else "\ud800")
        final = "\ud83d" if "has 5" in prompt else "1"
        return reply(f"Reasoning {evil} that is long enough.\n#### {final}")

    server = chat_server(answer)
    good = [
        {"question": f"Ana has {i} apples {evil} and eats them?", "answer": "1", "<i>odd</i>\x1b": 1} for i in range(12)
    ]
    folder = tmp_path / "in"
    folder.mkdir()
    source = folder / "<img src=x onerror=alert(1)> [x](javascript:alert(1)) `|\x1b[31m.jsonl"
    source.write_bytes(hostile_lines(good))
    ran = run(
        source, tmp_path / "out", server, f"export.card.title={evil!r}", "reference.api_key_env=MY_KEY", MY_KEY=SECRET
    )
    assert b"Traceback" not in ran.stdout + ran.stderr, ran.stderr[-3000:].decode()
    assert ran.returncode == 3, ran.stderr.decode()  # a translation without a letter may be had again
    assert controls(ran.stdout + ran.stderr) == set()
    out = tmp_path / "out"
    reasons = {
        json.loads(line)["reason"] for line in (out / "work/1-load/rejects.jsonl").read_text().split("\n") if line
    }
    assert {
        "not_json",
        "not_utf8",
        "question_is_no_text",
        "not_unicode",
        "too_long",
        "not_an_object",
        "missing_column",
    } <= reasons
    for path in out.rglob("rejects.jsonl"):
        assert len(path.read_text().splitlines()) == path.read_bytes().count(b"\n")
        assert controls(path.read_bytes()) == set()
    card = (out / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"<\s*[a-z/!]", card, re.I)
    assert "](javascript" not in card
    assert "javascript:" not in card
    assert controls(card.encode()) == set()
    assert "What was paid for" in card
    rows = pq.read_table(out / "train.parquet").num_rows + (
        pq.read_table(out / "test.parquet").num_rows if (out / "test.parquet").exists() else 0
    )
    assert rows == 10  # of 12, one translation and one reference are no text
    assert server.keys == {f"Bearer {SECRET}"}
    for path in out.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    for path in out.rglob("stage.json"):
        assert str(tmp_path) not in path.read_text()


@pytest.mark.timeout(600)
def test_a_small_file_that_unpacks_to_gigabytes_is_one_error(tmp_path, chat_server, reply):
    server = chat_server(lambda *_: reply("x"))
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 4_000, pa.int32()), pa.array(["x" * 2_000_000]))
    pq.write_table(pa.table({"question": rows, "answer": rows}), tmp_path / "a.parquet", compression="zstd")
    with pa.output_stream(str(tmp_path / "a.jsonl.zst"), compression="zstd") as file:
        for _ in range(1_500):
            file.write(b"x" * (1 << 20))
    for name in ("a.parquet", "a.jsonl.zst"):
        ran = run(tmp_path / name, tmp_path / f"out-{name}", server)
        assert ran.returncode == 1
        assert b"Traceback" not in ran.stderr, ran.stderr[-3000:].decode()
        assert b"unpacks to more than" in ran.stderr
    assert server.requests == 0


def test_what_lies_in_the_work_folder_is_for_its_owner_alone(tmp_path, problems):
    out = tmp_path / "out"
    ran = prepare(
        "run", "--source", problems, "--languages", "en", "--out", out, "--until", "verify",
        "load.columns={answer_in: answer, solution: answer}", "reference.engine=dataset",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()
    work = out / "work"
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
    for name in ("lock", "journal.sqlite"):
        assert stat.S_IMODE((work / name).stat().st_mode) == 0o600, name
    loaded = json.loads((work / "1-load/stage.json").read_text())
    assert loaded["facts"]["columns_dropped"] == ["number"]


def test_a_source_that_is_a_link_to_something_else_does_not_tell_it(tmp_path):
    (tmp_path / "passwd").write_text(f"root:x:0:0:{SECRET}:/root:/bin/bash\nana:x:1:1:{SECRET},x\n")
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.json"):
        (tmp_path / name).symlink_to(tmp_path / "passwd")
        ran = prepare(
            "run",
            "--source",
            tmp_path / name,
            "--languages",
            "en",
            "--out",
            tmp_path / "out",
            "reference.engine=dataset",
        )
        assert ran.returncode == 1, name
        assert SECRET[:8].encode() not in ran.stdout + ran.stderr, name
        assert b"Traceback" not in ran.stderr
        for path in (tmp_path / "out").rglob("*"):
            assert not path.is_file() or SECRET[:8].encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    "value", ["<script>x</script>", "[a](javascript:b)", "![x](y)", "a|b", "`x`", "# h\n<b>", "&lt;", "JaVaScRiPt:x"]
)
def test_nothing_in_the_card_is_html_or_a_link(value):
    for shown in (text(value), code(value)):
        assert "<" not in shown
        assert "\n" not in shown
        assert not re.search(r"(?<!\\)[\[\]|!]", shown)
        assert "javascript:" not in shown.lower()
