"""One rollout with the row that it answers, checked: what every reward function starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isnan
from numbers import Integral, Real
from typing import Any

from pbrlsvr import answers
from pbrlsvr.errors import DataError
from pbrlsvr.languages import parse
from pbrlsvr.languages.text import read
from pbrlsvr.responses.spans import Spans, split
from pbrlsvr.responses.statements import statement
from pbrlsvr.scoring.references import COLUMN, Reference, read_references

#: The key of `extra_info` with veRL's step of training, which `pbrlsvr_plugin.verl.strict_run` writes there.
TRAINING_STEP = "training_step"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A response's spans, and what its row says about it.

    Attributes:
        place: names the row in errors.
        text: the whole response.
        spans: its reasoning and its final answer.
        language: the row's BCP-47 code, canonical; None where the row has none.
        truth: the right final answer: `ground_truth`, else the pivot's answer; "" where the row has neither.
        row: the row's `extra_info`.
        served_at: the address of the reward model that veRL itself serves, "host:port"; None where it serves none.
        reference: which of the row's references it stands beside: 0 for the pivot's own, then those of
            `pivot_references` in their order.
    """

    place: str
    text: str
    spans: Spans
    language: str | None
    truth: str
    row: Mapping[str, Any]
    served_at: str | None = None
    reference: int = 0

    @classmethod
    def of(
        cls,
        data_source: str,
        solution_str: str,
        ground_truth: str | None,
        extra_info: Mapping[str, Any] | None,
        served_at: str | None = None,
    ) -> "Rollout":
        """From the arguments of a reward function.

        Args:
            data_source: the row's source; named in errors.
            solution_str: the response.
            ground_truth: the right final answer, or empty; then the row's `pivot_answer` is taken.
            extra_info: the row's `extra_info`: `pivot_reasoning`, the English reference; `pivot_answer`; `language`, a
                BCP-47 code; `pivot_answer_text`, the English sentence that states the answer; `pivot_references`,
                further references (`pbrlsvr.scoring.references`).
            served_at: see above.

        Raises:
            DataError: the row's `language` does not exist, or its answer is neither a text nor a number.
        """
        row = extra_info or {}
        place = f"row {row.get('index')!r} of {str(data_source)!r}"
        language = row.get("language") or None
        try:
            language = parse(language) if language is not None else None
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
        truth = _truth(ground_truth, f"{place} has ground_truth")
        truth = truth or _truth(row.get("pivot_answer"), f"{place} has extra_info['pivot_answer']")
        return cls(place, solution_str, split(solution_str), language, truth, row, served_at)

    @property
    def reasoning(self) -> str:
        """The reasoning as a similarity sees it: without words in places that no language policy judges."""
        return read(self.spans.reasoning).seen.strip()

    @property
    def has_reasoning(self) -> bool:
        """The reasoning has a letter or a digit."""
        return any(character.isalnum() for character in self.reasoning)

    def pivot_answer(self) -> str:
        """The pivot's final answer, else the ground truth; "" where the row has neither."""
        return str(self.row.get("pivot_answer") or self.truth).strip()

    def statement(self) -> str:
        """The final answer as the response states it; `pbrlsvr.responses.statements` has the rules. "" without one."""
        answer = self.spans.answer.strip()
        return statement(self.reasoning, answer) if answer else ""

    def pivot_statement(self) -> str:
        """The pivot's answer as it states it: the row's `pivot_answer_text`, else what its reasoning says; "" where
        the row has neither answer nor text."""
        text, answer = str(self.row.get("pivot_answer_text") or "").strip(), self.pivot_answer()
        return text or (statement(read(str(self.row.get("pivot_reasoning") or "")).seen, answer) if answer else "")

    def pivot_reasoning(self) -> str:
        """The English reference, as a similarity sees it.

        Raises:
            DataError: the row has none.
        """
        reference = self.row.get("pivot_reasoning")
        if not isinstance(reference, str) or not reference.strip():
            raise DataError(
                f"{self.place} has extra_info['pivot_reasoning']={reference!r}, so there is no English reference to "
                f"compare with; extra_info has the keys {sorted(map(str, self.row))}. Write the reference into each "
                "row, or drop the rows that have none."
            )
        return read(reference).seen

    def beside_each(self) -> tuple["Rollout", ...]:
        """This rollout beside each of its row's references, the pivot's own first; references that are equal once.

        Raises:
            DataError: the row's `pivot_references` cannot be read.
        """
        known = self._references()
        if len(known) == 1:
            return (self,)
        rows = {
            place: {
                **self.row,
                "pivot_reasoning": one.reasoning,
                "pivot_answer": one.answer or self.row.get("pivot_answer"),
                "pivot_answer_text": one.answer_text,
                COLUMN: tuple(known.values()),
            }
            for place, one in known.items()
        }
        return tuple(replace(self, row=row, reference=place) for place, row in rows.items())

    def all_references(self) -> str:
        """The reasoning of all references as one text, the same whichever of them the rollout stands beside."""
        known = [one.reasoning for one in self._references().values()]
        return known[0] if len(known) == 1 else "\n".join(sorted(known))

    def _references(self) -> dict[int, Reference]:
        """Place -> reference, without those that an earlier one equals."""
        row = self.row
        names = ("pivot_reasoning", "pivot_answer", "pivot_answer_text")
        own = Reference(*(str(row.get(name) or "") for name in names))
        try:
            further = read_references(row.get(COLUMN))
        except DataError as error:
            raise DataError(f"{self.place}: {error}") from error
        known: dict[str, int] = {}
        found = (own, *further)
        for place, one in enumerate(found):
            known.setdefault(one.reasoning, place)
        return {place: found[place] for place in known.values()}

    def training_step(self) -> int | None:
        """The step of training that the response was asked for in; None outside of a run.

        Raises:
            DataError: it is no whole number of 0 or more.
        """
        step = self.row.get(TRAINING_STEP)
        if step is None:
            return None
        if isinstance(step, bool) or not isinstance(step, Integral) or step < 0:
            raise DataError(f"{self.place} has extra_info[{TRAINING_STEP!r}]={step!r}, not a whole number of 0 or more")
        return int(step)

    def question(self) -> str:
        """The question, in the row's language.

        Raises:
            DataError: the row has none.
        """
        question = self.row.get("question")
        if not isinstance(question, str) or not question.strip():
            raise DataError(
                f"{self.place} has extra_info['question']={question!r}, which is asked for as COMET's source; write "
                "the question into each row, or set source=pivot"
            )
        return question

    def verified_answer(self) -> float | None:
        """`answer()` where the truth says the same in every language; None where it is words, or missing."""
        return self.answer() if answers.is_verifiable(self.truth) else None

    def accuracy(self) -> float:
        """`acc`: 1.0 where the final answer is the truth, else 0.0, also where the row has none."""
        return self.answer() or 0.0

    def answer(self) -> float | None:
        """1.0 if the final answer says the same as the truth, else 0.0; None where the row has no truth."""
        if not self.truth:
            return None
        return float(answers.equal(self.spans.answer, self.truth, self.language))


def _truth(value: Any, place: str) -> str:
    """The right answer as a text; a list of answers as one would be right for no response."""
    if isinstance(value, str):
        return value
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 0) == 1 else value
    if value is None or (isinstance(value, float) and isnan(value)):  # as tables have it for a missing one
        return ""
    if isinstance(value, str | Real | Decimal):
        return str(value)
    raise DataError(f"{place}={value!r:.80}, neither a text nor a number; write the right final answer")
