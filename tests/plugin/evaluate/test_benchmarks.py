"""Data sets in each layout become questions, downloaded ones once; what cannot be read is named with its place."""

import dataclasses
import hashlib
import json

import pandas
import pytest
from http_server import HttpServer

from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr_plugin.evaluate import downloads
from pbrlsvr_plugin.evaluate.benchmarks import read_questions
from pbrlsvr_plugin.evaluate.downloads import BENCHMARKS, Source


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_mgsm_s_line_k_is_one_problem_in_all_languages(tmp_path):
    (tmp_path / "mgsm_rev2_sw.tsv").write_text('Maswali "mangapi"?\t1,800\nMbili?\t2\n')
    (tmp_path / "zh-Hant.tsv").write_text("多少?\t1800\n")
    (tmp_path / "README.md").write_text("x")
    found = read_questions("mgsm", tmp_path)
    assert [each.id for each in found] == ["mgsm/sw/1", "mgsm/sw/2", "mgsm/zh-Hant/1"]
    assert found[0].text == 'Maswali "mangapi"?'
    assert all(each.numeric for each in found)
    assert [each.id for each in read_questions("mgsm", tmp_path, ["sw"], limit=1)] == ["mgsm/sw/1"]


def test_polymath_s_levels_are_problems_of_their_own_shared_by_the_languages(tmp_path):
    for language in ("hi", "sw"):
        for level in ("high", "low"):
            row = {"id": f"{level}-{language}-0", "question": f"{level}?", "answer": "$\\frac{5}{4}$"}
            lines(tmp_path / language / f"{level}.jsonl", row)
    found = read_questions("polymath", tmp_path)
    ids = [f"polymath/{tag}/{level}-0" for tag in ("hi", "sw") for level in ("high", "low")]
    assert [each.id for each in found] == ids
    assert not found[0].numeric


def test_mmlu_prox_s_options_stand_below_the_question(tmp_path):
    row = {
        "question_id": 70,
        "question": "Which?",
        "answer": "B",
        "option_0": "tea",
        "option_1": "milk",
        "option_2": "N/A",
    }
    pandas.DataFrame([row]).to_parquet(tmp_path / "sw.parquet")
    (found,) = read_questions("mmlu_prox", tmp_path)
    assert (found.text, found.truth, found.problem) == ("Which?\n(A) tea\n(B) milk", "B", "70")


def test_rows_of_prepare_are_asked_with_their_own_prompt(tmp_path):
    rows = [
        {
            "prompt": [{"role": "system", "content": "Kurz."}, {"role": "user", "content": f"{tag}?"}],
            "reward_model": {"style": "pivot", "ground_truth": "7"},
            "extra_info": {"index": place, "language": tag, "problem": "p1", "question": f"{tag}?"},
        }
        for place, tag in enumerate(["de", "sw"])
    ]
    pandas.DataFrame(rows).to_parquet(tmp_path / "test.parquet")
    found = read_questions("mine", tmp_path / "test.parquet")
    assert [each.id for each in found] == ["mine/de/p1", "mine/sw/p1"]
    assert [dict(message) for message in found[0].messages] == rows[0]["prompt"]
    assert [each.language for each in read_questions("mine", tmp_path / "test.parquet", ["sw"])] == ["sw"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("sw.jsonl", '{"question": "a?", "answer": "1"}\n{broken\n', "sw.jsonl:2: not JSON"),
        ("sw.jsonl", '{"frage": "a?", "answer": "1"}\n', "there is no column 'question'; it has ['frage', 'answer']"),
        ("sw.jsonl", '{"question": "a?", "answer": ""}\n', "sw.jsonl:1: the question 'a?' has the answer ''"),
        ("sw.jsonl", '{"id": 1, "question": "a?", "answer": 1}\n' * 2, "the problem '1' twice in 'sw'"),
        ("sw.jsonl", "", "has no question"),
        ("mgsm_sw.tsv", "a?\n", "1 cells where there are 2 columns"),
        ("rows.jsonl", '{"prompt": "a?", "extra_info": {}}\n', "prompt='a?' is no list of messages"),
        ("rows.jsonl", '{"question": "a?", "answer": "1"}\n', "there is no column 'language'"),
        ("rows.jsonl", '{"question": "a?", "answer": "1", "language": "xq"}\n', "no language has the code 'xq'"),
        ("notes.txt", "a", "has none of the endings"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(name, content, says, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises((DataError, ConfigError)) as raised:
        read_questions("d", tmp_path / name)
    assert says in str(raised.value)


@pytest.fixture
def github(monkeypatch, tmp_path):
    """A server with two MGSM files at one commit; the requests that came."""
    files = dict.fromkeys(("/c0ffee/mgsm_en.tsv", "/c0ffee/mgsm_sw.tsv"), (200, "One and one?\t2\n"))
    server = HttpServer(lambda request: files.get(request.path, (404, "404"))).start()
    url = f"http://127.0.0.1:{server.port}/{{revision}}/mgsm_{{language}}.tsv"
    small = dataclasses.replace(BENCHMARKS["mgsm"], languages=("en", "sw"), revision="c0ffee", url=url)
    monkeypatch.setitem(downloads.BENCHMARKS, "mgsm", small)
    monkeypatch.setenv("PBRLSVR_CACHE", str(tmp_path / "cache"))
    yield server.requests
    server.stop()


def test_a_benchmark_is_downloaded_once_at_its_commit(github):
    questions, digests = Source.of("mgsm").questions((), None)
    assert [each.id for each in questions] == ["mgsm/en/1", "mgsm/sw/1"]
    assert digests["mgsm_sw.tsv"] == hashlib.sha256(b"One and one?\t2\n").hexdigest()
    Source.of("mgsm").questions(("sw",), None)
    assert [asked.path for asked in github] == ["/c0ffee/mgsm_en.tsv", "/c0ffee/mgsm_sw.tsv"]


def test_what_cannot_be_downloaded_says_what_to_do_and_leaves_no_file(github, tmp_path):
    with pytest.raises(DataError, match=r"404.*--data mgsm=<folder>"):
        Source.of("mgsm@other").questions((), None)
    with pytest.raises(ConfigError, match="mgsm is not in 'fr'; it is in"):
        Source.of("mgsm").questions(("fr",), None)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_every_known_benchmark_has_its_address_filled_in():
    for name, one in BENCHMARKS.items():
        parts = {"language": "sw", "part": one.parts[0], "revision": one.revision}
        assert "{" not in one.url.format(**parts) + one.files.format(**parts), name
        assert bool(one.url) != bool(one.hub)
        assert "sw" in one.languages
