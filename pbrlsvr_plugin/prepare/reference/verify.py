"""Stage `verify`: of the candidates of a question, one reference, or several, or none.

With a ground truth, the candidates count whose final answer equals it. Without one, those that agree with the majority:
the most frequent final answer, if its share of all candidates is at least `threshold`, it has at least `votes` of them,
and no other answer has as many (self-consistency; Wang et al., 2022, arXiv 2203.11171). Of these, `choose` takes one,
and `keep` lets others stay beside it that are not near-identical to those before them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import compress
from typing import Any

from pbrlsvr import answers
from pbrlsvr_plugin.prepare.export.minhash import Hashes, jaccard, normal_form, shingles
from pbrlsvr_plugin.prepare.reference.options import VerifyOptions
from pbrlsvr_plugin.prepare.reference.reference import CUT_OFF
from pbrlsvr_plugin.prepare.stage import Context, Reject, Row, Rows, Stage


class Verify(Stage):
    """Sets `pivot_reasoning`, `pivot_answer` and `pivot_model`; of the candidates the further references stay."""

    name = "verify"
    depends = ()

    def __init__(self, options: VerifyOptions, context: Context):
        self.options = options
        self._counts: Counter[str] = Counter()

    def facts(self) -> Mapping[str, Any]:
        return dict(self._counts)

    def run(self, rows: Rows, reject: Reject) -> Iterator[Row]:
        self._counts.clear()
        for row in rows:
            right, reason, detail = self._right(row)
            if not right:
                reject(row, reason, detail)
                continue
            best, *further = self._kept(self._in_order(right))
            yield {
                **row,
                "candidates": [{**each, "thinking": ""} for each in further],
                "pivot_reasoning": best["reasoning"],
                "pivot_answer": best["answer"],
                "pivot_model": best["model"],
            }

    def _right(self, row: Row) -> tuple[list[dict[str, str]], str, str]:
        """The candidates that may be the reference, or why there is none."""
        candidates = row["candidates"]
        whole = [each for each in candidates if each["finish_reason"] != CUT_OFF]
        self._counts.update(candidates=len(candidates), cut_off=len(candidates) - len(whole))
        answered = [each for each in whole if each["answer"]]
        if not whole:
            return [], "no_candidate", f"{len(candidates)} candidates, none of them whole"
        if not self.options.check_answers:
            return self._of_length(whole)
        if not answered:
            return [], "no_answer", f"none of {len(whole)} candidates gives a final answer"
        if row["answer"]:
            right = [each for each in answered if answers.equal(each["answer"], row["answer"], "en")]
            self._counts["right"] += len(right)
            if not right:
                said = [each["answer"][:60] for each in answered]
                return [], "wrong_answer", f"the answer is {row['answer']!r}, the candidates say {said}"
            return self._of_length(right)
        return self._majority(answered, len(candidates))

    def _majority(self, answered: list[dict[str, str]], asked: int) -> tuple[list[dict[str, str]], str, str]:
        says = [answers.normalise(each["answer"], "en") for each in answered]
        votes = Counter(said for said in says if said is not None).most_common(2)
        if not votes:
            return [], "no_answer", f"none of {asked} candidates gives one final answer"
        (winner, count), tie = votes[0], len(votes) > 1 and votes[1][1] == votes[0][1]
        if tie or count < self.options.votes or count / asked < self.options.threshold:
            needed = f"{self.options.threshold:.0%} and {self.options.votes} of them must agree"
            return [], "no_majority", f"{dict(votes)} of {asked} candidates; {needed}"
        self._counts["by_majority"] += 1
        return self._of_length([each for each, said in zip(answered, says, strict=True) if said == winner])

    def _of_length(self, candidates: list[dict[str, str]]) -> tuple[list[dict[str, str]], str, str]:
        least, most = self.options.min_characters, self.options.max_characters
        lengths = [len(each["reasoning"].strip()) for each in candidates]
        fits = [least <= length <= (most or length) for length in lengths]
        if fitting := list(compress(candidates, fits)):
            return fitting, "", ""
        reason = "no_reasoning" if max(lengths) == 0 else "reasoning_length"
        return [], reason, f"the reasoning has {lengths} characters; {least} to {most or 'any number'} are asked for"

    def _in_order(self, candidates: list[dict[str, str]]) -> list[dict[str, str]]:
        """The candidates, the best first."""
        if self.options.choose == "first":
            return candidates
        # sorted() is stable, so equal lengths keep the order of the candidates.
        by_length = sorted(candidates, key=lambda each: len(each["reasoning"]))
        place = {"shortest": 0, "median": (len(by_length) - 1) // 2, "longest": len(by_length) - 1}[self.options.choose]
        best = by_length.pop(place)
        return [best, *sorted(by_length, key=lambda each: abs(len(each["reasoning"]) - len(best["reasoning"])))]

    def _kept(self, candidates: list[dict[str, str]]) -> list[dict[str, str]]:
        """The first ones that are no near copy of one before."""
        if self.options.keep == 1:
            return candidates[:1]
        candidates = [candidates[0], *(each for each in candidates[1:] if each["reasoning"].strip())]
        kept: list[dict[str, str]] = []
        known: list[Hashes] = []
        for each in candidates:
            runs = shingles(normal_form(each["reasoning"]))
            if kept and any(jaccard(runs, one) >= self.options.alike for one in known):
                self._counts["alike"] += 1
                continue
            kept.append(each)
            known.append(runs)
            if len(kept) == self.options.keep:
                break
        self._counts["references"] += len(kept)
        return kept
