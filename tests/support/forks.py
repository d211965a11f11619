"""Python processes that are forks of one that has imported veRL's libraries, which is nearly all that a start costs.

`run("-m", "verl.trainer.main_ppo", ...)` is `subprocess.run([sys.executable, "-m", ...], capture_output=True,
text=True)`: veRL and pbrlsvr are imported anew, with the environment, the folder and the path of the call. What depends
on how a library itself is imported starts a process of its own.
"""

import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping
from pathlib import Path
from threading import Timer

#: What takes longest of `import verl.trainer.main_ppo`.
_LIBRARIES = ("tensordict", "ray", "transformers.models.auto.auto_factory", "datasets")
_ENVIRONMENT = dict(os.environ)


def run(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 300
) -> "subprocess.CompletedProcess[str]":
    """What `python ARGUMENTS` ends with: `-m MODULE ...`, or `-c CODE ...`."""
    server = _server()
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        request = {
            "arguments": arguments, "folder": str(cwd or Path.cwd()), "files": [os.devnull, str(out), str(err)],
            "environment": dict(os.environ if env is None else env),
        }  # fmt: skip
        print(json.dumps(request), file=server.stdin, flush=True)
        late = Timer(timeout, os.kill, (int(server.stdout.readline()), signal.SIGKILL))
        late.start()
        code = int(server.stdout.readline())
        late.cancel()
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())


@functools.cache
def _server() -> "subprocess.Popen[str]":
    """Ends when this process does: its standard input is closed then."""
    command = [sys.executable, "-I", __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT)


def _serve() -> None:
    """Returns in a fork, which has become the process that was asked for up to what it runs."""
    for library in _LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # the forks share what no collection touches
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            return _run(**request)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def _run(arguments: list[str], folder: str, files: list[str], environment: dict[str, str]) -> None:
    for number, file in enumerate(files):
        opened = os.open(file, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    how, what, *sys.argv[1:] = arguments
    places = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = ["" if how == "-c" else folder, *filter(None, places)]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = how
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), vars(main))


if __name__ == "__main__":
    _serve()
