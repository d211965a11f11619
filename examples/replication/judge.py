"""What a policy's responses are like, language by language: right, in their language, reasoned, and how far right."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pbrlsvr.languages.policy import check
from pbrlsvr.responses.spans import split
from quickstart.world import apply

EQUATION = re.compile(r"(\d+)([+×-])(\d+)=(\d+)")


def judge(responses: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By language: the number of responses, how many are right, and the shares of those that

    - `own`: are in their language, as far as `pbrlsvr.languages` can tell (a bare answer counts as such);
    - `reasoned`: have a step of reasoning;
    - `sums`: not a share of responses, but of the sums in them that are right;
    - `steps`: not a share of responses, but the mean share of the right steps that a response begins with.

    Args:
        responses: what `quickstart.evaluate` kept.
        rows: the rows that were asked, in the same order.
    """
    found: dict[str, list[dict[str, float]]] = {}
    sums: dict[str, list[bool]] = {}
    for response, row in zip(responses, rows, strict=True):
        language, asked = row["extra_info"]["language"], row["extra_info"]
        reasoning, pivot = split(response["response"]).reasoning, asked["pivot_reasoning"]
        written = equations(reasoning)
        own = check(reasoning, language, "gate", question=asked["question"], reference=pivot).factor
        marks = {"right": response["correct"], "own": own, "reasoned": bool(written), "steps": begun(reasoning, pivot)}
        found.setdefault(language, []).append(marks)
        sums.setdefault(language, []).extend(map(_holds, written))
    return {
        language: {
            "count": len(marks),
            "right": sum(mark["right"] for mark in marks),
            **{name: _mean([mark[name] for mark in marks]) for name in ("own", "reasoned", "steps")},
            "sums": _mean(sums[language]),
        }
        for language, marks in found.items()
    }


def _mean(values: Sequence[float]) -> float:
    """0 for none."""
    return round(sum(values) / len(values), 4) if values else 0.0


def _holds(equation: tuple[str, ...]) -> bool:
    left, operation, right, result = equation
    return apply(operation, int(left), int(right)) == int(result)


def equations(text: str) -> list[tuple[str, ...]]:
    """The equations of a text in any digits.

    >>> equations("এখন যোগ করি ৭+৫=১২।")
    [('7', '+', '5', '12')]
    """
    plain = "".join(str(unicodedata.digit(letter)) if letter.isdigit() else letter for letter in text)
    return EQUATION.findall(plain)


def begun(reasoning: str, reference: str) -> float:
    """The share of the reference's equations that the reasoning begins with, in [0, 1].

    >>> begun("Ahora sumamos 7+5=12. Ahora restamos 12-3=8.", "Now we add 7+5=12. Now we subtract 12-3=9.")
    0.5
    """
    wanted, written = equations(reference), equations(reasoning)
    right = 0
    for one, other in zip(wanted, written, strict=False):
        if one != other:
            break
        right += 1
    return right / len(wanted)
