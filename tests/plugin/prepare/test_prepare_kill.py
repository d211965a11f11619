"""Killed at any moment and run again: nothing lost, nothing twice, nothing paid twice, the same bytes."""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from pbrlsvr_plugin.prepare.requests.journal import request_key

COMMAND = [sys.executable, "-m", "pbrlsvr_plugin.cli", "prepare", "run"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "random"}


def arguments(problems, out, url):
    return [
        *("--source", str(problems), "--languages", "sw,de,en", "--out", str(out)),
        *("--pivot-url", url, "--pivot-model", "m"),
        *("load.columns={answer_in: answer, solution: answer}", "reference.max_concurrency=4"),
        *("translate.max_concurrency=4", "check.language_share=0", "check.copied=1.0", "check.repetition=1.0"),
    ]


def digests(out: Path) -> dict[str, str]:
    """Every file of the result and of the stages, less what tells the time: stage.json, the journal, the lock."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    kept = [path for path in files if path.name not in ("stage.json", "lock") and "journal" not in path.name]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def journal_keys(out: Path) -> set[str]:
    path = out / "work" / "journal.sqlite"
    if not path.exists():
        return set()
    with sqlite3.connect(path) as database:
        try:
            return {key for (key,) in database.execute("SELECT key FROM answers")}
        except sqlite3.OperationalError:  # killed before the table was made
            return set()


def asked_keys(server) -> list[str]:
    return [request_key("chat", **payload) for payload in server.asked]


@pytest.mark.timeout(600)
def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(tmp_path, chat_server, reply, solve, problems):
    server = chat_server(lambda prompt, *_: reply(solve(prompt), seconds=0.04))
    calm = tmp_path / "calm"
    subprocess.run([*COMMAND, *arguments(problems, calm, server.url)], check=True, env=ENVIRONMENT)
    paid = asked_keys(server)
    assert len(paid) == len(set(paid)) == 40 + 2 * 40

    server.asked.clear()
    out, chance, kills, paid_before = tmp_path / "killed", random.Random(0), 0, set()
    while True:
        answered = len(server.asked)
        process = subprocess.Popen(
            [*COMMAND, *arguments(problems, out, server.url)],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # After some answers, on whatever machine: five times sixteen leave answers that are still to come.
        enough = answered + chance.randint(1, 16)
        while process.poll() is None and (kills == 5 or len(server.asked) < enough):
            time.sleep(0.005)
        if process.poll() is None:
            time.sleep(chance.uniform(0.0, 0.04))
            process.send_signal(signal.SIGKILL)
            kills += 1
        output, _ = process.communicate()
        again = paid_before & set(asked_keys(server)[answered:])
        assert not again, "what was in the journal was asked for again"
        paid_before = journal_keys(out)
        if process.returncode != -signal.SIGKILL:
            break
    assert process.returncode == 0, output.decode()
    assert kills == 5
    assert digests(out) == digests(calm)
    # Only what was in flight at a kill may have been answered and not kept: at most the concurrency of each kill.
    assert 120 <= len(server.asked) <= 120 + 4 * kills


DRIVER = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from rich.console import Console
    from pbrlsvr_plugin.prepare import runner as run, store
    from pbrlsvr_plugin.prepare.config import STAGES, read_config

    source, folder = sys.argv[1:3]
    overrides = [f"load.source={source}", "languages=[en]", "reference.engine=dataset"]
    columns = {"answer_in": "answer", "solution": "answer"}

    count = kill_at = 0

    def counted(work):
        def call(*arguments, **options):
            global count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*arguments, **options)
        return call

    for module, name in ((store, "sync"), (store.pq, "ParquetWriter"),
                         (store.shutil, "rmtree"), (Path, "rename"), (Path, "unlink"), (Path, "mkdir")):
        setattr(module, name, counted(getattr(module, name)))

    def steps(out, die_at):
        global count, kill_at
        count, kill_at = 0, die_at
        config = read_config(None, [*overrides, f"out={out}"], {"load.columns": columns})
        with run.Runner(config, lambda line: None, Console(quiet=True)) as runner:
            runner.run(["load", "reference"])
        return count

    def forked(out, die_at):
        child = os.fork()
        if child == 0:
            steps(out, die_at)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    total = steps(f"{folder}/calm", 0)  # not forked: what it imports, the forks need not
    for step in range(1, total + 1):
        out = f"{folder}/k{step}"
        assert forked(out, step) == signal.SIGKILL, step
        assert forked(out, 0) == 0, step
    print(total)
    """
)


@pytest.mark.timeout(600)
def test_killed_at_every_step_of_writing_it_goes_on_to_the_same_bytes(tmp_path, problems):
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER, str(problems), str(tmp_path)], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    total = int(ran.stdout)
    assert total > 12
    expected = digests(tmp_path / "calm")
    assert len(expected) == 4  # two stages, each with a part and its rejects
    for kill_at in range(1, total + 1):
        assert digests(tmp_path / f"k{kill_at}") == expected, kill_at


def test_two_runs_in_one_folder_are_refused(tmp_path, problems, chat_server, reply, solve):
    second_is_done = threading.Event()
    server = chat_server(lambda prompt, *_: second_is_done.wait(300) and reply(solve(prompt)))
    command = [*COMMAND, *arguments(problems, tmp_path / "out", server.url)]
    first = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not server.requests and first.poll() is None:
            time.sleep(0.05)
        second = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
        assert second.returncode == 1
        assert "another `pbrlsvr prepare` is at work" in second.stderr
    finally:
        second_is_done.set()
        first.kill()
        first.wait()


def test_a_changed_option_redoes_what_depends_on_it_and_says_why(tmp_path, problems, chat_server, reply, solve):
    server = chat_server(lambda prompt, *_: reply(solve(prompt)))
    command = [*COMMAND, *arguments(problems, tmp_path / "out", server.url), "--until", "translate"]
    run = {"env": ENVIRONMENT, "capture_output": True, "text": True, "check": True}
    subprocess.run(command, **run)
    asked = server.requests

    same = subprocess.run(command, **run).stdout
    assert same.count("finished before, nothing has changed") == 4
    other = subprocess.run([*command, "verify.min_characters=36"], **run).stdout
    assert "verify: done again, because options.min_characters was 1 and is 36" in other
    assert "translate: done again, because its input rows are others" in other
    assert "load: finished before" in other
    assert server.requests == asked  # all of it was paid before

    lines = problems.read_text().splitlines()
    problems.write_text("\n".join([*lines[:-1], json.dumps({**json.loads(lines[-1]), "number": 99})]) + "\n")
    changed = subprocess.run([*command, "verify.min_characters=36"], **run).stdout
    assert "load: done again, because the file 'problems.jsonl (in folder" in changed
    assert "reference: finished before" in changed  # the rows came out the same
