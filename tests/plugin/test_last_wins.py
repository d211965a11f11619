"""Scripts that end in "$@": what is appended to a command counts, and a note says what does not."""

import re

import pytest
from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.key_values import gathered
from pbrlsvr_plugin.last_wins import last_pairs


@pytest.fixture
def ran(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "two.jsonl").write_text('{"response": "#### 18", "answer": "18"}\n')
    (tmp_path / "base.yaml").write_text("combine: {rule: sum}\n")
    (tmp_path / "more.yaml").write_text("combine: {rule: none}\n")
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "note", "error"),
    [
        (("prepare", "status", "seed=1", "seed=two"), "seed is given twice: 'two' counts, and '1' does not", "'two'"),
        (("prepare", "run", "--until", "load", "--until", "x"), "--until is given twice: 'x' counts", "no stage 'x'"),
        (("serve", "port=1", "port=-2"), "port is given twice: '-2' counts, and '1' does not", "-2"),
        (("serve", "--config", "a.yaml", "--config=b.yaml"), "--config is given twice: 'b.yaml' counts", "'b.yaml'"),
        (("check", "--reward", "a", "--reward", "b", "two.jsonl"), "--reward is given twice: 'b' counts", "'b'"),
        (("train", "a", "--profile", "x", "--profile", "y"), "--profile is given twice: 'y' counts", "'a'"),
        (("eval", "m", "--data", "n", "--out", "a", "--samples", 1, "--samples", 0), "--samples is given twice", "0"),
        (("eval", "m", "--data", "n", "--out", "a", "--samples", 0, "--body", "top_k=1", "--body", "top_k=2"),
         "--body top_k is given twice: '2' counts, and '1' does not", "0"),
        (("eval", "m", "--data", "n", "--out", "a", "--samples", 0, "--thinking", "--no-thinking"),
         "--thinking is given twice: 'False' counts, and 'True' does not", "0"),
        (("score", "two.jsonl", "--reward", "exact_answer", "nothing=sum", "nothing=other"),
         "nothing is given twice: 'other' counts, and 'sum' does not", "'other'"),
        (("score", "two.jsonl", "base.yaml", "more.yaml"), "combine is given twice: {'rule': 'none'} counts", "none"),
        (("score", "two.jsonl", "--reward", "exact_answer", "--column", "response=answer", "--column", "response=no"),
         "--column response is given twice: 'no' counts, and 'answer' does not", "response=no"),
        (("attack", "--reward", "format", "--option", "a=1", "--option", "a=2"), "a is given twice: '2' counts", "a"),
        (("plan", "ppo_trainer", "--gpus", 1, "--gpus", 0, "+reward_fn=pbrlsvr.nothing", "+reward_fn=pbrlsvr.hybrid"),
         "reward_fn is given twice: 'pbrlsvr.hybrid' counts, and 'pbrlsvr.nothing' does not", "--gpus=0"),
        (("serve", "port=1", "port=2", "port=0", "limits=3"),
         "port is given 3 times: '0' counts, and '1' and '2' do not", "limits"),
    ],
    ids=lambda value: " ".join(map(str, value[:2])) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_the_last_counts_with_one_note(ran, arguments, note, error):
    result = ran(*arguments)
    assert result.exit_code in (1, 2), result.output
    said = re.sub(r"\s+", " ", result.stderr)
    assert said.count(note) == 1
    assert error in said[said.index(note) + len(note) :]


def test_the_same_value_twice_is_no_news(ran):
    said = ran("serve", "port=-1", "port=-1", "--host", "a", "--host", "a").stderr
    assert "given" not in said
    assert "-1" in said


@pytest.mark.parametrize(
    "secret",
    [
        "reference.body.api_key={}",
        "reference.body.extra={{Authorization: {}}}",
        "reference.urls=[https://me:{}@host/v1]",
        "token={}",
        "x={}",
    ],
)
def test_what_is_secret_is_not_in_the_note(ran, monkeypatch, secret):
    monkeypatch.setenv("MY_API_KEY", "tru3sesame-99")
    said = ran("prepare", "status", secret.format("tru3sesame-99"), secret.format("other").replace("x=", "x=1")).stderr
    assert "is given twice" in said
    assert "tru3sesame" not in said[: said.index(" not")]


def test_keys_flags_and_blocks_replace_each_other_in_order(capsys):
    given = ["a.b=1", "c=1", "a={d: 2}", "a.e=3", "c=2"]
    assert gathered(None, given, {"c": 9, "f": None}) == {"a": {"d": 2, "e": 3}, "c": 9}
    said = capsys.readouterr().err
    assert "a replaces its whole block, and with it a.b, given before" in said
    assert "c is given twice: '2' counts, and '1' does not" in said
    assert "c is given twice: '9' counts, and '2' does not" in said
    assert len(said.splitlines()) == 3


def test_what_hydra_merges_or_adds_is_left_to_it(capsys):
    both = ["+a={b: 1}", "+a={c: 2}", "+n=1", "n=2", "~x", "~x"]
    assert last_pairs(both, merges=True) == both
    assert "n is given twice: '2' counts, and '1' does not" in capsys.readouterr().err
    assert last_pairs(["+a=1", "+a=2"], merges=True) == ["+a=2"]
