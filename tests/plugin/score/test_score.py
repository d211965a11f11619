"""`pbrlsvr score` on files as people have them: scored, summed up, copied, resumed, and told what is wrong."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import mean, stdev

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pbrlsvr_plugin.score.command import run

COMMAND = [sys.executable, "-m", "pbrlsvr_plugin.cli", "score"]
REFERENCE = "It takes 2 bolts of blue fiber. Half of 2 is 1. 2 + 1 = 3 bolts in all."
OWN = """
import time

def tenth(data_source, solution_str, ground_truth, extra_info, times=1.0):
    if "boom" in solution_str:
        raise ZeroDivisionError("boom")
    if "nan" in solution_str:
        return float("nan")
    import numpy
    odd = {"numpy": numpy.float32(0.5), "nan": float("nan"), "list": numpy.arange(2), 7: True}
    return {"score": numpy.float32(times * len(solution_str) / 10), "truth": float(ground_truth or 0),
            "note": extra_info["language"], **odd}

def large(data_source, solution_str, ground_truth, extra_info):
    return {"score": 0.5, "large": 10**400, "larger": 10**5000, "long": -(2**70)}

def infinite(data_source, solution_str, ground_truth, extra_info):
    return 10**400

def busy(data_source, solution_str, ground_truth, extra_info):
    from pbrlsvr.serving.endpoint import BusyError
    raise BusyError("the judge asks for a pause", 3.0)

async def slow(data_source, solution_str, ground_truth, extra_info):
    time.sleep(0.02)
    return {"score": float(extra_info["index"])}
"""


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path):
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.decode().splitlines()]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A plain function of the user's, as veRL calls it."""
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return "mine.py:tenth"


def test_a_reward_of_ours_scores_a_file_and_sums_it_up_per_language(tmp_path, minilm, capsys):
    rows = [
        {"completion": "Blue 2, white 1. 2 + 1 = 3.\n#### 3", "lang": "en", "reference": REFERENCE, "answer": 3},
        {"completion": "Blau 2, weiß 1. 2 + 1 = 4.\n#### 4", "lang": "de", "reference": REFERENCE, "answer": 3},
        {"completion": "Man braucht 2 und 1, also 3.\n#### 3", "lang": "de", "reference": REFERENCE, "answer": 3},
    ]
    file, out = write(tmp_path / "r.jsonl", rows), tmp_path / "out.jsonl"
    options = tmp_path / "options.yaml"
    options.write_text(f"embedding:\n  model: {minilm}\nserving:\n  device: cpu\n")
    assert run(file, [str(options), "combine.rule=sum"], out=out, json_out=tmp_path / "s.json") == 0
    copied = read(out)
    assert [{name: row[name] for name in rows[0]} for row in copied] == rows
    scores = [row["embed_cosine_score"] for row in copied]
    assert all(0 <= score <= 1 for score in scores)
    assert [row["embed_cosine_acc"] for row in copied] == [1.0, 0.0, 1.0]
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["languages"]["de"]["mean"]["score"] == pytest.approx(mean(scores[1:]))
    assert summary["languages"]["de"]["sd"]["score"] == pytest.approx(stdev(scores[1:]))
    assert summary["all"]["rows"] == 3
    shown = capsys.readouterr().out
    assert "response = completion, language = lang, reference = reference, ground_truth = answer" in shown
    assert "de German" in shown


def test_parquet_keeps_its_types_and_gets_columns(tmp_path, own):
    table = pa.table(
        {
            "response": pa.array(["a" * n for n in range(1, 2_501)], pa.large_string()),
            "day": pa.array([date(2026, 1, 1)] * 2_500),
            "extra_info": [{"language": "sw", "index": n} for n in range(2_500)],
            "reward_model": [{"ground_truth": str(n)} for n in range(2_500)],
        }
    )
    file, out = tmp_path / "r.parquet", tmp_path / "out.parquet"
    pq.write_table(table, file, row_group_size=700)
    assert run(file, ["times=2.0"], reward=own, out=out) == 0
    written = pq.read_table(out)
    assert written.select(table.column_names).equals(table)
    assert written["tenth_score"].to_pylist() == pytest.approx([2 * n / 10 for n in range(1, 2_501)])
    assert written["tenth_truth"].to_pylist()[-1] == 2_499
    assert set(written["tenth_note"].to_pylist()) == {"sw"}
    assert run(file, reward=own, out=tmp_path / "out.jsonl.gz", limit=3) == 0
    assert [row["day"] for row in read(tmp_path / "out.jsonl.gz")] == ["2026-01-01"] * 3


