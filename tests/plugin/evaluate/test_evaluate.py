"""`pbrlsvr eval` end to end: a real server and a real small model, on MGSM's rows, stopped and taken up again."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pbrlsvr_plugin.cli import app
from pbrlsvr_plugin.evaluate import reading
from pbrlsvr_plugin.evaluate.backends import Request, Transformers
from pbrlsvr_plugin.evaluate.benchmarks import Question
from pbrlsvr_plugin.evaluate.reading import Response
from pbrlsvr_plugin.evaluate.settings import Settings

MGSM = next(
    (path / "shared/data/mgsm" for path in Path(__file__).parents if (path / "shared/data/mgsm").is_dir()), None
)
COMMAND = [sys.executable, "-m", "pbrlsvr_plugin.cli", "eval"]


def invoke(*arguments):
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def rows(out):
    return [json.loads(line) for line in (out / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def results(out, data="mgsm"):
    return json.loads((out / "results.json").read_text())["data"][data]


@pytest.fixture
def sums(tmp_path):
    """A folder in MGSM's layout, whose answers a server can work out."""
    folder = tmp_path / "sums"
    folder.mkdir()
    texts = {
        "en": "Ann has {} eggs and buys {} more. How many eggs has she now?",
        "de": "Anna hat {} Eier und kauft noch {} dazu. Wie viele Eier hat sie jetzt?",
        "sw": "Ana ana mayai {} na ananunua {} zaidi. Ana mayai mangapi sasa?",
    }
    for language, text in texts.items():
        lines = [f"{text.format(n, n + 5)}\t{2 * n + 5}\n" for n in range(10, 30)]
        (folder / f"mgsm_{language}.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


def solved(prompt):
    numbers = re.findall(r"\d+", prompt)
    return sum(map(int, numbers[:2])) if len(numbers) > 1 else 0  # "1" asks whether the server is there


def test_a_server_is_evaluated_per_language(sums, chat_server, reply, tmp_path):
    def answer(prompt, payload, _):
        right = solved(prompt)
        if "mayai" in prompt:  # thinks in English, and is wrong half of the time
            return reply(
                f"Jumla ya mayai yote aliyonayo sasa ni {right}.\n#### {right + right % 4 // 2}",
                thinking=f"She has so many eggs and she buys some more of them, which makes {right} in all.",
            )
        if "Eier" in prompt and right % 10 == 5:
            return reply("Anna hat am Anfang viele Eier, und dann kauft sie noch einige dazu, also", "length")
        return reply(f"Die Antwort lautet {right}" if "Eier" in prompt else f"So she has {right} eggs.\n#### {right}")

    server, out = chat_server(answer), tmp_path / "out"
    done = invoke("m", "--url", server.url, "--data", f"mgsm={sums}", "--out", out, "--seen", "de")
    assert done.exit_code == 0, done.output
    found = results(out)
    languages = found["languages"]
    assert languages["en"]["accuracy"] == 1.0
    assert languages["de"]["accuracy"] == languages["de"]["answered"] == 1 - languages["de"]["truncated"] == 0.8
    assert languages["sw"]["accuracy"] == 0.5
    assert languages["sw"]["gap_to_english"] == 0.5
    assert languages["sw"]["reply_in_language"] > 0.9
    assert languages["sw"]["reasoning_in_language"] < 0.1
    low, high = languages["sw"]["accuracy_interval"]
    assert 0.2 < low < 0.5 < high < 0.8
    assert (languages["de"]["strict-match"], languages["en"]["strict-match"]) == (0.8, 0.0)
    assert (languages["de"]["gsm8k-strict"], languages["en"]["gsm8k-strict"]) == (0.0, 1.0)
    assert found["averages"]["seen"]["languages"] == ["de"]
    assert found["averages"]["low_resource"]["accuracy"] == 0.5
    one = next(row for row in rows(out) if row["language"] == "sw")
    assert one["response"].startswith("<think>\nShe has so many eggs")
    assert (one["reading"], one["id"]) == (one["truth"], "mgsm/sw/1")
    asked = server.asked[-1]["messages"][-1]["content"]
    assert "####" in asked  # the instruction of `pbrlsvr prepare`
    text = (out / "results.json").read_text()
    assert "127.0.0.1" not in text

    listed = invoke("differences", out, "--filter", "gsm8k-strict", "--limit", 1)
    assert "16 are right by ours alone, 0 by theirs alone" in listed.output
    assert "mgsm/de/" in listed.output


def test_killed_it_goes_on_and_nothing_is_asked_twice(sums, chat_server, reply, tmp_path):
    killed = threading.Event()

    def twenty_before_the_kill(prompt, payload, number):
        if number > 21:  # the first is the question whether the server is there
            killed.wait(300)
        return reply(f"#### {solved(prompt)}")

    server = chat_server(twenty_before_the_kill)
    out = tmp_path / "out"
    command = [*COMMAND, "m", "--url", server.url, "--data", f"mgsm={sums}", "--out", str(out), "--concurrency", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while server.requests < 23 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed.set()
    assert not (out / "results.json").exists()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    # 60 questions, the question whether the server is there of each run, and what was in flight at the kill.
    assert server.requests <= 60 + 2 + 2 * 2
    assert results(out)["averages"]["all"]["accuracy"] == 1.0
    asked = server.requests
    more = invoke("m", "--url", server.url, "--data", f"mgsm={sums}", "--out", out, "--languages", "sw")
    assert more.exit_code == 0, more.output
    assert server.requests == asked  # all of it was answered before
    other = invoke("other", "--url", server.url, "--data", f"mgsm={sums}", "--out", out)
    assert other.exit_code == 2
    assert "holds the results of 'm'" in other.output


def test_what_a_server_refuses_is_missing_and_what_it_leaves_empty_is_wrong(sums, chat_server, reply, tmp_path):
    def answer(prompt, *_):
        if "mayai" in prompt:
            return reply(status=400, raw=b'{"error": "too long"}')
        return reply("") if "Eier" in prompt else reply(f"#### {solved(prompt)}")

    server, out = chat_server(answer), tmp_path / "out"
    done = invoke("m", "--url", server.url, "--data", f"mgsm={sums}", "--out", out, "--limit", 5)
    assert done.exit_code == 3
    assert "5 samples have no answer" in done.output
    found = results(out)
    assert found["unanswered_languages"] == ["sw"]
    assert (found["languages"]["de"]["accuracy"], found["languages"]["de"]["answered"]) == (0.0, 0.0)
    assert found["languages"]["en"]["missing"] == 0


def test_what_a_filter_takes_away_is_asked_once_named_and_wrong(sums, chat_server, reply, tmp_path):
    blocked = b'{"error": {"code": "content_filter"}}'

    def answer(prompt, *_):
        if "mayai" in prompt:
            return reply(status=400, raw=blocked)
        return reply("", finish_reason="content_filter") if "Eier" in prompt else reply(f"#### {solved(prompt)}")

    server, out = chat_server(answer), tmp_path / "out"
    for _ in range(2):
        done = invoke("m", "--url", server.url, "--data", f"mgsm={sums}", "--out", out, "--limit", 5)
        assert done.exit_code == 0, done.output
        assert "10 samples were refused by the server's filter" in done.output
    languages = results(out)["languages"]
    assert [languages[each]["accuracy"] for each in ("de", "sw")] == [0.0, 0.0]
    asked = server.requests
    assert asked == 5 * len(languages) + 1  # the first looks whether the server is there


def test_several_samples_and_runs_are_compared_in_a_table(sums, chat_server, reply, tmp_path):
    def answers(good):
        def answer(prompt, payload, _):
            right = solved(prompt)
            share = 20 if "mayai" not in prompt else good
            return reply(f"#### {right}" if (right - 25) // 2 < share else "Sijui jibu la swali hili")

        return answer

    for name, good in (("base", 4), ("rl", 16)):
        server = chat_server(answers(good))
        done = invoke(name, "--url", server.url, "--data", f"mgsm={sums}", "--out", tmp_path / name, "--seen", "de",
                      "--samples", 2, "--temperature", 0.7)  # fmt: skip
        assert done.exit_code == 0, done.output
        assert len({payload.get("seed") for payload in server.asked} - {None}) == 2
        assert results(tmp_path / name)["languages"]["sw"]["majority"] == good / 20
    arguments = ("compare", tmp_path / "base", f"PB-RL|SVR={tmp_path / 'rl'}")
    shown = invoke(*arguments).output
    assert "| PB-RL\\|SVR | **100.0** | **100.0** | **80.0**\\* |".replace("\\*", "*") in shown
    assert "McNemar" in shown
    compared = json.loads(invoke(*arguments, "--format", "json").output)["data"]["mgsm"]["models"][1]
    assert compared["difference"]["sw"] == pytest.approx(0.6)
    # 12 questions that only the one solves: 2 / 2 ** 12; three languages are the family.
    assert compared["p"]["sw"] == pytest.approx(2 / 2**12)
    assert compared["p_holm"]["sw"] == pytest.approx(3 * 2 / 2**12)
    assert compared["p_holm"]["en"] == 1.0
    lines = list(csv.DictReader(io.StringIO(invoke(*arguments, "--format", "csv").output)))
    assert {"mgsm"} == {line["data"] for line in lines}
    assert next(line for line in lines if (line["model"], line["column"]) == ("base", "sw"))["accuracy"] == "0.2"
    latex = tmp_path / "table.tex"
    assert invoke(*arguments, "--out", latex).exit_code == 0
    written = latex.read_text()
    assert r"\textbf{80.0}$^{*}$" in written
    assert r"PB-RL$|$SVR & " in written
    assert r"p $<$ 0.05" in written


def test_other_questions_under_one_name_are_not_compared(sums, chat_server, reply, tmp_path):
    server = chat_server(lambda prompt, *_: reply(f"#### {solved(prompt)}"))
    invoke("a", "--url", server.url, "--data", f"mgsm={sums}", "--out", tmp_path / "a")
    (sums / "mgsm_sw.tsv").write_text("Ana ana mayai 10 na 11?\t21\n", encoding="utf-8")
    invoke("b", "--url", server.url, "--data", f"mgsm={sums}", "--out", tmp_path / "b")
    found = invoke("compare", tmp_path / "a", tmp_path / "b")
    assert found.exit_code == 2
    assert "mgsm/sw/1 is another question in 'b' than in 'a'" in found.output


@pytest.mark.skipif(MGSM is None, reason="needs MGSM's files in shared/data/mgsm")
def test_a_small_model_answers_mgsm_in_this_process_and_a_changed_one_is_asked_anew(tiny_policy, tmp_path):
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(tiny_policy / "model", model)
    arguments = (model, "--data", f"mgsm={MGSM}", "--out", out, "--limit", 3, "--max-tokens", 8)
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    found = rows(out)
    assert len(found) == 3 * len(list(MGSM.glob("mgsm_*.tsv")))
    assert all(0 < row["tokens"] <= 8 for row in found)
    assert results(out)["averages"]["all"]["accuracy"] == 0.0
    journal = (out / "journal.sqlite").stat().st_size
    assert invoke(*arguments).exit_code == 0
    assert rows(out) == found
    assert (out / "journal.sqlite").stat().st_size == journal
    weights = next(model.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes())  # as training writes a new checkpoint
    changed = invoke(*arguments)
    assert changed.exit_code == 2
    assert "holds the results of" in changed.output


def test_a_thinking_budget_ends_the_thinking_and_leaves_the_answer_its_tokens(tiny_policy, tmp_path, sums):
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(tiny_policy / "model", model)
    template = model / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant: ", "assistant: <think>"))
    budget = ("--thinking-tokens", 6, "--max-tokens", 4, "--temperature", 1, "--samples", 2)
    done = invoke(model, "--data", f"mgsm={sums}", "--out", out, "--limit", 2, *budget, "--engine", "dtype=float32")
    assert done.exit_code == 0, done.output
    cut = [row for row in rows(out) if row["truncated"]]
    assert cut
    assert all(row["response"].count("</think>") == 1 and row["tokens"] == 10 for row in cut)


def test_a_prompt_that_is_too_long_is_refused_and_the_others_are_answered(tiny_policy):
    model = Transformers(Settings(str(tiny_policy / "model"), "transformers", ("d",), max_tokens=4))
    model._longest = 100  # as vLLM says of its context
    requests = [Request(str(n), [{"role": "user", "content": "x" * n}], None) for n in (10, 60, 200)]
    assert {key for key, _ in model.answers(requests)} == {"10", "60"}
    assert model.refused == ["a prompt has 220 tokens, and the model takes 100 in all"]


def test_thinking_is_asked_for_in_the_words_of_the_server(sums, chat_server, reply, tmp_path):
    server = chat_server(lambda prompt, *_: reply(f"#### {solved(prompt)}"))
    where = ("--url", server.url, "--data", f"mgsm={sums}", "--data", f"again={sums}", "--limit", 1)
    done = invoke("m", *where, "--out", tmp_path / "a", "--thinking-tokens", 100, "--max-tokens", 20, "--thinking")
    assert done.exit_code == 0, done.output
    last = server.asked[-1]
    assert (last["max_tokens"], last["thinking_token_budget"]) == (120, 100)
    assert last["chat_template_kwargs"] == {"enable_thinking": True}
    assert results(tmp_path / "a", "again")["averages"]["all"]["accuracy"] == 1.0
    assert server.requests == 1 + 3  # the same question in another data set is not asked again
    done = invoke("m", *where, "--out", tmp_path / "b", "--no-thinking", "--body", "top_k=20", "--system", "Kurz.")
    assert done.exit_code == 0, done.output
    last = server.asked[-1]
    assert (last["chat_template_kwargs"], last["top_k"]) == ({"enable_thinking": False}, 20)
    assert last["messages"][0] == {"role": "system", "content": "Kurz."}


def test_ctrl_c_keeps_what_was_answered(sums, chat_server, reply, tmp_path):
    stopped = threading.Event()

    def five_before_the_stop(prompt, payload, number):
        if number > 6:
            stopped.wait(300)
        return reply(f"#### {solved(prompt)}")

    server = chat_server(five_before_the_stop)
    where = ("--url", server.url, "--data", f"mgsm={sums}", "--out", str(tmp_path / "out"), "--concurrency", "2")
    process = subprocess.Popen([*COMMAND, "m", *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while server.requests < 8 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stopped.set()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "run the same command again to go on" in said
    assert "Traceback" not in said


def test_many_responses_are_read_in_several_processes_as_in_one(monkeypatch):
    questions = [Question("d", ("sw", "de")[n % 2], str(n), f"{n} + 1?", str(n + 1)) for n in range(60)]
    texts = ["Jumla ya mayai yote ni haya hapa.\n#### {}", "<think>Zusammen sind das genau so viele.</think> {}"]
    spoken = [(each, 0, Response("", texts[n % 2].format(n + 1), "stop", n)) for n, each in enumerate(questions)]
    expected = [reading.read(*each) for each in spoken]
    monkeypatch.setattr(reading, "_FEW", 5)
    assert list(reading.read_all(spoken)) == expected
    assert all(row["correct"] for row in expected)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "mgms"], "there is no file or folder of that name; known by name are ['mgsm'"),
        (["--data", "mgsm=nowhere"], "there is no file or folder 'nowhere'"),
        (["--data", "mgsm={sums}", "--languages", "swahili"], "did you mean 'sw'"),
        (["--data", "mgsm={sums}", "--languages", "fr"], "there is nothing in 'fr'"),
        (["--data", "mgsm={sums}", "--samples", "4"], "would be the same answer 4 times"),
        (["--data", "mgsm={sums}", "--backend", "vlm"], "'vlm' is not one of ['endpoint', 'vllm', 'transformers']"),
        (["--data", "mgsm={sums}", "--backend", "endpoint"], "--url names the server"),
        (["--data", "mgsm={sums}", "--mark", "box"], "'box' is not one of ['hash', 'boxed']"),
        (["--data", "mgsm={sums}", "--max-tokens", "0"], "must be 1 or more"),
        (["--data", "mgsm={sums}", "--prompts", "none.yaml"], "the prompt file 'none.yaml' cannot be read"),
        (["--data", "mgsm={sums}", "--engine", "dtype"], "is not <field>=<value>"),
        (["--data", "mgsm={sums}"], "has no config.json; it has ['mgsm_de.tsv'"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(arguments, says, sums, tiny_policy, tmp_path):
    model = sums if "config.json" in says else tiny_policy / "model"
    done = invoke(model, *(each.format(sums=sums) for each in arguments), "--out", tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert says in done.output


_RESULTS = {"format": 1, "name": "m", "settings": {"model": "m", "seen": []}, "data": {}}
_SAMPLE = {"id": "d/sw/1", "data": "d", "language": "sw", "problem": "1", "sample": 0, "question": "?", "truth": "1",
           "response": "#### 1", "answer": "1", "reading": "1", "correct": True,
           "flexible-extract": {"reading": "1", "correct": False}}  # fmt: skip


def a_run(folder, results=_RESULTS, samples=(_SAMPLE,)):
    folder.mkdir()
    (folder / "results.json").write_text(results if isinstance(results, str) else json.dumps(results))
    if samples is not None:
        (folder / "samples.jsonl").write_text("".join(json.dumps(each) + "\n" for each in samples))
    return folder


@pytest.mark.parametrize(
    ("results", "samples", "says"),
    [
        ("[" * 100_000, (), "nested too deeply; delete the file and run the same `pbrlsvr eval` again"),
        ("[1]", (), "has format None"),
        ("\x00", (), "cannot be read as JSON"),
        ({"format": 1}, (), "has no 'name'"),
        ({**_RESULTS, "settings": []}, (), "has settings=[]"),
        ({**_RESULTS, "settings": {"model": "m", "seen": 7}}, (), "has seen=7"),
        (_RESULTS, None, "has no samples.jsonl"),
        (_RESULTS, [{**_SAMPLE, "correct": "yes"}], "samples.jsonl:1 has correct='yes'"),
        (_RESULTS, [_SAMPLE, {**_SAMPLE, "language": ["sw"]}], "samples.jsonl:2 has language=['sw']"),
        (_RESULTS, [{**_SAMPLE, "flexible-extract": 7}], "has flexible-extract=7"),
        (_RESULTS, [{**_SAMPLE, "flexible-extract": {"reading": None}}], "flexible-extract has reading=None"),
        (_RESULTS, [{"id": "d/sw/1"}], "has no 'data'"),
    ],
)
def test_a_damaged_run_is_named_with_its_place(results, samples, says, tmp_path):
    good, bad = a_run(tmp_path / "good"), a_run(tmp_path / "bad", results, samples)
    done = invoke("compare", good, f"bad={bad}")
    assert (done.exit_code, says in done.output) == (2, True), done.output
    done = invoke("differences", bad)
    assert (done.exit_code, says in done.output) == (2, True), done.output


def test_a_table_goes_into_a_new_folder_and_says_where_none_can_be_made(tmp_path):
    good, other = a_run(tmp_path / "good"), a_run(tmp_path / "other", {**_RESULTS, "name": "n"})
    assert invoke("compare", good, other, "--out", tmp_path / "new/folder/t.tex").exit_code == 0
    assert (tmp_path / "new/folder/t.tex").read_text().startswith(r"\begin{table}")
    done = invoke("compare", good, other, "--out", tmp_path / "good/results.json/t.md")
    assert done.exit_code == 2
    assert "its folder cannot be made" in done.output
    assert "1 are right by ours alone" in invoke("differences", good).output


def test_a_folder_without_a_finished_run_cannot_be_compared(tmp_path):
    assert "has no results.json; give the --out of a `pbrlsvr eval`" in invoke("compare", tmp_path).output
    assert "'m.txt' must end with one of" in invoke("compare", tmp_path, "--out", "m.txt").output
