"""A process that has imported veRL once, and becomes a Ray worker for each request of `worker_start`, by forks.

A run has a dozen workers. On a CPU, with a tiny model, nearly all of its time went into importing veRL in each of them:
63 s of CPU for two steps of GRPO, 27 s with this.

Ray starts its workers through `worker_start` (`py_executable` of the runtime environment); Ray's own script of a worker
runs in the fork as it would in a new process. A worker whose environment differs in what a module may have read when it
was imported gets no fork, and starts as Ray would start it.
"""

import gc
import json
import os
import random
import runpy
import select
import shlex
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

import numpy

# What a run's workers import.
MODULES = (
    "verl.trainer.ppo.v1",
    "verl.experimental.reward_loop",
    "verl.workers.engine_workers",
    "pbrlsvr_plugin.cpu.agent_loop",
    "pbrlsvr_plugin.cpu.rollout",
)
# What veRL tells a worker of its place among the others; no module reads it at import.
_ITS_OWN = {"WORLD_SIZE", "RANK", "WG_PREFIX", "WG_BACKEND", "RAY_LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
# What a scorer that may share a GPU tells Ray; it matters where there is one.
_OF_GPUS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"}
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, and Windows' below Linux
_PATIENCE = 10.0  # seconds, with a worker that asks and then says nothing


class _Request(TypedDict):
    command: list[str]
    environment: dict[str, str]
    folder: str


def py_executable() -> str | None:
    """For Ray's runtime environment; None where workers cannot be forks."""
    from ray.runtime_env import RuntimeEnv

    # veRL allows versions of Ray that have no `py_executable`; other systems than Linux have no `pidfd_open`.
    if "py_executable" not in RuntimeEnv.known_fields or not hasattr(os, "pidfd_open"):
        return None
    return shlex.join([sys.executable, "-I", "-S", str(Path(__file__).with_name("worker_start.py"))])


def main(listener: int) -> None:
    """Serves until the node's raylet ends. Returns in a fork, when its worker is done."""
    before = dict(os.environ)
    for module in MODULES:
        import_module(module)
    gc.collect()
    gc.freeze()  # the forks share what no collection touches
    request = _serve(socket.socket(fileno=listener), before)
    imported = {name: value for name, value in os.environ.items() if name not in before}
    _work(request, imported)


def _serve(listener: socket.socket, before: dict[str, str]) -> _Request:
    """The request whose worker this process, a fork, has become."""
    raylet = os.pidfd_open(int(before["RAY_RAYLET_PID"]))
    watched: list[Any] = [listener, raylet]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker that has ended
    while True:
        readable, _, _ = select.select(watched, [], [])
        if raylet in readable:
            os._exit(0)  # at once: nothing here is to be saved
        asking, _ = listener.accept()
        with asking:
            asking.settimeout(_PATIENCE)
            try:
                request, files = _read(asking)
            except (OSError, ValueError):
                continue
            if _same(request["environment"], before) and os.fork() == 0:
                os.setpgid(0, 0)  # as Ray's workers have: it ends a worker's whole group
                listener.close()
                os.close(raylet)
                for number, file in enumerate(files):
                    os.dup2(file, number)
                    os.close(file)
                asking.sendall(b"y")
                return request
            for file in files:
                os.close(file)


def _read(asking: socket.socket) -> tuple[_Request, list[int]]:
    head, files, _, _ = socket.recv_fds(asking, 8, 3)
    missing = int.from_bytes(head, "big")
    parts = []
    while missing:
        parts.append(asking.recv(missing))
        if not parts[-1]:
            raise ConnectionError
        missing -= len(parts[-1])
    return json.loads(b"".join(parts)), files


def _same(environment: dict[str, str], before: dict[str, str]) -> bool:
    different = (name for name in environment.keys() | before.keys() if environment.get(name) != before.get(name))
    no_matter = _ITS_OWN if any(map(os.path.exists, DRIVERS)) else _ITS_OWN | _OF_GPUS
    return no_matter.issuperset(different)


def _work(request: _Request, imported: dict[str, str]) -> None:
    """As `python SCRIPT ARGUMENTS` in the folder and the environment of the request."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update({**imported, **request["environment"]})
    os.chdir(request["folder"])
    # Python seeds its own generator anew in a fork; numpy's are all in the state of the server's.
    numpy.random.seed(random.SystemRandom().getrandbits(32))
    sys.argv = request["command"]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
