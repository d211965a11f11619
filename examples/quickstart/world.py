"""Word problems of a few steps, asked and solved in every language of phrases.py.

A problem is language-free: a starting number and some events. Its question and its solution are rendered from
it in any language, so the English solution is a reference for the answers in all the others.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from quickstart.phrases import ADD, LANGUAGES, MULTIPLY, NATIVE_DIGITS, OPERATIONS, SUBTRACT

NAME = "quickstart"
PIVOT = "en"
# Steps of a problem, drawn from these.
LENGTHS = (1, 2, 2)
# Numbers go from 2 to 40: the plural is right everywhere, and each is one token of the policy.
LOWEST, HIGHEST = 2, 40
MISTAKES = ("operation", "number", "start", "result", "missing", "repeated")


@dataclass(frozen=True)
class Event:
    operation: str
    n: int
    # Which of the operation's phrasings tells it.
    wording: int


@dataclass(frozen=True)
class Step:
    operation: str
    n: int
    left: int
    result: int


@dataclass(frozen=True)
class Problem:
    start: int
    events: tuple[Event, ...]
    person: int
    thing: int
    # Numbers to choose the answer from, if any.
    options: tuple[int, ...] = ()

    @property
    def skeleton(self) -> tuple[int, ...]:
        """Its numbers and operations. Two problems with the same skeleton count as the same problem in a split."""
        return (self.start, *(part for event in self.events for part in (OPERATIONS.index(event.operation), event.n)))

    @property
    def steps(self) -> list[Step]:
        steps, left = [], self.start
        for event in self.events:
            result = apply(event.operation, left, event.n)
            steps.append(Step(event.operation, event.n, left, result))
            left = result
        return steps

    @property
    def result(self) -> int:
        return self.steps[-1].result

    @property
    def answer(self) -> str:
        return str(self.result)


def apply(operation: str, left: int, n: int) -> int:
    """The operation's result; may lie outside of the world's numbers."""
    return {ADD: left + n, SUBTRACT: left - n, MULTIPLY: left * n}[operation]


def sample_problems(
    count: int, seed: int, lengths: Sequence[int] = LENGTHS, options: Sequence[int] = ()
) -> list[Problem]:
    """`count` problems with different skeletons, in random order; the same ones for the same seed.

    The number of steps is drawn from `lengths`, and that of numbers to choose the answer from out of `options`, if any.

    There are 328 skeletons of one step and 5,736 of two, so most problems have two.
    """
    rng = random.Random(seed)
    found: dict[tuple[int, ...], Problem] = {}
    while len(found) < count:
        problem = _sample(rng, lengths)
        found.setdefault(problem.skeleton, problem)
    problems = list(found.values())
    # The rarer one-step skeletons are found first: without this the first problems would not be like the rest.
    rng.shuffle(problems)
    return [_with_options(problem, rng.choice(options), rng) for problem in problems] if options else problems


def _with_options(problem: Problem, count: int, rng: random.Random) -> Problem:
    """With `count` numbers to choose from: what one gets who makes a mistake, and others where these are too few."""
    guesses = {_with_mistake(problem, rng.choice(MISTAKES), rng)[-1].result for _ in range(4 * count)}
    wrong = guesses - {problem.result}
    others = [number for number in range(LOWEST, HIGHEST + 1) if number not in guesses and number != problem.result]
    chosen = rng.sample(sorted(wrong), min(len(wrong), count - 1))
    chosen += rng.sample(others, count - 1 - len(chosen))
    options = [*chosen, problem.result]
    rng.shuffle(options)
    return replace(problem, options=tuple(options))


def _sample(rng: random.Random, lengths: Sequence[int]) -> Problem:
    start = left = rng.randint(LOWEST, 20)
    events: list[Event] = []
    for _ in range(rng.choice(lengths)):
        while True:
            operation = rng.choices(OPERATIONS, [2, 2, 1])[0]
            n = rng.choice(second_numbers(operation))
            if LOWEST <= apply(operation, left, n) <= HIGHEST:
                break
        left = apply(operation, left, n)
        events.append(Event(operation, n, wording=0))
    return reworded(Problem(start, tuple(events), person=0, thing=0), rng)


def reworded(problem: Problem, rng: random.Random) -> Problem:
    """The same numbers and operations, told of somebody and something else in other words."""
    events = tuple(replace(event, wording=_wording(event.operation, rng)) for event in problem.events)
    words = LANGUAGES[PIVOT]
    return replace(
        problem, events=events, person=rng.randrange(len(words.names)), thing=rng.randrange(len(words.objects))
    )


def _wording(operation: str, rng: random.Random) -> int:
    return rng.randrange(len(LANGUAGES[PIVOT].events[operation]))


def question(problem: Problem, language: str) -> str:
    """The problem's question.

    >>> question(Problem(7, (Event("+", 5, 0),), person=0, thing=5), "en")
    'Amina has 7 cups. Amina buys 5 more. How many cups does Amina have now?'
    """
    words = LANGUAGES[language]
    slots = words.names[problem.person] | words.objects[problem.thing]
    sentences = [words.start.format(n=problem.start, **slots)]
    sentences += [words.events[event.operation][event.wording].format(n=event.n, **slots) for event in problem.events]
    asked = words.separator.join([*sentences, words.ask.format(**slots)])
    options = f" ({', '.join(map(str, problem.options))})" if problem.options else ""
    return digits(asked + options, language)


def prompt(problem: Problem, language: str) -> str:
    """What the policy is asked: the question and the instruction."""
    return f"{question(problem, language)} {LANGUAGES[language].instruction}"


def reasoning(problem: Problem, language: str) -> str:
    """The solution, spelled out.

    >>> reasoning(Problem(7, (Event("+", 5, 0),), person=0, thing=5), "en")
    'Now we add 7+5=12.'
    """
    return _spell_out(problem.steps, language)


def response(problem: Problem, language: str) -> str:
    """What the policy should write: the reasoning, then #### and the answer, in the language and its digits."""
    return f"{reasoning(problem, language)} {bare_answer(problem, language)}"


