"""A real HTTP server on loopback whose answers, and faults, a test writes as a function."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float


@dataclass
class HttpServer:
    """`answer(request)` gives JSON, or `(status, JSON | text | bytes[, headers])`; ConnectionAbortedError cuts."""

    answer: Callable[[Request], Any]
    requests: list[Request] = field(default_factory=list)
    # The bodies of the requests that were answered with JSON.
    answered: list[Any] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> "HttpServer":
        """Listens; after `stop`, on the same port."""
        self._server = _Listener(("127.0.0.1", self.port), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_connections()
            self._server = None


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # The 5 of http.server drop what comes at once: new connections then wait a second, or are reset.
    request_queue_size = 128
    block_on_close = False
    owner: HttpServer

    def __init__(self, *args: Any):
        self.open_sockets: set[Any] = set()
        super().__init__(*args)

    def cut_connections(self) -> None:
        for connection in list(self.open_sockets):
            self.shutdown_request(connection)

    def handle_error(self, *_: Any) -> None:
        """A cut connection is what some tests are about; its traceback is noise."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Two small packets without this wait for each other (Nagle and delayed ACK, 40 ms).
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.server.open_sockets.add(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.open_sockets.discard(self.request)
        super().finish()

    def do_GET(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, json.loads(raw) if raw else None, time.monotonic())
        owner.requests.append(request)
        try:
            answer = owner.answer(request)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        status, body, extra = (*answer, {})[:3] if isinstance(answer, tuple) else (200, answer, {})
        text = json.dumps(body) if isinstance(body, dict | list) else body
        payload = text.encode() if isinstance(text, str) else text
        if status == 200 and isinstance(body, dict | list):
            owner.answered.append(request.body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(payload)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()
        self.close_connection = int(extra.get("Content-Length", len(payload))) != len(payload)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """The requests are in `HttpServer.requests`."""
