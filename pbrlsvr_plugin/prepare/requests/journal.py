"""Results that cost money or hours, kept for good: one SQLite file, keyed by everything that determines the request.

A result is on the disk before the run goes on, so that a run that is killed asks for nothing again. The same request in
another stage, or after a change elsewhere in the config, is answered from here as well. Keys are hashes; a value holds
the answer and no part of the request, hence no secret.

SQLite's write-ahead log needs a local disk; keep the journal off network file systems.
"""

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from pbrlsvr.errors import ConfigError, DataError

log = logging.getLogger(__name__)


def request_key(kind: str, **request: Any) -> str:
    """The hash of a request: its kind, and all that determines the answer (model, messages, sampling, candidate).

    >>> request_key("chat", model="m", candidate=0) == request_key("chat", candidate=0, model="m")
    True
    """
    text = json.dumps([kind, request], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def private_file(path: Path) -> None:
    """Makes a file that only its owner may read, in a folder that only he may enter, if it is not there.

    Raises:
        ConfigError: somebody else's file or link stands there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        owner = path.lstat().st_uid
        if owner not in (os.geteuid(), 0):
            raise ConfigError(f"{str(path)!r} belongs to another user (uid {owner}); name a file of your own")
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _digest(key: str, value: str) -> str:
    return hashlib.blake2b(f"{key} {value}".encode(), digest_size=16).hexdigest()


def _is_an_answer(value: Any) -> bool:
    """Whether a value without a digest may be one: a translation, or what a chat model said."""
    if not isinstance(value, dict):
        return isinstance(value, str)
    texts = all(isinstance(value.get(name), str) for name in ("text", "thinking", "finish_reason"))
    return texts and isinstance(value.get("usage"), dict)


class Journal:
    """A durable mapping from requests to answers. It may be used from several threads.

    Raises:
        DataError: the file is no journal.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        ...     journal.put("k", {"text": "42"})
        ...     journal.get("k"), journal.get("other")
        ({'text': '42'}, None)
    """

    def __init__(self, path: Path):
        self.path = path
        #: Answers that were not what had been written, so far.
        self.damaged = 0
        self._lock, self._read_lock = Lock(), Lock()
        self._queue: SimpleQueue[tuple[str, str, Future[None]] | None] = SimpleQueue()
        private_file(path)
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=60)
            self._db.execute("PRAGMA journal_mode=WAL")
            # FULL: a commit is on the disk when it returns. NORMAL could lose the last ones to a power cut.
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
            if "digest" not in [row[1] for row in self._db.execute("PRAGMA table_info(answers)")]:
                # Of an answer and its request; a journal of an earlier version has none.
                with suppress(sqlite3.OperationalError):  # another process was first
                    self._db.execute("ALTER TABLE answers ADD COLUMN digest TEXT")
            # A connection of its own: in this mode a reader does not wait for a writer that waits for the disk.
            self._reader = sqlite3.connect(path, check_same_thread=False, timeout=60)
        except sqlite3.OperationalError:
            raise  # about the disk, not about what is in the file
        except sqlite3.DatabaseError as error:
            raise DataError(f"{str(path)!r} is no journal: {error}; move it away to start a new one") from error
        self._thread = Thread(target=self._write, name="pbrlsvr-journal", daemon=True)
        self._thread.start()

    def get(self, key: str) -> Any | None:
        """The answer to a request; None where there is none, or not what was written.

        Raises:
            DataError: the file is damaged.
        """
        try:
            with self._read_lock:
                query = "SELECT CAST(value AS BLOB), digest FROM answers WHERE key = ?"
                found = self._reader.execute(query, (key,)).fetchone()
        except sqlite3.OperationalError:
            raise  # about the disk, not about what is in the file
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"the journal {str(self.path)!r} is damaged: {error}. `sqlite3 <file> .recover` may save what was paid "
                "for; or move it away to start a new one"
            ) from error
        if found is None:
            return None
        value, digest = found
        try:
            text = value.decode("ascii")
            if digest is None or digest == _digest(key, text):
                answer = json.loads(text)
                if digest is not None or _is_an_answer(answer):
                    return answer
        except (AttributeError, ValueError, RecursionError):
            pass
        self.damaged += 1
        if self.damaged == 1:
            log.warning("%s has answers that are not what was written: they are asked for again", self.path)
        return None

    def put(self, key: str, value: Any) -> None:
        """Keeps one answer (JSON); it is on the disk when this returns."""
        self.put_many({key: value})

    def put_soon(self, key: str, value: Any) -> "Future[None]":
        """Keeps one answer; the future is done when it is on the disk. Answers of the same moment share a commit."""
        done: Future[None] = Future()
        self._queue.put((key, json.dumps(value), done))
        return done

    def put_many(self, answers: Mapping[str, Any]) -> None:
        """Keeps several answers in one transaction: all of them or none."""
        # In ASCII: half of a surrogate pair, which SQLite takes for no text, is written as its escape and comes back.
        self._put([(key, json.dumps(value)) for key, value in answers.items()])

    def _put(self, rows: list[tuple[str, str]]) -> None:
        signed = [(key, value, _digest(key, value)) for key, value in rows]
        with self._lock, self._db:  # which commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO answers (key, value, digest) VALUES (?, ?, ?)", signed)

    def __len__(self) -> int:
        with self._read_lock:
            return int(self._reader.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Writes what is in flight, and closes the file."""
        self._queue.put(None)
        self._thread.join()
        with self._lock, self._read_lock:
            self._reader.close()
            self._db.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self) -> None:
        # As in the batcher: the next group forms while the disk is busy with this one.
        closing = False
        while not closing:
            group = [self._queue.get()]
            with suppress(Empty):
                while True:
                    group.append(self._queue.get_nowait())
            closing = None in group
            self._commit([entry for entry in group if entry is not None])

    def _commit(self, group: list[tuple[str, str, "Future[None]"]]) -> None:
        # Who stopped waiting has paid all the same: the answer is kept, and nobody is told.
        waiting = [done for *_, done in group if done.set_running_or_notify_cancel()]
        try:
            self._put([(key, value) for key, value, _ in group])
        except BaseException as error:
            for done in waiting:
                done.set_exception(error)
        else:
            for done in waiting:
                done.set_result(None)
