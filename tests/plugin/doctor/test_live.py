"""`pbrlsvr doctor --live` beside a real Ray cluster."""

import asyncio
import os

import forks
import pytest

ray = pytest.importorskip("ray", reason="needs Ray, which veRL brings")

from pbrlsvr.models.embedding.embedder import embedder  # noqa: E402
from pbrlsvr.models.embedding.options import EmbeddingOptions  # noqa: E402
from pbrlsvr.serving.options import ServingOptions  # noqa: E402


def live(*arguments):
    arguments = ["pbrlsvr", "doctor", "--live", *arguments]
    code = f"import sys\nfrom pbrlsvr_plugin.cli import main\nsys.argv = {arguments}\nmain()"
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return forks.run("-c", code, env=environment, timeout=120)


@pytest.fixture
def cluster():
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
             runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def test_a_cluster_without_scorers_says_so_and_one_with_scorers_shows_what_they_do(cluster, minilm):
    empty = live("--address", cluster)
    assert empty.returncode == 1
    assert "runs no scorer of pbrlsvr" in empty.stderr

    async def score():
        encoder = embedder(EmbeddingOptions(minilm), ServingOptions(place="ray"))
        await asyncio.gather(*(encoder.cosine(f"response {i}", "the reference") for i in range(9)))

    asyncio.run(score())
    busy = live("--address", cluster)
    assert busy.returncode == 0, busy.stderr
    (row,) = [line for line in busy.stdout.splitlines() if "pbrlsvr-" in line]
    cells = [cell.strip() for cell in row.split("│")]
    assert cells[5:9] == ["0", "10", "0%", "10"]  # nothing waits; ten texts were asked for, none twice, and computed


def test_what_a_strange_actor_reports_is_shown_as_text(cluster):
    @ray.remote(num_cpus=0)
    class Strange:
        def __init__(self, answer):
            self.answer = answer

        def describe(self):
            return self.answer

    answers = {
        "pbrlsvr-[/red]": {"model": "[/]\x1b[2J\u202e", "node": "[link=http://x]", "pid": None, "waiting": "[bold]"},
        "pbrlsvr-\x1b]0;mine\x07": ["no mapping"],
        "pbrlsvr-long": {"model": "x" * 10**6, "requests": 3},
    }
    actors = [Strange.options(name=name).remote(answer) for name, answer in answers.items()]
    ray.get([actor.describe.remote() for actor in actors])
    found = live("--address", cluster)
    assert found.returncode == 0, found.stderr
    for shown in ("pbrlsvr-[/red]", "[/]\\x1b[2J\\u202e", "[link=http://x]", "pbrlsvr-\\x1b]0;mine\\x07"):
        assert shown in found.stdout.replace("\n", "")
    assert "\x1b" not in found.stdout + found.stderr
    assert len(found.stdout) < 20_000


def test_no_cluster_is_an_error_with_the_fix():
    found = live("--address", "127.0.0.1:1")
    assert found.returncode == 1
    assert "no Ray cluster at address '127.0.0.1:1'" in found.stderr
    assert "--address host:port" in found.stderr
