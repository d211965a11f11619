"""What Ray runs for a worker in a test: becomes a fork of the suite's server, or asks for one that forks the workers.

`python -I -S fork_ray.py ADDRESS SCRIPT ARGUMENTS`, where Ray would run `python SCRIPT ARGUMENTS`: the worker is a fork
that has the large libraries. `... ADDRESS --start FILE SCRIPT ARGUMENTS`: as `python -I -S FILE SCRIPT ARGUMENTS`, but
the server that FILE starts is a fork; FILE is pbrlsvr_plugin/cpu/worker_start.py, which does all else as always.
"""
# It imports little, as each worker starts here: no pathlib.
# ruff: noqa: PTH100, PTH120, PTH123

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fork_request import as_this

_STANDARD = (0, 1, 2)
_become = os.execv


def _fork(path: str, command: list[str]) -> None:
    """In place of `os.execv`: a server of workers, with the socket that it listens on."""
    if command[1] != "-c":
        _become(path, command)
    as_this(sys.argv[0], command[1:], [*_STANDARD, int(command[3])])
    os._exit(0)


def main() -> None:
    address, *command = sys.argv[1:]
    if command[0] != "--start":
        as_this(address, command, _STANDARD)
        return
    _, start, *command = command
    sys.argv = [address, *command]
    os.execv = _fork
    with open(start) as file:
        exec(compile(file.read(), start, "exec"), {"__name__": "__main__"})


main()
