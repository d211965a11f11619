"""Python processes that are forks of one that has imported veRL's libraries, which is nearly all that a start costs.

`run("-m", "verl.trainer.main_ppo", ...)` is `subprocess.run([sys.executable, "-m", ...], capture_output=True,
text=True)`: veRL and pbrlsvr are imported anew, with the environment, the folder and the path of the call. What becomes
another Python by `os.execv`, as `pbrlsvr train` does, becomes another fork. What depends on how a library itself is
imported starts a process of its own.
"""

import contextlib
import functools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Timer

from fork_request import ask

_SERVER = "PBRLSVR_FORK_SERVER"  # where it listens, for all of pytest's processes


class Process:
    """`python ARGUMENTS`, `-m MODULE ...`, `-c CODE ...` or `FILE ...`, which leads a session and writes into files."""

    def __init__(
        self, arguments: Sequence[str], out: Path, errors: Path, *, cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ):  # fmt: skip
        with Path(os.devnull).open() as nothing, out.open("ab") as first, errors.open("ab") as second:
            files = {0: nothing.fileno(), 1: first.fileno(), 2: second.fileno()}
            environment = os.environ if env is None else env
            self._server = ask(_address(), arguments, environment, str(cwd or Path.cwd()), files, waited=True)
        self.pid = int(self._server.readline())
        self.is_late = False

    def wait(self, timeout: float, on_late: Callable[[], object] = lambda: None) -> int:
        """The exit code; after so many seconds it is `is_late`, `on_late` looks at it, and it is killed."""

        def end() -> None:
            try:
                on_late()
            finally:
                self._kill()

        late = Timer(timeout, end)
        late.start()
        try:
            return int(self._server.readline() or -signal.SIGKILL)
        except BaseException:  # Ctrl-C does not reach another session
            self._kill()
            raise
        finally:
            late.cancel()
            self._server.close()

    def _kill(self) -> None:
        self.is_late = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def run(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 300
) -> "subprocess.CompletedProcess[str]":
    """What `python ARGUMENTS` ends with."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        code = Process(arguments, out, err, cwd=cwd, env=env).wait(timeout)
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())


def py_executable(start: Path | None = None) -> str:
    """For Ray's runtime environment: its workers are forks, too, or those of the server that `start` starts."""
    place = Path(__file__).with_name("fork_ray.py")
    command = [sys.executable, "-I", "-S", str(place), _address(), *(["--start", str(start)] if start else [])]
    return shlex.join(command)


def ray_environment() -> dict[str, str]:
    """For a process that calls `ray.init` itself: the workers of its job are forks."""
    return {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": {"py_executable": py_executable()}})}


def _address() -> str:
    return os.environ[_SERVER]


@functools.cache
def start() -> "tuple[tempfile.TemporaryDirectory[str], subprocess.Popen[bytes]]":
    """Starts the server of this process and of those that it will start; it imports nothing until it is asked.

    What is returned ends with this process: the folder of the server's socket, and the server's standard input.
    """
    folder = tempfile.TemporaryDirectory(prefix="forks", dir="/tmp")
    address = f"{folder.name}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(128)
        number = listener.fileno()
        command = [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(number)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number], env=environment)
    os.environ[_SERVER] = address
    return folder, server
