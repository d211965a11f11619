"""Scorers on a Ray cluster of two nodes (two raylets on one machine): spread, equal, alive after a node's death."""

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import forks
import numpy as np
import pytest

ray = pytest.importorskip("ray", reason="needs Ray, which veRL brings")

from ray.cluster_utils import Cluster  # noqa: E402

from pbrlsvr.models.embedding.embedder import EncoderLoader  # noqa: E402
from pbrlsvr.models.embedding.options import EmbeddingOptions  # noqa: E402
from pbrlsvr.serving.scorer import Scorer, ServingOptions  # noqa: E402

# The model below lives in this file, which no worker can import.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

# Each node has fewer CPUs than this file starts replicas on it: they must reserve none.
NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20}
# A node counts as dead after four failed checks, one a second; as Ray stands it takes 15 seconds or more.
NOTICE_SOON = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 4,
}
LONGEST_RECOVERY_S = 60
TEXTS = [f"text {'x' * n}" for n in range(200)]
LENGTHS = [float(len(text)) for text in TEXTS]


@dataclass(frozen=True)
class SlowLengths:
    """The length of a text, `seconds` a batch; notes in `folder` which node computes what."""

    folder: str
    model: str = "slow lengths"
    seconds: float = 0.5

    def load(self):
        folder, seconds = Path(self.folder), self.seconds
        node = ray.get_runtime_context().get_node_id()

        class Model:
            def run(self, texts):
                (folder / f"run-{node}-{os.getpid()}-{time.monotonic_ns()}").write_text("\n".join(texts))
                time.sleep(seconds)
                return [float(len(text)) for text in texts]

        return Model()

    def runs(self):
        """`{node: [(process, texts of a batch)]}` so far."""
        found = {}
        for path in Path(self.folder).glob("run-*"):
            _, node, process, _ = path.name.split("-")
            found.setdefault(node, []).append((process, path.read_text().splitlines()))
        return found


@pytest.fixture(scope="module")
def cluster():
    """The head, where this process is, and a second node."""
    ray.shutdown()
    head = {**NODE, "include_dashboard": False, "_system_config": NOTICE_SOON}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.worker = cluster.add_node(**NODE)
    runtime_env = {"py_executable": forks.py_executable()}
    ray.init(address=cluster.address, log_to_driver=False, runtime_env=runtime_env)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def scores(options, texts, **serving):
    async def everything():
        score = Scorer(options, ServingOptions(place="ray", **serving))
        return await asyncio.gather(*(score(text) for text in texts))

    return asyncio.run(everything())


def test_replicas_are_spread_over_the_nodes_and_both_answer(cluster, tmp_path):
    options = SlowLengths(str(tmp_path))
    assert scores(options, TEXTS, replicas=2) == LENGTHS
    runs = options.runs()
    assert set(runs) == {node["NodeID"] for node in ray.nodes()}
    computed = [text for batches in runs.values() for _, batch in batches for text in batch]
    assert sorted(computed) == sorted(TEXTS)


def test_replicas_leave_the_cpus_to_others(cluster, tmp_path):
    scores(SlowLengths(str(tmp_path), "idle"), ["a", "b", "c"], replicas=2)
    free, total = ray.available_resources(), ray.cluster_resources()
    assert free["CPU"] == total["CPU"] == 4


def test_vectors_are_the_same_from_two_nodes_as_from_this_process(cluster, minilm):
    options = EncoderLoader.of(EmbeddingOptions(minilm))

    async def here():
        score = Scorer(options, ServingOptions(place="local"))
        return await asyncio.gather(*(score(text) for text in TEXTS[:20]))

    spread = scores(options, TEXTS[:20], replicas=2, num_cpus=1)
    np.testing.assert_allclose(np.stack(spread), np.stack(asyncio.run(here())), atol=1e-5)


def test_the_replica_of_a_node_that_dies_comes_back_on_the_other_and_no_request_is_lost(cluster, tmp_path):
    """Last in this file: one node is gone afterwards."""
    options, lost = SlowLengths(str(tmp_path), "orphaned", seconds=2.0), cluster.worker.node_id

    async def everything():
        # Until Ray notices that the node is dead, its actor is only out of reach: each try takes 2 seconds or so.
        score = Scorer(options, ServingOptions(place="ray", replicas=2))
        answers = asyncio.gather(*map(score, TEXTS))
        while lost not in options.runs():
            await asyncio.sleep(0.02)
        # In the middle of a batch, all processes at once.
        ((process, _),) = options.runs()[lost]
        os.kill(int(process), signal.SIGKILL)
        await asyncio.to_thread(cluster.remove_node, cluster.worker, allow_graceful=False)
        return await asyncio.wait_for(answers, timeout=LONGEST_RECOVERY_S)

    assert asyncio.run(everything()) == LENGTHS
    (survivor,) = (node["NodeID"] for node in ray.nodes() if node["Alive"])
    runs = options.runs()
    assert set(runs) == {survivor, lost}
    # Both replicas are on the node that is left, each a process of its own.
    assert len({process for process, _ in runs[survivor]}) == 2
    in_vain = {text for _, batch in runs[lost] for text in batch}
    assert in_vain <= {text for _, batch in runs[survivor] for text in batch}