def abridged(problem: Problem, language: str, steps: int) -> str:
    """The response of somebody who spells out the first steps only.

    >>> abridged(Problem(7, (Event("+", 5, 0), Event("-", 2, 0)), person=0, thing=5), "en", 1)
    'Now we add 7+5=12. #### 10'
    """
    return f"{_spell_out(problem.steps[:steps], language)} {bare_answer(problem, language)}".lstrip()


def bare_answer(problem: Problem, language: str) -> str:
    """The answer without the reasoning."""
    return f"#### {digits(problem.answer, language)}"


def wrong_reasoning(problem: Problem, language: str, rng: random.Random) -> str:
    """The solution with one mistake that is carried through to the end: a hard negative for the encoder."""
    right = reasoning(problem, language)
    while True:
        wrong = _spell_out(_with_mistake(problem, rng.choice(MISTAKES), rng), language)
        if wrong != right:
            return wrong


def sums(language: str) -> list[tuple[str, str]]:
    """Every single sum of the world in the language's digits, with its result, as prompt and response.

    >>> sums("en")[0], sums("bn")[0]
    (('2+2=?', '2+2=4. #### 4'), ('২+২=?', '২+২=৪। #### ৪'))
    """
    stop = LANGUAGES[language].steps[ADD].partition("{equation}")[2]
    found = []
    for operation in OPERATIONS:
        for left in range(LOWEST, HIGHEST + 1):
            for n in second_numbers(operation):
                result = apply(operation, left, n)
                if LOWEST <= result <= HIGHEST:
                    texts = f"{left}{operation}{n}=?", f"{left}{operation}{n}={result}{stop} #### {result}"
                    found.append((digits(texts[0], language), digits(texts[1], language)))
    return found


def second_numbers(operation: str) -> range:
    return range(LOWEST, 5 if operation == MULTIPLY else 11)


def digits(text: str, language: str) -> str:
    """The text with its digits in the language's own script."""
    native = NATIVE_DIGITS.get(language)
    return text.translate(str.maketrans("0123456789", native)) if native else text


def rows(problems: list[Problem], split: str, languages: Sequence[str], name: str = NAME) -> Iterator[dict[str, Any]]:
    """Each problem in each language, as rows of a veRL data set with a pivot reference."""
    for index, problem in enumerate(problems):
        pivot = {"pivot_reasoning": reasoning(problem, PIVOT), "pivot_answer": problem.answer}
        for language in languages:
            yield {
                "data_source": f"{name}/{language}",
                "prompt": [{"role": "user", "content": prompt(problem, language)}],
                "ability": "math",
                "reward_model": {"style": "pivot", "ground_truth": problem.answer},
                "extra_info": {"index": index, "split": split, "language": language}
                | {"question": question(problem, language)}
                | pivot
                | {"pivot_model": "hand-written templates"},
            }


def _spell_out(steps: list[Step], language: str) -> str:
    words = LANGUAGES[language]
    sentences = [
        words.steps[step.operation].format(equation=f"{step.left}{step.operation}{step.n}={step.result}")
        for step in steps
    ]
    return digits(words.separator.join(sentences), language)


def _with_mistake(problem: Problem, mistake: str, rng: random.Random) -> list[Step]:
    """The steps after one mistake. May by chance (or for want of room) be no mistake at all."""
    events = list(problem.events)
    where = rng.randrange(len(events))
    slip = rng.choice([-10, -3, -2, -1, 1, 2, 3, 10])
    start = problem.start
    if mistake == "operation":
        events[where] = replace(events[where], operation=rng.choice(OPERATIONS))
    elif mistake == "number":
        events[where] = replace(events[where], n=max(LOWEST, events[where].n + slip))
    elif mistake == "start":
        start = max(LOWEST, start + slip)
    elif mistake == "missing" and len(events) > 1:
        del events[where]
    elif mistake == "repeated" and len(events) == 1:
        events.append(events[0])
    steps, left = [], start
    for position, event in enumerate(events):
        result = apply(event.operation, left, event.n)
        if mistake == "result" and position == where:
            result += slip
        # A policy never writes a number that it has no token for.
        result = min(max(LOWEST, result), HIGHEST)
        steps.append(Step(event.operation, event.n, left, result))
        left = result
    return steps
