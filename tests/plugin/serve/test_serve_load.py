"""Many clients at once, on few and on several replicas; figures are `benchmarks/serve_load.py`'s."""

import asyncio
import json
from collections import Counter

import forks
import httpx
import pytest

import pbrlsvr


async def test_many_clients_get_their_own_scores_or_are_told_when_to_come_again(start):
    served, clients, each = start("reward=own.py:reward", "limits.waiting=150", "limits.samples=10"), 300, 4
    statuses: Counter[int] = Counter()

    async def client(number: int, asking: httpx.AsyncClient) -> None:
        for turn in range(each):
            samples = [{"response": "wait 0.02", "ground_truth": f"{number} {turn} {n}"} for n in range(1 + number % 3)]
            while True:
                answer = await asking.post("/score", json={"samples": samples})
                statuses[answer.status_code] += 1
                if answer.status_code != 429:
                    break
                await asyncio.sleep(int(answer.headers["Retry-After"]))
            found = [result["components"]["note"] for result in answer.json()["results"]]
            assert found == [sample["ground_truth"] for sample in samples]

    everyone = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=served.url, timeout=300, limits=everyone) as asking:
        await asyncio.gather(*(client(number, asking) for number in range(clients)))
        metrics = (await asking.get("/metrics")).text
    assert statuses.keys() <= {200, 429}
    assert statuses[200] == clients * each
    assert f"pbrlsvr_score_count {clients * each * 2}.0" in metrics
    assert f"pbrlsvr_turned_away_total {statuses[429]}.0" in metrics
    for nothing_left in ("pbrlsvr_requests_in_flight 1.0", "pbrlsvr_samples_waiting 0.0"):
        assert nothing_left in metrics


async def test_replicas_in_ray_give_the_same_scores_and_end_with_the_server(start, minilm):
    pytest.importorskip("ray")
    options = {"embedding": {"model": minilm}}
    rows = [
        {"language": "es", "pivot_reasoning": f"Ana has {n} apples and gives 6 away.", "pivot_answer": str(n - 6)}
        for n in range(7, 27)
    ]
    samples = [
        {"response": f"Ana tiene {n} manzanas y regala 6.\n#### {n - 6}", "extra_info": row}
        for n, row in enumerate(rows, 7)
    ]
    expected = await asyncio.gather(
        *(
            pbrlsvr.embed_cosine("http", s["response"], None, s["extra_info"], **options, serving="local")
            for s in samples
        )
    )
    served = start(f"options={json.dumps(options)}", "replicas=2", environment=forks.ray_environment())
    async with httpx.AsyncClient(base_url=served.url, timeout=120) as client:
        answer = await client.post("/score", json={"samples": samples})
        found = [result["score"] for result in answer.json()["results"]]
        assert found == pytest.approx([each["score"] for each in expected], abs=1e-5)
        metrics = (await client.get("/metrics")).text
        for replica in "01":
            assert f'replica="{replica}"' in metrics
    assert await asyncio.to_thread(served.end) == 0
