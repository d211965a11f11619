"""What the scorer learns: a response's text beside the pivot's, as pbrlsvr gives them to COMET, and what it is worth.

    answer      1 for the same number
    statement   half of it for the same number, half for the same step in the end
    reasoning   the pivot's steps that it begins with, as a share of them or of its own, whichever are more

Real COMET models have learned what people think of translations; this one what the world knows to be right.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pbrlsvr.scoring.comet_component import CometBlock, compared
from pbrlsvr.scoring.rollout import Rollout
from quickstart.world import HIGHEST, LOWEST, PIVOT, Problem, digits, reasoning, response, wrong_reasoning
from replication.judge import begun, equations

#: The response's text, the pivot's, and the score.
Comparison = tuple[str, str, float]
_NUMBER = re.compile(r"\d+")
_ANSWER, _STATEMENT, _REASONING = "answer", "statement", "reasoning"
TEXTS = (_STATEMENT, _REASONING)


def drawing(languages: Sequence[str], problems: Sequence[Problem] | None) -> Callable[[random.Random], Comparison]:
    """What draws comparisons: of bare answers, or with problems of all kinds of texts."""
    if problems is None:
        return lambda rng: bare_answers(rng, languages)
    return lambda rng: any_texts(rng, languages, problems)


def bare_answers(rng: random.Random, languages: Sequence[str]) -> Comparison:
    """Two numbers, which are the same in half of the cases."""
    reference = rng.randint(LOWEST, HIGHEST)
    number = reference if rng.random() < 0.5 else rng.randint(LOWEST, HIGHEST)
    answer = digits(str(number), rng.choice(languages))
    return answer, digits(str(reference), PIVOT), float(number == reference)


def any_texts(rng: random.Random, languages: Sequence[str], problems: Sequence[Problem]) -> Comparison:
    """Of each of the three kinds as many."""
    kind = rng.choice((_ANSWER, *TEXTS))
    if kind == _ANSWER:
        return bare_answers(rng, languages)
    while True:
        problem, language = rng.choice(problems), rng.choice(languages)
        # A response to a longer problem is one that goes on after the last step.
        longer = len(problem.events) > 1 and rng.random() < 0.1
        asked = replace(problem, events=problem.events[:-1]) if longer else problem
        text, reference = _compared(asked, language, _response(problem, language, rng), kind)
        # A response without reasoning has none to compare.
        if text:
            return text, reference, _worth(text, reference, kind)


def right_and_wrong(
    problems: Sequence[Problem], language: str, kind: str, rng: random.Random
) -> Iterator[tuple[str, str, str]]:
    """The texts of a right solution and of one with a mistake, and the pivot's; none where the two are the same."""
    for problem in problems:
        wrong = wrong_reasoning(problem, language, rng)
        texts = response(problem, language), _answered(wrong, equations(wrong)[-1][-1], language)
        (right, reference), (other, _) = (_compared(problem, language, text, kind) for text in texts)
        if right != other:
            yield right, other, reference


def _response(problem: Problem, language: str, rng: random.Random) -> str:
    """A policy's: right, with a mistake, or broken off; its answer is mostly the last result, or the right one."""
    steps = len(problem.events)
    written = rng.choice((steps, steps, rng.randrange(steps)))
    events = problem.events[:written]
    wrong = bool(events) and rng.random() < 0.5
    part = replace(problem, events=events)
    text = (wrong_reasoning(part, language, rng) if wrong else reasoning(part, language)) if events else ""
    last = equations(text)[-1][-1] if text else problem.answer
    answer = rng.choices((last, problem.answer, str(rng.randint(LOWEST, HIGHEST))), (3, 1, 1))[0]
    return _answered(text, answer, language)


def _answered(text: str, answer: str, language: str) -> str:
    return f"{text} #### {digits(answer, language)}".lstrip()


def _compared(problem: Problem, language: str, text: str, kind: str) -> tuple[str, str]:
    pivot = {"pivot_reasoning": reasoning(problem, PIVOT), "pivot_answer": problem.answer}
    rollout = Rollout.of("", text, problem.answer, {"language": language} | pivot)
    return compared(CometBlock(compare=kind), rollout)


def _worth(text: str, reference: str, kind: str) -> float:
    wanted, written = equations(reference), equations(text)
    if kind == _REASONING:
        return begun(text, reference) * len(wanted) / max(len(wanted), len(written))
    return ((_number(text) == _number(reference)) + (written[-1:] == wanted[-1:])) / 2


def _number(statement: str) -> int:
    """The last number of a text, which may have digits of its own."""
    return int(_NUMBER.findall(statement)[-1])
