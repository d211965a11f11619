"""The process whose forks `forks` and `fork_ray` ask for: `python fork_server.py SOCKET`, the number of a listener.

It ends when its standard input is closed, as it is when the process that started it has ended.
"""

import contextlib
import fcntl
import functools
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import config_files

#: What takes longest of `import verl.trainer.main_ppo`, and of what its workers import. Ray reads the environment.
_LIBRARIES = (
    "tensordict", "transformers.models.auto.auto_factory", "datasets", "hydra", "peft", "sentence_transformers",
    "fastapi", "uvicorn", "aiohttp", "zmq", "msgspec", "google.protobuf.descriptor_pb2", "opentelemetry.sdk.metrics",
    "opentelemetry.exporter.prometheus", "torchdata.stateful_dataloader",
)  # fmt: skip


def _serve(listener: socket.socket) -> None:
    """Returns in a fork, when what was asked for has ended."""
    waited_for = [listener, sys.stdin]
    select.select(waited_for, [], [])  # it may be that no test asks
    for library in _LIBRARIES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(library)
    _parse_configs()
    gc.collect()
    gc.freeze()  # the forks share what no collection touches
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    while True:
        readable, _, _ = select.select(waited_for, [], [])
        if sys.stdin in readable:
            os._exit(0)
        asking, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            _answer(asking)
            return
        asking.close()


def _parse_configs() -> None:
    """Half of what composing a config costs is to parse veRL's forty files, and nearly every fork composes one."""
    if not (verl := importlib.util.find_spec("verl")):
        return
    config_files.parse_once()
    from omegaconf import OmegaConf

    for folder in (Path(str(verl.origin)).parent / "trainer", Path(__file__).parents[2] / "pbrlsvr_plugin"):
        for path in folder.glob("config/**/*.yaml"):
            with path.open(encoding="utf-8") as file:
                OmegaConf.load(file)


def _answer(asking: socket.socket) -> None:
    _, files, _, _ = socket.recv_fds(asking, 1, 16)
    with asking.makefile() as lines:
        request = json.loads(lines.readline())
    os.setsid()
    os.chdir(request["folder"])
    try:
        asking.sendall(b"%d\n" % os.getpid())
    except BrokenPipeError:
        os._exit(0)  # who asked has gone, as Ray's workers do when their Ray ends
    arguments, environment = request["arguments"], request["environment"]
    if request["waited"]:
        arguments, environment = _in_a_child(asking, arguments, environment)
    asking.close()
    away = [fcntl.fcntl(file, fcntl.F_DUPFD, 100) for file in files]  # from the numbers that are wanted
    for file in files:
        os.close(file)
    for file, number in zip(away, request["numbers"], strict=True):
        os.dup2(file, number)
        os.close(file)
    _run(arguments, environment, of_ray=not request["waited"])


def _in_a_child(
    asking: socket.socket, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[Sequence[str], Mapping[str, str]]:
    """Waits for a child, and for what it becomes by `os.execv`, in a child again. Returns in them."""
    while True:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.execv = functools.partial(_end_as, writing, os.execv)
            return arguments, environment
        os.close(writing)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.set_blocking(reading, False)  # what the child has started may hold the other end
        with contextlib.suppress(BlockingIOError):
            if told := os.read(reading, 2**20):
                arguments, environment, folder = json.loads(told)
                os.chdir(folder)
                continue
        with contextlib.suppress(BrokenPipeError):  # who asked has gone
            asking.sendall(b"%d\n" % code)
        os._exit(0)


def _end_as(writing: int, become: Any, path: str, command: list[str]) -> None:
    """In place of `os.execv(path, command)`."""
    if path != sys.executable or command[1:2] not in (["-m"], ["-c"]):
        become(path, command)
    os.write(writing, json.dumps([command[1:], dict(os.environ), str(Path.cwd())]).encode())
    os._exit(0)


def _run(arguments: Sequence[str], environment: Mapping[str, str], *, of_ray: bool) -> None:
    """`python ARGUMENTS` in the environment: veRL, pbrlsvr and what is in PYTHONPATH are imported anew.

    A process of Ray's can be found by its command, as if it had been started by it.
    """
    os.environ.clear()
    os.environ.update(environment)
    if of_ray:
        importlib.import_module("ray._raylet").setproctitle(" ".join([sys.executable, *arguments]))
    how, *rest = arguments
    places = list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))
    if how == "-m":
        sys.path[:0] = [str(Path.cwd()), *places]
        sys.argv[1:] = rest[1:]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif how == "-c":
        sys.path[:0] = ["", *places]
        sys.argv[:] = ["-c", *rest[1:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        sys.path[:0] = [str(Path(how).parent), *places]
        sys.argv[:] = arguments
        runpy.run_path(how, run_name="__main__")


if __name__ == "__main__":
    # Not by `-I`: Ray hands such flags on to its workers.
    sys.path.remove(str(Path(__file__).parent))
    _serve(socket.socket(fileno=int(sys.argv[1])))
