"""The tests' HTTP server on loopback, and a tiny COMET model."""

from collections.abc import Callable
from typing import Any

import pytest
from http_server import HttpServer, Request


@pytest.fixture
def http_server(monkeypatch):
    """`http_server(answer) -> HttpServer`: started, and stopped after the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = []

    def start(answer: Callable[[Request], Any]) -> HttpServer:
        server = HttpServer(answer).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def comet_folder(tmp_path_factory) -> Callable[[str], str]:
    """`comet_folder(case)`: the folder of the tiny checkpoint of that case."""
    import comet_checkpoints as tiny

    root = tmp_path_factory.mktemp("comet")

    def written(name: str) -> str:
        place = root / str(list(tiny.CASES).index(name))
        return str(place if place.exists() else tiny.write_checkpoint(place, tiny.CASES[name]))

    return written


@pytest.fixture(scope="session")
def comet_model(comet_folder) -> str:
    """The folder of a tiny checkpoint of wmt22-comet-da's architecture."""
    return comet_folder("regression_metric encoder_model=XLM-RoBERTa")
