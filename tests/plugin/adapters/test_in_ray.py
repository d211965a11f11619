"""The models of TRL's, ms-swift's and OpenRLHF's rewards in a Ray that runs already, which RAY_ADDRESS names."""

import json
import os
import subprocess
import sys
import time

import forks
import pytest

import pbrlsvr_plugin.adapters.trl as ours
from pbrlsvr.errors import ServiceError

ray = pytest.importorskip("ray", reason="needs Ray")

from pbrlsvr.serving.ray_place import PREFIX  # noqa: E402

#: A rank: scores a batch, waits until the others have too; the second one then scores once more, when the first,
#: whose job may own the actor, is gone.
RANK = """
import asyncio, json, os, sys, time
from pathlib import Path
import pbrlsvr_plugin.adapters.trl as ours

folder, options, batches = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
rank = int(os.environ["RANK"])
# Two that have a model: TRL awaits its rewards at the same time.
rewards = [ours.reward("embed_cosine", **options), ours.reward("embed_cosine", log_as="twin", **options)]

async def scores(batch):
    return await asyncio.gather(*(one(**batch) for one in rewards))

def actors():
    import ray
    named = ray.util.list_named_actors(all_namespaces=True)
    handles = [ray.get_actor(each["name"], each["namespace"]) for each in named]
    return [ray.get(each.describe.remote()) for each in handles]

def until(path):
    while not path.exists():
        time.sleep(0.05)

found = {"scores": [asyncio.run(scores(batches[rank]))]}
(folder / f"scored-{rank}").touch()
until(folder / f"scored-{1 - rank}")
found["actors"] = actors()
(folder / f"looked-{rank}").touch()
until(folder / f"looked-{1 - rank}")
if rank == 1:
    until(folder / "first-is-gone")
    found["scores"].append(asyncio.run(scores(batches[2])))
found["loaded"] = [name for name in ("torch", "sentence_transformers") if name in sys.modules]
(folder / f"rank{rank}.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def running():
    """The address of a Ray with two CPUs, on a port of its own."""
    found = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
                     object_store_memory=100 * 2**20)  # fmt: skip
    yield found.address_info["gcs_address"]
    ray.shutdown()


def ours_in_ray():
    return [one["name"] for one in ray.util.list_named_actors(all_namespaces=True) if one["name"].startswith(PREFIX)]


def batch(start):
    numbers = range(start, start + 4)
    return {
        "completions": [f"{n} Äpfel weniger 6 sind {n - 6}.\n#### {n - 6}" for n in numbers],
        "extra_info": [
            {"language": "de", "pivot_reasoning": f"{n} apples less 6 are {n - 6}.", "pivot_answer": str(n - 6)}
            for n in numbers
        ],
    }


async def test_the_processes_of_a_run_share_one_model_in_a_running_ray_that_ends_with_them(running, minilm, tmp_path):
    options, batches = {"embedding": {"model": minilm}}, [batch(20), batch(30), batch(40)]
    local = ours.reward("embed_cosine", serving="local", **options)
    expected = [await local(**each) for each in batches]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(tmp_path), json.dumps(options), json.dumps(batches)],
            env=os.environ | forks.ray_environment()
            | {"RAY_ADDRESS": running, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
               "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [ranks[0].communicate(timeout=500)[0]]
    (tmp_path / "first-is-gone").touch()
    said.append(ranks[1].communicate(timeout=500)[0])
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)

    found = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    for got, wanted in zip([*found[0]["scores"], *found[1]["scores"]], expected, strict=True):
        for scores in got:
            assert scores == pytest.approx(wanted, abs=1e-5)
    (actor,) = found[0]["actors"]
    assert actor["model"] == minilm
    assert actor["loaded"]
    assert actor["pid"] not in [rank.pid for rank in ranks]
    assert {one["pid"] for rank in found for one in rank["actors"]} == {actor["pid"]}
    assert [rank["loaded"] for rank in found] == [[], []]
    deadline = time.monotonic() + 60
    while ours_in_ray() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not ours_in_ray()


async def test_an_address_without_a_ray_ends_the_run_with_the_address_and_the_fix(running, monkeypatch):
    """Last in this file: the cluster is gone afterwards."""
    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:not-a-port")
    with pytest.raises(ServiceError, match=r"RAY_ADDRESS='127.0.0.1:not-a-port'.*unset the variable"):
        await ours.reward("embed_cosine")(**batch(20))
