"""What a policy's responses are like, language by language: right, in their language, reasoned, and how far right."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pbrlsvr.languages.policy import check
from pbrlsvr.responses.spans import split

EQUATION = re.compile(r"(\d+)([+×-])(\d+)=(\d+)")


def judge(responses: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By language: the number of responses, how many are right, and the shares of those that

    - `own`: are in their language, as far as `pbrlsvr.languages` can tell (a bare answer counts as such);
    - `reasoned`: have a step of reasoning;
    - `steps`: not a share of responses, but the mean share of the right steps that a response begins with.

    Args:
        responses: what `quickstart.evaluate` kept.
        rows: the rows that were asked, in the same order.
    """
    found: dict[str, list[tuple[bool, float, bool, float]]] = {}
    for response, row in zip(responses, rows, strict=True):
        language, asked = row["extra_info"]["language"], row["extra_info"]
        reasoning = split(response["response"]).reasoning
        factor = check(
            reasoning, language, "gate", question=asked["question"], reference=asked["pivot_reasoning"]
        ).factor
        marks = (response["correct"], factor, bool(equations(reasoning)), begun(reasoning, asked["pivot_reasoning"]))
        found.setdefault(language, []).append(marks)
    return {
        language: {
            "count": len(marks),
            "right": sum(mark[0] for mark in marks),
            **{
                name: round(sum(mark[place] for mark in marks) / len(marks), 4)
                for place, name in enumerate(("own", "reasoned", "steps"), start=1)
            },
        }
        for language, marks in found.items()
    }


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
