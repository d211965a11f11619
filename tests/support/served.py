"""A real `pbrlsvr serve` on loopback, as its users start it: a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest


class Served:
    """A server's process, with what it has said."""

    def __init__(self, process: "subprocess.Popen[str]"):
        self.process = process
        self.said = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def url(self) -> str:
        return self.wait_for(r"at (http://[^\s;,]+)")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def wait_for(self, pattern: str, seconds: float = 500) -> str:
        with self._changed:
            self._changed.wait_for(lambda: re.search(pattern, self.said) or self.process.poll() is not None, seconds)
            found = re.search(pattern, self.said)
        if not found:
            pytest.fail(f"{pattern!r} was not said:\n{self.said}")
        return found[found.re.groups]

    def end(self, sent: int = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(sent)
        return self.process.wait(seconds)

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._changed:
                self.said += line
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def command(*arguments: str, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Served:
    """`pbrlsvr serve` with these arguments, at a free port unless they name one."""
    file = arguments[:1] if arguments and "=" not in arguments[0] and not arguments[0].startswith("-") else ()
    port = () if any(argument.startswith("port=") for argument in arguments) else ("port=0",)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pbrlsvr_plugin.cli", "serve", *file, *port, *arguments[len(file) :]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **(environment or {})},
    )
    return Served(process)
