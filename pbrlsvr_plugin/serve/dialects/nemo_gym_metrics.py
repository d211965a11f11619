"""`/aggregate_metrics` and `/reverify_mode`: what NeMo-Gym asks when the rollouts are there.

Most of its agents, `simple_agent` among them, pass `/aggregate_metrics` on to their resources server
(`responses_api_agents/simple_agent/app.py`), and the collection of rollouts ends with an error where that has none. The
figures and their names are those of `nemo_gym/reward_profile.py`, `compute_aggregate_metrics`, without its copies of
the rows. `gym eval reverify` asks for the mode first: a score of ours depends on the request alone.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from pbrlsvr_plugin.serve.bodies import OpenBody, StrictRoute
from pbrlsvr_plugin.serve.errors import invalid
from pbrlsvr_plugin.serve.strict_json import Reply

routes = APIRouter(route_class=StrictRoute, tags=["scores"])

EXAMPLE: dict[str, Any] = {
    "verify_responses": [
        {"_ng_task_index": 0, "_ng_rollout_index": 0, "reward": 1.0, "response": {"usage": {"output_tokens": 40}}},
        {"_ng_task_index": 0, "_ng_rollout_index": 1, "reward": 0.0, "response": {"usage": {"output_tokens": 60}}},
    ]
}
_TASK, _ROLLOUT = "_ng_task_index", "_ng_rollout_index"
# Of a million rollouts, and as many names, the answer would be much larger than the request.
_MOST, _MOST_NAMES = 100_000, 1_000
# Beyond it, squares are no numbers any more.
_LARGEST = 1e100


class AggregateRequest(OpenBody):
    """What `/verify` has answered, without the texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    verify_responses: list[dict[str, Any]] = Field(max_length=_MOST, fail_fast=True)


class AggregateAnswer(BaseModel):
    """mean, max, min, median and std of each number, as `mean/reward`."""

    group_level_metrics: list[dict[str, Any]] = Field(description="For each task.")
    agent_metrics: dict[str, float] = Field(description="Over all rollouts.")
    key_metrics: dict[str, float] = Field(description="Of these the means.")


@routes.post("/aggregate_metrics", response_model=AggregateAnswer)
async def aggregate_metrics(body: AggregateRequest) -> Response:
    """Sums rollouts up for NeMo-Gym."""
    return Reply(await asyncio.to_thread(aggregated, body.verify_responses))


@routes.get("/reverify_mode", response_model=Literal["stateless"])
async def reverify_mode() -> Response:
    """Whether rollouts can be verified again."""
    return Reply("stateless")


def aggregated(verified: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`AggregateAnswer` of `[N]` rollouts.

    Raises:
        Refusal: a task's index is no whole number, or the rollouts have too many different numbers.
    """
    tasks: dict[int, list[dict[str, float]]] = {}
    for at, one in enumerate(verified):
        task = one.get(_TASK, 0)
        if not isinstance(task, int) or isinstance(task, bool):
            raise invalid(f"verify_responses[{at}].{_TASK}", task, "it is a whole number")
        tasks.setdefault(task, []).append(dict(_numbers(one)))
    names = {name for rows in tasks.values() for row in rows for name in row}
    if len(names) > _MOST_NAMES:
        raise invalid("verify_responses", sorted(names), f"{_MOST_NAMES:,} different numbers are the most")
    overall = _described([row for rows in tasks.values() for row in rows])
    return {
        "group_level_metrics": [
            {_TASK: task, "num_rollouts": len(rows), **_described(rows)} for task, rows in sorted(tasks.items())
        ],
        "agent_metrics": overall,
        "key_metrics": {name: value for name, value in overall.items() if name.startswith("mean/")},
    }


def _numbers(verified: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a rollout, and of the usage in its response."""
    response = verified.get("response")
    usage = response.get("usage") if isinstance(response, dict) else None
    for name, value in {**verified, **(usage if isinstance(usage, dict) else {})}.items():
        # A whole number may have thousands of digits.
        if name not in (_TASK, _ROLLOUT) and isinstance(value, int | float) and abs(value) < _LARGEST:
            yield name, float(value)


def _described(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    found: dict[str, float] = {}
    for name, values in columns.items():
        column = np.asarray(values)
        found |= {
            f"mean/{name}": math.fsum(values) / len(values),
            f"max/{name}": float(column.max()),
            f"min/{name}": float(column.min()),
            f"median/{name}": float(np.median(column)),
            f"std/{name}": float(column.std(ddof=1)) if len(values) > 1 else 0.0,
        }
    return found