def test_rows_that_cannot_be_scored_are_named_and_the_others_are(tmp_path, own, capsys):
    file, out = tmp_path / "r.jsonl", tmp_path / "out.jsonl"
    lines = [
        '{"response": "ok", "language": "sw"}',
        "{broken",
        '{"response": ["one", "two"], "language": "sw"}',
        '{"response": "boom", "language": "sw"}',
        '{"response": "nan", "language": "sw"}',
        '{"response": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "said"}], "language": "bn"}',
        '{"language": "sw"}',
    ]
    file.write_text("\n".join(lines) + "\n")
    assert run(file, reward=own, out=out) == 1
    scores = [row["tenth_score"] for row in read(out)]
    assert scores == pytest.approx([0.2, None, None, None, None, 0.4, None])
    shown = capsys.readouterr().out
    for text in (
        "r.jsonl:2: not JSON",
        "r.jsonl:3: response: a list of 2 responses",
        "r.jsonl:4: ZeroDivisionError: boom",
        "r.jsonl:5: the reward returned nan",
        "r.jsonl:7: response=None is no response",
        "5 of 7 rows have no score",
    ):
        assert text in shown


def test_the_language_of_verls_data_source_counts_where_a_row_names_none(tmp_path, own):
    rows = [{"output": "abc", "gts": "7", "data_source": "mgsm/sw", "language": "unknown", "score": 0.5}]
    assert run(write(tmp_path / "1.jsonl", rows), reward=own, out=tmp_path / "out.jsonl") == 0
    (row,) = read(tmp_path / "out.jsonl")
    assert (row["tenth_note"], row["tenth_truth"], row["score"]) == ("sw", 7.0, 0.5)
    odd = {name: row[f"tenth_{name}"] for name in ("numpy", "nan", "list", "7")}
    assert odd == {"numpy": 0.5, "nan": None, "list": "array([0, 1])", "7": True}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_whole_numbers_beyond_any_table_are_written_as_floats_or_left_out(kind, tmp_path, own):
    file, out = tmp_path / f"r.{kind}", tmp_path / f"out.{kind}"
    if kind == "jsonl":
        write(file, [{"response": "x"}])
    else:
        pq.write_table(pa.table({"response": ["x"]}), file)
    assert run(file, reward="mine.py:large", out=out) == 0
    (row,) = read(out) if kind == "jsonl" else pq.read_table(out).to_pylist()
    assert [row.get(f"large_{name}") for name in ("score", "large", "larger", "long")] == [0.5, None, None, -(2.0**70)]
    assert run(file, reward="mine.py:infinite") == 1


def test_a_right_answer_that_is_not_a_number_is_none_at_all(tmp_path, own, capsys):
    file = tmp_path / "r.jsonl"
    file.write_text("".join(f'{{"response": "#### 3", "answer": {each}}}\n' for each in ("NaN", "Infinity", "3.0")))
    assert run(file, reward="exact_answer") == 1
    shown = capsys.readouterr().out
    assert "r.jsonl:1: row 1 of 'file' has no ground truth" in shown
    assert "2 of 3 rows have no score" in shown


def test_a_column_of_the_same_name_is_not_overwritten_and_nothing_is_lost(tmp_path, own, capsys):
    file, out = write(tmp_path / "1.jsonl", [{"response": "x", "language": "sw", "truth": 1}]), tmp_path / "out.jsonl"
    assert run(file, reward=own, out=out, prefix="") == 2
    assert "has a column 'truth' already; run it again with another --prefix" in capsys.readouterr().err
    assert run(file, reward=own, out=out) == 0
    assert "1 rows were scored before" in capsys.readouterr().out
    assert read(out)[0]["truth"] == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"file": "none.jsonl"}, "there is no file"),
        ({"column": ["reponse=x"]}, "there is no 'reponse'"),
        ({"column": ["response=x"]}, "the file has no such column; it has ['response', 'language']"),
        ({"column": ["response"]}, "is not <name>=<column>"),
        ({"reward": "hybird"}, "Did you mean 'pbrlsvr.hybrid'"),
        ({"reward": "embed_cosine"}, "no column holds the reference"),
        ({"reward": "exact_answer"}, "no column holds the right answer"),
        ({"reward": "mine.py:nothing"}, "is no reward"),
        ({"arguments": ["options.txt"]}, "neither key=value nor a .yaml file"),
        ({"arguments": ["config.yaml"]}, "is a config of veRL; give it as --config"),
        ({"out": "out.parquet"}, "must end with one of ['.jsonl', '.jsonl.gz']"),
        ({"out": "r.jsonl"}, "exists"),
        ({"prefix": "", "out": "o.jsonl", "file": "scored.jsonl"}, "has a column 'score' already"),
        ({"language": "klingonisch"}, "no language has the code"),
        ({"limit": 0}, "--limit 0 must be 1 or more"),
        ({"file": "empty.jsonl"}, "'empty.jsonl' is empty: it has no row"),
        ({"file": "deep.jsonl"}, "its first 1; row 1: not JSON: nested too deeply"),
        ({"out": "r.jsonl/out.jsonl"}, "--out 'r.jsonl/out.jsonl': its folder cannot be made"),
        ({"json_out": "r.jsonl/out.json"}, "--json 'r.jsonl/out.json': its folder cannot be made"),
        ({"json_out": "."}, "--json '.' is a folder; name a file in it"),
    ],
)
def test_a_mistake_is_named_before_anything_is_scored(changes, says, tmp_path, own, capsys):
    write(tmp_path / "r.jsonl", [{"response": "x", "language": "sw"}])
    write(tmp_path / "scored.jsonl", [{"response": "x", "language": "sw", "score": 1}])
    (tmp_path / "config.yaml").write_text("reward_fn: pbrlsvr.hybrid\n")
    settings = {"file": "r.jsonl", "reward": own, **changes}
    write(tmp_path / "empty.jsonl", [])
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    settings |= {name: Path(settings[name]) for name in ("file", "out", "json_out") if name in settings}
    assert run(settings.pop("file"), settings.pop("arguments", ()), **settings) == 2
    assert says in capsys.readouterr().err


