"""What COMET, or an encoder's cosine, makes of right and wrong responses, by what is compared (`comet.compare`).

    python benchmarks/comet_compare.py --comet Unbabel/wmt22-comet-da
    python benchmarks/comet_compare.py --encoder intfloat/multilingual-e5-small
    python benchmarks/comet_compare.py                                the English encoder that the tests use

The responses are the honest right and wrong solutions of `pbrlsvr attack`: three problems in eight languages. For each
language and each `compare`: how often a right solution scores above a wrong one to the same problem (.5 is chance);
and the standard deviation among right solutions of one problem in several wordings: where it is 0, the component is a
constant and teaches nothing among right responses.
"""

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
from digit_sensitivity import LOCAL, default_encoder

from pbrlsvr.models.comet.comet import comet
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.responses.sentences import sentence_end
from pbrlsvr.scoring.comet_component import CometBlock, compared
from pbrlsvr.scoring.rollout import Rollout
from pbrlsvr_plugin.attacks.problems import Problem, builtin_problems

COMPARED = ("answer", "statement", "reasoning")
Score = Callable[[str, str], Awaitable[float]]


def texts(problem: Problem, reasoning: str, answer: str, compare: str) -> tuple[str, str]:
    """What is compared of a response, and of the pivot."""
    rollout = Rollout.of("attack", f"{reasoning}\n#### {answer}", problem.pivot_answer, problem.row(0))
    return compared(CometBlock(compare=compare), rollout)


def wordings(text: str) -> list[str]:
    """The same solution in other words: some of its sentences left out, or how its equations are written."""
    sentences, begin = [], 0
    while begin < len(text):
        end = sentence_end(text, begin, len(text)) + 1
        sentences.append(text[begin:end].strip())
        begin = end
    shorter = [" ".join(sentences[place:]) for place in range(len(sentences))]
    return [
        change
        for each in shorter
        for change in (each, each.replace(" = ", "="), each.replace(" * ", " × "), each.replace(", ", " "))
    ]


async def measure(score: Score) -> dict[tuple[str, str], tuple[float, float]]:
    """(language, compared) -> how often right scores above wrong, and the deviation among right wordings."""
    above: dict[tuple[str, str], list[float]] = defaultdict(list)
    spread: dict[tuple[str, str], list[float]] = defaultdict(list)
    for problem in builtin_problems():
        for compare in COMPARED:
            key = problem.language, compare
            right = [
                await score(*texts(problem, text, problem.pivot_answer, compare)) for text in wordings(problem.correct)
            ]
            wrong = await score(*texts(problem, problem.wrong, problem.wrong_answer, compare))
            above[key] += [float(value > wrong) + 0.5 * float(value == wrong) for value in right]
            spread[key].append(float(np.std(right)))
    return {key: (float(np.mean(above[key])), float(np.mean(spread[key]))) for key in above}


def report(name: str, found: dict[tuple[str, str], tuple[float, float]]) -> None:
    print(f"\n{name}\n{'':6}" + "".join(f"{compare:>22}" for compare in COMPARED))
    for language in dict.fromkeys(language for language, _ in found):
        cells = (found[language, compare] for compare in COMPARED)
        print(f"{language:6}" + "".join(f"{above:14.2f}, {spread:6.3f}" for above, spread in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", help="a sentence-transformers model, for the cosine")
    parser.add_argument("--comet", help="a COMET model: a folder, or a name on the hub")
    arguments = parser.parse_args()
    if arguments.comet:
        metric = comet(CometOptions(arguments.comet), LOCAL)

        async def of_comet(text: str, reference: str) -> float:
            return await metric.score(reference, text, reference)

        report(arguments.comet, asyncio.run(measure(of_comet)))
    if arguments.encoder or not arguments.comet:
        encoder = embedder(EmbeddingOptions(arguments.encoder or default_encoder()), LOCAL)
        report(f"cosine, {Path(arguments.encoder or default_encoder()).name}", asyncio.run(measure(encoder.cosine)))


if __name__ == "__main__":
    main()
