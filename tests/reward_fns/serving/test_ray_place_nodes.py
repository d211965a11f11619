"""Replicas on several nodes: real Ray nodes, all on this machine."""

import asyncio
import os
import sys
from dataclasses import dataclass

import forks
import pytest

ray = pytest.importorskip("ray", reason="needs Ray, which veRL brings")

from ray.cluster_utils import Cluster  # noqa: E402

from pbrlsvr.serving.ray_place import PREFIX  # noqa: E402
from pbrlsvr.serving.scorer import Scorer, ServingOptions  # noqa: E402

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Process:
    """The process that an item was computed in."""

    model: str = "process"

    def load(self):
        class Model:
            def run(self, items):
                return [float(os.getpid())] * len(items)

        return Model()


@pytest.fixture
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_failure_threshold", "3")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        second = nodes.add_node(num_cpus=1)
        runtime_env = {"py_executable": forks.py_executable()}
        ray.init(address=nodes.address, log_to_driver=False, runtime_env=runtime_env)
        nodes.wait_for_nodes()
        yield nodes, second
        ray.shutdown()
        nodes.shutdown()


def nodes_of_replicas():
    names = sorted(each["name"] for each in ray.util.list_named_actors(all_namespaces=True))
    actors = [ray.get_actor(name) for name in names if name.startswith(PREFIX)]
    return [found["node_id"] for found in ray.get([actor.describe.remote() for actor in actors], timeout=60)]


def test_replicas_are_spread_over_the_nodes_and_survive_the_loss_of_one(cluster):
    nodes, second = cluster
    score = Scorer(Process(), ServingOptions(place="ray", replicas=4))

    def processes(of):
        async def everything():
            return await asyncio.gather(*(score(f"{of} {number}") for number in range(40)))

        return set(asyncio.run(everything()))

    assert len(processes("before")) == 4
    placed = nodes_of_replicas()
    assert placed[0] == placed[2] != placed[1] == placed[3]
    nodes.remove_node(second)
    assert len(processes("after")) == 4
    assert len(set(nodes_of_replicas())) == 1