def test_a_service_that_is_down_stops_the_run_and_what_was_scored_is_kept(tmp_path, minilm, capsys):
    rows = [{"response": "It takes 3.", "language": "en", "reference": REFERENCE}] * 3
    file, out = write(tmp_path / "r.jsonl", rows), tmp_path / "out.jsonl"
    down = ["serving.place=endpoint", "serving.endpoint.urls=[http://127.0.0.1:9/v1]", "serving.endpoint.retries=0"]
    assert run(file, [f"embedding.model={minilm}", *down], out=out) == 2
    said = capsys.readouterr().err
    assert "ServiceError: r.jsonl:1:" in said
    assert "out.jsonl.partial" in said
    assert not out.exists()


def test_a_server_that_asks_for_a_pause_is_an_error_as_one_that_is_down_is(tmp_path, own, capsys):
    file = write(tmp_path / "r.jsonl", [{"response": "ok", "language": "sw"}])
    assert run(file, reward="mine.py:busy") == 2
    assert "ServiceError: r.jsonl:1: the judge asks for a pause" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_run_again_nothing_is_scored_twice(how, tmp_path, own):
    file = write(tmp_path / "r.jsonl", [{"response": "x", "language": "sw"}] * 150)
    out, partial = tmp_path / "out.jsonl", tmp_path / "out.jsonl.partial"
    command = [*COMMAND, file, "--reward", "mine.py:slow", "--out", out, "--window", "4"]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    started = time.monotonic()
    while time.monotonic() - started < 120 and not (partial.exists() and partial.read_bytes().count(b"\n") > 10):
        time.sleep(0.05)
    os.kill(process.pid, how)
    said = process.communicate(timeout=60)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from there" in said
    kept = partial.read_bytes()
    assert 10 < kept.count(b"\n") < 150
    partial.write_bytes(kept + b'{"row": 99, "resu')  # as a power cut leaves it
    other = subprocess.run([*map(str, command), "--limit", "20"], capture_output=True, text=True)
    assert other.returncode == 2
    assert "made with another limit" in other.stderr
    again = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"{kept.count(b'row'):,} rows were scored before" in again.stdout
    assert [row["slow_score"] for row in read(out)] == [float(number) for number in range(1, 151)]
    assert not partial.exists()


def test_memory_does_not_grow_with_the_file(tmp_path, own):
    """20,000 rows of 2 kB, 40 MB of text, of which only a window is in memory."""
    file = tmp_path / "large.jsonl"
    line = json.dumps({"response": "x" * 2_000, "language": "sw"}) + "\n"
    with file.open("w") as opened:
        for _ in range(100):
            opened.write(line * 200)
    probe = (
        "import resource, sys; from pathlib import Path; from pbrlsvr_plugin.score.command import run\n"
        "code = run(Path(sys.argv[1]), reward='mine.py:tenth', out=Path(sys.argv[2]), limit=int(sys.argv[3]))\n"
        "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for limit in (1_000, 20_000):
        command = [sys.executable, "-c", probe, str(file), str(tmp_path / f"{limit}.jsonl"), str(limit)]
        code, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-2:]
        assert code == "0"
        peaks.append(int(peak) / 1024)
    assert peaks[1] - peaks[0] < 30, f"{peaks} MiB"
