"""`pbrlsvr serve` under load, beside the same reward asked directly.

    python benchmarks/serve_load.py                              both parts
    python benchmarks/serve_load.py ratio --rounds 7
    python benchmarks/serve_load.py load --seconds 60 --clients 1000
    python benchmarks/serve_load.py memory --seconds 900 --clients 32 --texts same

    ratio   samples/s of `clients` clients at the server, over those of as many coroutines that await the reward in a
            process of its own. They take turns, each round with texts that were never seen; the one that waits is idle.
    load    `clients` clients that ask without a pause for `seconds`: answers by status, times, and the server's memory.
    memory  the same for as long as it takes to see whether the server's memory grows, in fifteen parts: the samples
            that were asked for until then, and the least and the most MiB of the part. Texts are never seen again, or
            are the `same` 256.

The reward is pbrlsvr.embed_cosine with all-MiniLM-L6-v2, on texts as long as GSM8K solutions; server and direct process
have the same threads. The clients share the machine with the server.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workload import GROUP, minilm, samples

#: Small, so that it is full before the memory is looked at.
_CACHE_MIB = 4
_DIRECT = "--direct"


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.reward != "embed_cosine":
        return {}
    serving = {"place": "local", "device": arguments.device, "cache_mib": _CACHE_MIB}
    return {"embedding": {"model": minilm()}, "serving": serving}


def bodies(count: int, seed: int) -> list[dict[str, Any]]:
    """Samples as `/score` takes them, whose reasonings all differ."""
    found = samples(-(-count // GROUP), seed)[:count]
    return [{"response": f"{s.response} ({seed})", "data_source": "bench", "ground_truth": "11", "extra_info": s.row}
            for s in found]  # fmt: skip


class Server:
    """A server's process."""

    def __init__(self, arguments: argparse.Namespace):
        command = [sys.executable, "-u", "-m", "pbrlsvr_plugin.cli", "serve", "port=0", "--reward", arguments.reward,
                   f"options={json.dumps(options(arguments))}"]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(arguments))
        assert self.process.stdout is not None
        self.url = ""
        for line in self.process.stdout:
            if found := re.search(r"at (http://\S+);", line):
                self.url = found[1]
            if line == "ready\n":
                return
        raise SystemExit("the server did not start")

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait()


class Direct:
    """A process that awaits the reward itself; one line of JSON in, one out."""

    def __init__(self, arguments: argparse.Namespace):
        command = [sys.executable, __file__, _DIRECT, json.dumps(options(arguments))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(arguments)
        )

    def seconds(self, count: int, seed: int, at_once: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([count, seed, at_once]) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def answer_directly(kwargs: dict[str, Any]) -> None:
    import pbrlsvr

    async def score(count: int, seed: int, at_once: int) -> float:
        waiting = bodies(count, seed)

        async def one() -> None:
            while waiting:
                s = waiting.pop()
                found = await pbrlsvr.embed_cosine(
                    s["data_source"], s["response"], s["ground_truth"], s["extra_info"], **kwargs
                )
                assert 0 <= found["score"] <= 1

        start = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(at_once)))
        return time.perf_counter() - start

    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        print(loop.run_until_complete(score(*json.loads(line))), flush=True)


