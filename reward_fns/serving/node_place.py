"""Place "node": one process of a node holds the model, and its other processes ask that one.

For trainers that start one process for each GPU and run without Ray, such as TRL's. They have one parent, their
launcher, by which they find each other. The one that asks first holds the model; the others reach it through a socket
in a folder that is open to this user alone. It ends with the process that holds it, and whoever asks later gets an
error: launchers end all processes of a run when one of them has died.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from threading import Thread, local
from typing import Any

from pbrlsvr.errors import ServiceError
from pbrlsvr.serving.batcher import Batcher
from pbrlsvr.serving.disk_cache import own_folder
from pbrlsvr.serving.host import ModelOptions
from pbrlsvr.serving.options import CLIENT_CACHE_BYTES, ServingOptions
from pbrlsvr.serving.transfer import packed, unpacked

# Calls that one process has in flight. While they are, the next one gathers what comes in.
_CALLS_IN_FLIGHT = 2

_PAUSE_S = 0.05

_FIX = (
    "Take a smaller model, run it on a server or in Ray (serving.place), give the process that holds it more threads "
    "(OMP_NUM_THREADS) or a GPU (serving.device), or raise serving.timeout_s."
)

# Locks and sockets of the models that this process holds, until it ends.
_held: list[Any] = []


def replica(options: ModelOptions, serving: ServingOptions, here: Callable[[], Batcher[Any, Any]]) -> Batcher[Any, Any]:
    """This process's queue before the model: `here()`, which others then ask as well, or one to where it already is."""
    socket = _socket(options, serving)
    lock = _lock(socket)
    if lock is None:
        asking = _Asking(socket, options.model)
        return Batcher(
            asking.run,
            name=f"{type(options).__name__} {options.model!r} in another process of this node",
            cache_bytes=min(CLIENT_CACHE_BYTES, serving.cache_mib * 2**20),
            max_waiting=serving.max_waiting,
            threads=_CALLS_IN_FLIGHT,
            fix=lambda: _FIX,
        )
    held = here()
    socket.unlink(missing_ok=True)  # of a process that is gone
    listener = Listener(str(socket), family="AF_UNIX", backlog=128)
    _held.extend((lock, listener))
    Thread(target=_serve, args=(listener, held, options.model), name="pbrlsvr-node", daemon=True).start()
    return held


def _socket(options: ModelOptions, serving: ServingOptions) -> Path:
    """Where the model of this run is asked for on this node."""
    run = f"{os.getppid()} {os.environ.get('MASTER_PORT', '')}"
    digest = hashlib.sha256(f"{run} {options!r} {serving.of_the_model!r}".encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"pbrlsvr-{os.getuid()}"
    return own_folder(str(folder), "serving.place='node', whose folder") / f"{digest}.socket"


def _lock(socket: Path) -> Any:
    """The lock of the process that holds the model; None while that is another one."""
    lock = socket.with_suffix(".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _serve(listener: Listener, held: Batcher[Any, Any], model: str) -> None:
    while True:
        try:
            connection = listener.accept()
        except OSError:
            return
        Thread(target=_answer, args=(connection, held, model), name="pbrlsvr-node", daemon=True).start()


def _answer(connection: Connection, held: Batcher[Any, Any], model: str) -> None:
    with suppress(EOFError, OSError), connection:  # the other process has ended
        while True:
            items = connection.recv()
            connection.send(packed([held.submit(item) for item in items], model))


class _Asking:
    """The model in another process, asked through one connection for each thread."""

    def __init__(self, socket: Path, model: str):
        self._socket, self._model = socket, model
        self._of_thread = local()

    def run(self, items: list[Any]) -> list[Any]:
        """`[N]` items -> `[N]` results in order, with a `Failure` for each item that has none.

        Raises:
            ServiceError: the process that holds the model is gone.
        """
        try:
            connection = self._connected()
            connection.send(items)
            values, errors = connection.recv()
        except (EOFError, OSError) as error:
            self._of_thread.connection = None
            raise ServiceError(
                f"the process of this node that holds model {self._model!r} (socket {str(self._socket)!r}) is gone: "
                f"{type(error).__name__}: {error}. Its own output says why; out of memory is the usual cause."
            ) from error
        return unpacked(values, errors, len(items))

    def _connected(self) -> Connection:
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        while connection is None:
            try:
                connection = Client(str(self._socket), family="AF_UNIX")
            except (FileNotFoundError, ConnectionRefusedError):
                # While it has the lock, it listens in a moment.
                if (lock := _lock(self._socket)) is not None:
                    lock.close()
                    raise
                time.sleep(_PAUSE_S)
        self._of_thread.connection = connection
        return connection
