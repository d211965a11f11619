"""A chat server on loopback that knows the answers, counts what it is asked, and fails on demand."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pbrlsvr_plugin.prepare.requests.journal import Journal
from pbrlsvr_plugin.prepare.stage import Context


@dataclass
class Reply:
    """What the server sends: a completion, or a fault."""

    text: str = ""
    finish_reason: str = "stop"
    thinking: str = ""
    status: int = 200
    headers: dict = field(default_factory=dict)
    raw: bytes | None = None
    cut: bool = False
    seconds: float = 0.0


class ChatServer:
    """`reply(prompt, payload, number)` decides; `asked` holds every payload that was answered with 200."""

    def __init__(self, reply: Callable[[str, dict, int], Reply]):
        self.reply = reply
        self.asked: list[dict] = []
        self.requests = 0
        self.keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, payload: dict, authorization: str) -> Reply:
        with self._lock:
            self.requests += 1
            number = self.requests
            self.keys.add(authorization)
        reply = self.reply(payload["messages"][-1]["content"], payload, number)
        time.sleep(reply.seconds)
        return reply


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _handler(owner: ChatServer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = owner.answer(payload, self.headers.get("Authorization", ""))
            message = {"role": "assistant", "content": reply.text}
            if reply.thinking:
                message["reasoning_content"] = reply.thinking
            usage = {"prompt_tokens": 10, "completion_tokens": len(reply.text)}
            body = {"choices": [{"message": message, "finish_reason": reply.finish_reason}], "usage": usage}
            data = json.dumps(body).encode() if reply.raw is None else reply.raw
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if reply.cut else data)
                self.wfile.flush()
            except OSError:
                return
            if reply.cut:
                self.close_connection = True
                self.connection.close()
            elif reply.status == 200 and reply.raw is None:
                owner.asked.append(payload)

    return Handler


@pytest.fixture
def chat_server():
    """`chat_server(reply)` starts one."""
    servers = []

    def start(reply) -> ChatServer:
        servers.append(ChatServer(reply))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def context(tmp_path):
    """`context(languages)`: what a stage needs when it runs without a runner."""
    journals = []

    def make(*languages: str, seed: int = 0, journal: str = "journal.sqlite") -> Context:
        scratch = tmp_path / f"scratch{len(journals)}"
        scratch.mkdir()
        journals.append(Journal(tmp_path / journal))
        return Context(tmp_path / "work", tmp_path / "out", "toy", seed, languages, journals[-1], scratch)

    yield make
    for journal in journals:
        journal.close()


class Rejects(list):
    """Collects what a stage rejects, as (id, reason)."""

    def __call__(self, row, reason, detail=""):
        self.append((row["id"], reason))


@pytest.fixture
def rejects() -> Rejects:
    return Rejects()


@pytest.fixture
def reply():
    """The class of the server's replies."""
    return Reply


@pytest.fixture
def problems(tmp_path) -> Path:
    """40 problems with their answers, worked out."""
    path = tmp_path / "problems.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(40):
            question = f"Ana has {i} apples and buys {2 * i + 1} more. How many apples has she?"
            solution = f"She has {i} and buys {2 * i + 1}. Together that is <<{i}+{2 * i + 1}={3 * i + 1}>>{3 * i + 1}."
            row = {"question": question, "answer": f"{solution}\n#### {3 * i + 1}", "number": i}
            file.write(json.dumps(row) + "\n")
    return path


def solve(prompt: str) -> str:
    """The right reference for one of these problems; for a request to translate, a marked copy."""
    question = prompt[prompt.index("Ana has") :].strip()
    if prompt.startswith("Translate"):
        language = prompt.split("into ")[1].split(",")[0]
        return f"[{language}] {question}"
    first, second = (int(word) for word in question.replace("?", "").split() if word.isdecimal())
    return f"She has {first} and buys {second}, so she has {first + second}.\n#### {first + second}"


@pytest.fixture(name="solve")
def _solve():
    return solve