def cpu_s(process: int) -> float:
    """Seconds of processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(arguments: argparse.Namespace) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(arguments.threads), "HF_HUB_OFFLINE": "1"}


async def ask(url: str, waiting: Any, clients: int, until: float | None = None) -> dict[str, Any]:
    """All of `waiting` through so many clients, each with a connection of its own and one request at a time."""
    import aiohttp

    statuses: Counter[int | str] = Counter()
    times: list[float] = []

    async def client(session: aiohttp.ClientSession) -> None:
        while (until is None or time.perf_counter() < until) and (sample := next(waiting, None)):
            start = time.perf_counter()
            try:
                async with session.post(f"{url}/score", json={"samples": [sample]}) as answer:
                    await answer.read()
                    statuses[answer.status] += 1
                    if answer.status == 429:
                        await asyncio.sleep(int(answer.headers["Retry-After"]))
                    elif answer.status == 200:
                        times.append(time.perf_counter() - start)
            except aiohttp.ClientError as error:
                statuses[type(error).__name__] += 1

    waiting = iter(waiting)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:
        start = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        seconds = time.perf_counter() - start
    return {"statuses": dict(statuses), "times": times, "seconds": seconds}


def ratio(arguments: argparse.Namespace) -> dict[str, Any]:
    server, direct = Server(arguments), Direct(arguments)
    count, pairs, work = arguments.samples, list[tuple[float, float]](), list[tuple[float, float]]()
    try:
        direct.seconds(64, 9_999, 64)
        for turn in range(arguments.rounds):
            start = cpu_s(direct.process.pid), cpu_s(server.process.pid)
            alone = direct.seconds(count, turn + 1, arguments.clients)
            found = asyncio.run(ask(server.url, bodies(count, turn + 1), arguments.clients))
            assert found["statuses"] == {200: count}, found["statuses"]
            pairs.append((alone, found["seconds"]))
            work.append((cpu_s(direct.process.pid) - start[0], cpu_s(server.process.pid) - start[1]))
            print(f"  direct {count / alone:.1f}/s, server {count / found['seconds']:.1f}/s", flush=True)
    finally:
        direct.end()
        server.end()
    return {
        "direct_samples_per_s": count / statistics.median(a for a, _ in pairs),
        "server_samples_per_s": count / statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
        # Of the processor's time that both took, which a busy machine changes less.
        "ratio_of_cpu_time": statistics.median(a / b for a, b in work),
    }


def load(arguments: argparse.Namespace) -> dict[str, Any]:
    server, memory = Server(arguments), []

    async def watched() -> dict[str, Any]:
        async def watch() -> None:
            while True:
                memory.append(server.memory_mib())
                await asyncio.sleep(1)

        watching = asyncio.create_task(watch())
        # More than can be answered; made beforehand.
        found = await ask(server.url, waiting, arguments.clients, time.perf_counter() + arguments.seconds)
        watching.cancel()
        return found

    try:
        waiting = bodies(arguments.seconds * 1000, 77)
        found = asyncio.run(watched())
    finally:
        code = server.end()
    quarter = max(len(memory) // 4, 1)
    times = sorted(found["times"]) or [0.0]
    return {
        "clients": arguments.clients,
        "seconds": round(found["seconds"], 1),
        "answers_by_status": found["statuses"],
        "samples_per_s": found["statuses"].get(200, 0) / found["seconds"],
        "p50_s": times[len(times) // 2],
        "p99_s": times[len(times) * 99 // 100],
        "memory_mib_after_a_quarter": memory[quarter],
        "memory_mib_at_the_end": memory[-1],
        "memory_mib_most": max(memory),
        "exit_code": code,
    }


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    server, parts = Server(arguments), list[dict[str, float]]()
    seen = Counter[str]()

    def texts() -> Iterator[dict[str, Any]]:
        same = arguments.texts == "same"
        for seed in itertools.count(1):
            for body in bodies(256, 1 if same else seed):
                seen["asked"] += 1
                yield body

    async def watched() -> dict[str, Any]:
        async def watch() -> None:
            while True:
                until, mib = time.perf_counter() + arguments.seconds / 15, list[int]()
                while time.perf_counter() < until:
                    await asyncio.sleep(1)
                    mib.append(round(server.memory_mib()))
                parts.append({"samples": seen["asked"], "least_mib": min(mib), "most_mib": max(mib)})
                print(f"  {parts[-1]}", flush=True)

        watching = asyncio.create_task(watch())
        found = await ask(server.url, texts(), arguments.clients, time.perf_counter() + arguments.seconds)
        watching.cancel()
        return found

    print(f"  {server.memory_mib():.1f} MiB when ready", flush=True)
    try:
        found = asyncio.run(watched())
    finally:
        server.end()
    return {"answers_by_status": found["statuses"], "parts": parts}


def main() -> None:
    if sys.argv[1:2] == [_DIRECT]:
        answer_directly(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["ratio", "load"], help="ratio, load, memory")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=2000, help="of a round")
    parser.add_argument("--reward", default="embed_cosine", help="of load; exact_answer has no model: the front alone")
    parser.add_argument("--texts", choices=("new", "same"), default="new", help="of memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    for part in arguments.parts or ["ratio", "load"]:
        print(f"{part}:", flush=True)
        print(json.dumps({"ratio": ratio, "load": load, "memory": memory}[part](arguments), indent=1))


if __name__ == "__main__":
    main()
