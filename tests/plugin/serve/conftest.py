"""A real `pbrlsvr serve` on loopback, as its users start it: a process of its own."""

from collections.abc import Iterator, Mapping

import httpx
import pytest
from served import Served, command

#: A reward of the user's: what it does with a sample stands in the sample.
OWN = """
import asyncio
from pathlib import Path

from pbrlsvr.errors import DataError, ModelError, ServiceError

LEFT = Path(__file__).with_name("left")


async def reward(data_source, solution_str, ground_truth, extra_info):
    word, _, rest = solution_str.partition(" ")
    if word == "wait":
        try:
            await asyncio.sleep(float(rest))
        except asyncio.CancelledError:
            LEFT.write_text(LEFT.read_text() + rest + "\\n" if LEFT.exists() else rest + "\\n")
            raise
    if word == "until":
        while not Path(rest).exists():
            await asyncio.sleep(0.01)
    if word == "raise":
        raise ZeroDivisionError("one by zero")
    if word == "service":
        raise ServiceError("the encoder's server is down")
    if word == "data":
        raise DataError("the row lacks a reference; write one")
    if word == "nan":
        return float("nan")
    if word == "exit":
        raise SystemExit(3)
    return {"score": len(solution_str) / 2**20, "note": str(ground_truth), "odd": float("nan"), "twice": 2}


def in_threads(data_source, solution_str, ground_truth, extra_info):
    if solution_str == "exit":
        raise SystemExit("no more")
    if solution_str == "stop":
        return next(iter(()))
    if solution_str == "interrupt":
        raise KeyboardInterrupt
    return 0.5


def broken(data_source, solution_str, ground_truth, extra_info):
    raise ModelError("model='mine' cannot be loaded: no weights; download it")
"""


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Iterator:
    """Starts servers that end with the tests of the file."""
    running: list[Served] = []
    folder = tmp_path_factory.mktemp("serve")
    (folder / "own.py").write_text(OWN)

    def begin(*arguments: str, ready: bool = True, environment: Mapping[str, str] | None = None) -> Served:
        running.append(served := command(*arguments, environment=environment, folder=folder))
        served.folder = folder
        if ready:
            served.wait_for("ready\n")
        return served

    yield begin
    for served in running:
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait()


@pytest.fixture(scope="session")
def own(start) -> Served:
    """A server of the reward above."""
    return start(
        "--reward", "own.py:reward", "limits.body_mib=1", "limits.samples=64", "limits.characters=20000",
        "limits.waiting=200", "limits.request_s=2", "limits.answer_s=10", "limits.bodies_mib=4",
    )  # fmt: skip


@pytest.fixture(scope="session")
def client(own) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.url, timeout=60) as made:
        yield made
