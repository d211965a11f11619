"""Which GPU a scorer's process sees, where Ray hands out GPUs; no GPU is needed to see which."""

import asyncio
import os
import sys
from dataclasses import dataclass

import forks
import pytest

ray = pytest.importorskip("ray", reason="needs Ray, which veRL brings")

from pbrlsvr.serving.scorer import Scorer, ServingOptions  # noqa: E402

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Environment:
    """What stands in an environment variable of the process where the model runs."""

    model: str = "environment"

    def load(self):
        class Model:
            def run(self, items):
                return [os.environ.get(name, "unset") for name, _ in items]

        return Model()


@pytest.fixture(scope="module", params=["0", "1"], ids=["as-it-is", "blanked"], autouse=True)
def cluster(request):
    """A node with GPUs 4 and 5, under a Ray that leaves an actor without GPUs the node's list, or blanks it."""
    before = {"CUDA_VISIBLE_DEVICES": "4,5", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": request.param}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in before.items():
            patch.setenv(name, value)
        ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False,
                 runtime_env={"py_executable": forks.py_executable()})  # fmt: skip
        yield
        ray.shutdown()


def visible(**serving):
    """CUDA_VISIBLE_DEVICES of each replica."""
    items = [("CUDA_VISIBLE_DEVICES", number) for number in range(20)]

    async def everything():
        score = Scorer(Environment(), ServingOptions(place="ray", **serving))
        return await asyncio.gather(*map(score, items))

    return sorted(set(asyncio.run(everything())))


def test_a_scorer_without_a_gpu_sees_none():
    assert visible() == [""]


def test_replicas_that_share_gpus_sit_on_one_each_while_others_hold_them_all():
    @ray.remote(num_gpus=2)
    class Trainer:
        def gpus(self):
            return os.environ["CUDA_VISIBLE_DEVICES"]

    trainer = Trainer.remote()
    assert sorted(ray.get(trainer.gpus.remote(), timeout=60).split(",")) == ["4", "5"]
    assert visible(share_gpu=True) == ["4"]
    assert visible(share_gpu=True, replicas=2) == ["4", "5"]


def test_a_scorer_with_its_own_gpu_sees_that():
    (own,) = visible(num_gpus=1)
    assert own in ("4", "5")
