"""How `forks` and `fork_ray` ask the server for a process; it imports little, for each of Ray's workers starts here."""
# ruff: noqa: PTH109

import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import TextIO


def ask(
    address: str, arguments: Sequence[str], environment: Mapping[str, str], folder: str, files: Mapping[int, int],
    *, waited: bool,
) -> TextIO:  # fmt: skip
    """What the server says, a line each: the process's number, and its exit code if it is waited for.

    Args:
        files: number in the process -> number here.
    """
    request = {
        "arguments": list(arguments), "environment": dict(environment), "folder": folder, "numbers": list(files),
        "waited": waited,
    }  # fmt: skip
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [b"f"], list(files.values()))
        server.sendall(json.dumps(request).encode() + b"\n")
        return server.makefile()


def as_this(address: str, arguments: Sequence[str], files: Sequence[int]) -> None:
    """A process of the server's that goes on as this one would, by `os.execv`; nobody waits for it."""
    kept = {number: number for number in files}
    with ask(address, arguments, os.environ, os.getcwd(), kept, waited=False) as said:
        said.readline()
