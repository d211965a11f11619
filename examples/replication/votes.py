"""Answers that a policy votes for: the label of those who have neither a ground truth nor a pivot."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pbrlsvr.answers import equal
from pbrlsvr.responses.spans import split
from quickstart.evaluate import load_policy, rendered, respond


def vote(
    policy: Path,
    rows: list[dict[str, Any]],
    *,
    voters: int,
    tokens: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
    batch: int = 64,
) -> list[dict[str, Any]]:
    """The rows with the policy's most frequent answer as their ground truth; those without any answer are left out.

    Args:
        policy: the model's folder.
        rows: rows of a veRL data set.
        voters: responses for each row, sampled at temperature 1.
        tokens: the longest response.
        seed: of the sampling.
        progress: gets the number of rows done.
        batch: rows asked at a time.
    """
    torch.manual_seed(seed)
    model, tokenizer = load_policy(policy)
    kept = []
    for first in range(0, len(rows), batch):
        asked = rows[first : first + batch]
        texts = respond(model, tokenizer, [rendered(tokenizer, row) for row in asked], tokens, samples=voters)
        for place, row in enumerate(asked):
            answers = [split(text).answer for text in texts[place * voters : (place + 1) * voters]]
            if elected := majority([one for one in answers if one], row["extra_info"]["language"]):
                kept.append(row | {"reward_model": row["reward_model"] | {"ground_truth": elected}})
        progress(min(first + batch, len(rows)))
    return kept


def majority(answers: list[str], language: str) -> str:
    """The answer that most others are equal to, the first of several; empty where there is none.

    >>> majority(["12", "9", "১২"], "bn")
    '12'
    """
    counts = [sum(equal(one, other, language) for other in answers) for one in answers]
    return answers[counts.index(max(counts))] if answers else ""


def some(rows: list[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """As many rows as a run asks, or all."""
    return rows if len(rows) <= count else random.Random(seed).sample(rows, count)
