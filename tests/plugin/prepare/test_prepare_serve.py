"""The protocol against a server that is not ours: `transformers serve` with a tiny model."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions
from pbrlsvr_plugin.prepare.reference.reference import Reference
from pbrlsvr_plugin.prepare.stage import new_row


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def served(tiny_policy, tmp_path_factory):
    """(URL, model) of the server."""
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(package, reason="needed by `transformers serve`")
    port, model = free_port(), str(tiny_policy / "model")
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        model,
        "--port",
        str(port),
        "--device",
        "cpu",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    try:
        for _ in range(240):
            try:
                if httpx.get(f"http://localhost:{port}/health", timeout=1).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if process.poll() is not None:
                pytest.fail(log.read_text()[-2000:])
            time.sleep(0.5)
        yield f"http://localhost:{port}/v1", model
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_real_server_answers_and_is_asked_once(served, context, rejects):
    url, model = served
    rows = [new_row(id=f"a:{i}", english=f"What is {i} + {i}?") for i in range(4)]
    options = ReferenceOptions(
        model=model, urls=(url,), prompt="reference_math", max_tokens=8, temperature=1.0, regenerate=0
    )
    made = context("sw")
    stage = Reference(options, made)
    found = list(stage.run(rows, rejects))
    # The model writes noise of at most 8 tokens: cut off, or ended by itself.
    assert len(found) + len(rejects) == 4
    assert {reason for _, reason in rejects} <= {"cut_off"}
    assert stage.facts()["asked"] == 4
    assert 0 < stage.facts()["completion_tokens"] <= 4 * 8
    assert stage.facts()["prompt_tokens"] > 4 * 100
    again = Reference(options, made)
    assert list(again.run(rows, lambda *_: None)) == found
    assert again.facts()["asked"] == 0
