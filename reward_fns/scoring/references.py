"""The references of a row: the pivot's own, and further right ones. A response is scored against the nearest.

A problem has more than one right solution, and the pivot wrote down one of them. With several, each found right, a
response need not take that one's way:

.. math:: r^* = \\arg\\max_r \\text{nearness}(\\text{response}, r) \\qquad
          \\text{score} = \\text{score}(\\text{response}, r^*)

where nearness is the similarity of the reasonings, before any calibration, or COMET where a reward has nothing else; of
equal ones the first counts. Every component, and the length guard, then takes :math:`r^*`: a response is paid for one
solution, and not for the reasoning of one and the sentence of another. That also leaves the dear model, COMET in
`hybrid`, one pass for each response. What speaks against a response looks at all references: the language policy knows
the English words of each, and asks for words as soon as one reference has them. The choice of the largest is ours; it
is that of multi-reference BLEU and chrF.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pbrlsvr.errors import DataError
from pbrlsvr.models.files import brief

if TYPE_CHECKING:
    from pbrlsvr.scoring.rollout import Rollout

#: The column of `extra_info` with the references beside the pivot's own.
COLUMN = "pivot_references"
_FORM = '{"reasoning": text, "answer": text, "answer_text": text}'

Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True)
class Reference:
    """A right solution in English.

    Attributes:
        reasoning: without its final answer.
        answer: its final answer; "" for the pivot's.
        answer_text: the sentence that states it; "" to look for it in the reasoning.
    """

    reasoning: str
    answer: str = ""
    answer_text: str = ""


def read_references(value: Any) -> tuple[Reference, ...]:
    """What a row has in `extra_info["pivot_references"]`: a list, empty or null where there is no further reference.

    Args:
        value: a list whose entries are mappings with a `reasoning`, and an `answer` and an `answer_text` if they have
            them; or texts, which are reasonings.

    Raises:
        DataError: it is something else; the entry is named.

    >>> read_references(["6 less than 17 is 11."])
    (Reference(reasoning='6 less than 17 is 11.', answer='', answer_text=''),)
    """
    if value is None:
        return ()
    entries = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
        raise DataError(f"extra_info[{COLUMN!r}]={brief(value)} must be a list with entries {_FORM}, or null")
    return tuple(_read(entry, place) for place, entry in enumerate(entries))


def _read(entry: Any, place: int) -> Reference:
    if isinstance(entry, Reference):
        return entry
    where = f"extra_info[{COLUMN!r}][{place}]"
    given = {"reasoning": entry} if isinstance(entry, str) else entry
    if not isinstance(given, Mapping):
        raise DataError(f"{where}={brief(entry)} must be {_FORM}, or a reasoning alone")
    texts = {name: given.get(name) for name in ("reasoning", "answer", "answer_text")}
    for name, text in texts.items():
        if not isinstance(text, str) and not (text is None and name != "reasoning"):
            raise DataError(f"{where}[{name!r}]={brief(text)} must be a text; an entry is {_FORM}")
    if not str(texts["reasoning"]).strip():
        raise DataError(f"{where}['reasoning']={texts['reasoning']!r} is empty; leave the entry out")
    return Reference(**{name: text or "" for name, text in texts.items()})


async def nearest(
    rollout: "Rollout",
    measure: "Callable[[Rollout], Awaitable[Measured]]",
    nearness: Callable[[Measured], float],
) -> "tuple[Rollout, Measured]":
    """The rollout beside the nearest of its references, and what was measured there.

    All references are measured at the same time, so that the response, which they share, is encoded once.

    Raises:
        DataError: the row's references cannot be read.
    """
    beside = rollout.beside_each()
    measured = await asyncio.gather(*map(measure, beside))
    best = max(range(len(beside)), key=lambda place: nearness(measured[place])) if len(beside) > 1 else 0
    return beside[best], measured[best]
