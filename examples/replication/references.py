"""What training knows of a problem: its reference, or several, which may be wrong, and its truth, if there is one."""

import random
from dataclasses import replace
from typing import Any

from quickstart.models import Rows
from quickstart.phrases import MULTIPLY
from quickstart.world import HIGHEST, LOWEST, PIVOT, Problem, reasoning, wrong_reasoning
from quickstart.world import rows as rows_of
from replication import pivot
from replication.config import World
from replication.judge import equations


def as_known(rows: list[dict[str, Any]], problems: list[Problem], world: World, seed: int) -> list[dict[str, Any]]:
    """The training rows as somebody has them who knows no ground truth, has a pivot that makes mistakes or takes steps
    in another order, or asks in the pivot's language as well.

    A problem's reference is right or wrong in all languages alike, as the references of one pivot model are.
    """
    if world.pivot_prompts:
        rows = [*rows, *rows_of(problems, "train", [PIVOT], world.toy.world.name)]
    rng = random.Random(seed)
    wrong = rng.sample(range(len(problems)), round(world.pivot_wrong * len(problems)))
    texts = {index: wrong_reasoning(problems[index], PIVOT, rng) for index in sorted(wrong)}
    if world.references != "own":
        texts = {index: reasoning(other_order(problem, rng), PIVOT) for index, problem in enumerate(problems)}
    changed = []
    for row in rows:
        text = texts.get(row["extra_info"]["index"])
        pivot = {"pivot_reasoning": text, "pivot_answer": equations(text)[-1][-1]} if text else {}
        if world.references == "both":
            own = row["extra_info"]
            pivot["pivot_references"] = [{"reasoning": own["pivot_reasoning"], "answer": own["pivot_answer"]}]
        truth = {} if world.labels else {"ground_truth": ""}
        changed.append(row | {"reward_model": row["reward_model"] | truth, "extra_info": row["extra_info"] | pivot})
    return changed


def other_order(problem: Problem, rng: random.Random) -> Problem:
    """The same problem with its additions and subtractions in another order, where one leads to the same answer through
    numbers of the world; else as it is."""
    events = list(problem.events)
    products = [place for place, event in enumerate(events) if event.operation == MULTIPLY]
    for _ in range(20):
        for start, end in zip([0, *(place + 1 for place in products)], [*products, len(events)], strict=True):
            run = events[start:end]
            rng.shuffle(run)
            events[start:end] = run
        other = replace(problem, events=tuple(events))
        if other.skeleton != problem.skeleton and all(LOWEST <= step.result <= HIGHEST for step in other.steps):
            return other
    return problem


def with_references(rows: Rows, known: dict[int, pivot.Reference]) -> Rows:
    """The rows of the problems whose reference has an answer, with it: nothing can be compared with the others."""
    return [
        row | {"extra_info": row["extra_info"] | {"pivot_reasoning": one.reasoning, "pivot_answer": one.answer}}
        for row in rows
        if (one := known.get(row["extra_info"]["index"])) and one.answer
    ]


def right_references(rows: Rows, problems: list[Problem]) -> int:
    return sum(row["extra_info"]["pivot_answer"] == problems[row["extra_info"]["index"]].answer for row in rows)
