"""A run's Ray workers are forks of one process, on a real Ray."""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

import numpy
import psutil
import ray

from pbrlsvr.serving.scorer import Scorer, ServingOptions
from pbrlsvr_plugin import cpu
from pbrlsvr_plugin.cpu.worker_server import DRIVERS, py_executable

# The model below lives in this file, which no worker can import.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.skipif(py_executable() is None, reason="Ray's workers are forks on Linux only")


@pytest.fixture(scope="module")
def worker():
    """Starts an actor with variables of its own."""

    class Worker:
        """What a worker says of itself."""

        def parent(self):
            return os.getppid()

        def own_group(self):
            return os.getpgid(0) == os.getpid()

        def random_numbers(self):
            return random.random(), numpy.random.random()

        def of(self, expression):
            return eval(expression, {"os": os, "sys": sys})

    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets allow no long path
    variables = {"VERL_PLATFORM": "cpu", "OMP_NUM_THREADS": "1"}
    ray.init(
        address="local", num_cpus=8, num_gpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=folder,
        runtime_env={"env_vars": variables, "py_executable": py_executable()},
    )  # fmt: skip
    yield lambda **own: ray.remote(Worker).options(num_cpus=0, runtime_env={"env_vars": own}).remote()
    servers = [one for one in psutil.process_iter(["cmdline"]) if f"{folder}/" in " ".join(one.info["cmdline"] or [])]
    ray.shutdown()
    left = psutil.wait_procs(servers, timeout=60)[1]
    shutil.rmtree(folder, ignore_errors=True)
    assert not left


def ask(actor, question, *arguments):
    return ray.get(getattr(actor, question).remote(*arguments), timeout=300)


@pytest.fixture(scope="module")
def forked(worker):
    return worker()


@pytest.fixture(scope="module")
def server(forked):
    return psutil.Process(ask(forked, "parent"))


def test_workers_are_forks_of_one_process_that_has_imported_verl(worker, forked, server):
    ranks = [worker(RANK=str(rank), WORLD_SIZE="2") for rank in range(2)]
    for rank, actor in enumerate(ranks):
        assert ask(actor, "parent") == server.pid
        assert ask(actor, "of", "os.environ['RANK']") == str(rank)
        assert ask(actor, "of", "'verl.workers.engine_workers' in sys.modules")
    assert ask(forked, "of", "os.environ.get('RANK')") is None
    # As Ray's own workers: the script's folder is in the path, and Ray may end the process group.
    assert any(place.endswith("ray/_private/workers") for place in ask(forked, "of", "sys.path"))
    assert ask(forked, "own_group")
    numbers = [ask(actor, "random_numbers") for actor in (forked, *ranks)]
    assert len(set(numbers)) == 3
    assert len({from_numpy for _, from_numpy in numbers}) == 3


def test_a_worker_whose_environment_a_module_may_have_read_at_import_is_no_fork(worker, server):
    wanted = "0" if os.environ.get("HF_HUB_OFFLINE") == "1" else "1"
    actor = worker(HF_HUB_OFFLINE=wanted)
    assert ask(actor, "parent") != server.pid
    offline = ask(actor, "of", "__import__('huggingface_hub.constants').constants.HF_HUB_OFFLINE")
    assert offline == (wanted == "1")


@dataclass(frozen=True)
class Process:
    """A model that says what it knows of its process: its parent, and torch's threads."""

    model: str = "process"

    def load(self):
        class Model:
            def run(self, items):
                import torch

                return [(os.getppid(), torch.get_num_threads())] * len(items)

        return Model()


@pytest.mark.parametrize("share_gpu", [True, False])
def test_a_scorer_is_a_fork_with_threads_of_its_own_where_it_may_share_a_gpu_and_there_is_none(server, share_gpu):
    async def ask_it():
        return await Scorer(Process(), ServingOptions(place="ray", num_cpus=2, share_gpu=share_gpu))("anything")

    parent, threads = asyncio.run(ask_it())
    assert (parent == server.pid) == (not any(map(os.path.exists, DRIVERS)) or not share_gpu)
    assert threads == 2


def test_a_worker_that_is_killed_leaves_the_others_and_their_server(worker, forked, server):
    ray.kill(actor := worker())
    with pytest.raises(ray.exceptions.RayActorError):
        ask(actor, "parent")
    assert ask(forked, "parent") == server.pid == ask(worker(), "parent")


def test_workers_start_without_their_server_too(worker, forked, server):
    server.kill()
    server.wait(60)
    assert ask(forked, "of", "'verl' in sys.modules")
    new = worker(RANK="2")  # Ray has no idle worker with this variable
    assert not ask(new, "of", "'verl.workers.engine_workers' in sys.modules")


TELL = """
import os, sys
print(__file__, sys.argv[1:], [os.environ.get(name) for name in ("FIRST", "SECOND", "THIRD")], sys.flags.isolated)
"""


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"env_vars": {"FIRST": "a 'b' $HOME", "SECOND": "${FIRST}:${NOWHERE}:$NOWHERE", "THIRD": ""}},
        {"env_vars": None, "py_executable": f"env FIRST=1 {sys.executable} -I"},
        {"command_prefix": ["export THIRD=3 &&"], "env_vars": {"FIRST": "1"}},
        {"override_worker_entrypoint": "OTHER"},
    ],
    ids=["nothing", "variables", "an executable", "a command before it", "another script"],
)
def test_a_worker_is_set_up_as_rays_own_script_does_it(context, tmp_path):
    rays = Path(ray.__file__).parent / "_private/workers/setup_worker.py"
    (tmp_path / "setup_worker.py").symlink_to(rays)  # lies beside the script
    for name in ("script.py", "other.py"):
        (tmp_path / name).write_text(TELL)
    texts = json.dumps(context).replace("OTHER", str(tmp_path / "other.py"))
    arguments = [str(tmp_path / "script.py"), "--node-ip=127.0.0.1", "--name=it's a; test $HOME",
                 f"--serialized-runtime-env-context={texts}", "--language=PYTHON", "--last"]  # fmt: skip
    said = [
        subprocess.run([sys.executable, str(setup), *arguments], capture_output=True, text=True, check=True).stdout
        for setup in (rays, Path(cpu.__file__).with_name("worker_setup.py"))
    ]
    assert said[0] == said[1]
    assert "it's a; test $HOME" in said[0]
