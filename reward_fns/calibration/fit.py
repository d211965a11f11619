"""Parallel text -> similarities -> a calibration; what is fitted, and why so, is told in
`pbrlsvr.calibration.calibration`."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pbrlsvr.calibration.calibration import Calibration, Pair
from pbrlsvr.calibration.pairs import Parallel
from pbrlsvr.errors import ConfigError, DataError
from pbrlsvr.models.embedding.cards import card_prompt
from pbrlsvr.models.embedding.embedder import Embedder, cosine, step_alignment
from pbrlsvr.models.embedding.options import EmbeddingOptions

#: Below this area under the ROC curve a language deserves a warning: one in ten shuffled pairs beats a matched one.
POOR_AUC = 0.9


@dataclass(frozen=True)
class Sample:
    """Similarities of one language beside English: of `n` matched pairs, and of as many shuffled ones as there are."""

    matched: NDArray[np.float64]
    shuffled: NDArray[np.float64]


async def collect(
    encoder: Embedder, parallel: Parallel, *, align: bool = False, floor: float = 0.0, shuffles: int = 10
) -> tuple[dict[str, Sample], Sample]:
    """Measures what `fit` wants: similarities of each language beside English, and of English beside English.

    Raises:
        ConfigError: `shuffles` is less than 1.
    """
    if shuffles < 1:
        raise ConfigError(f"shuffles={shuffles!r} must be 1 or more")

    async def features(texts: Iterable[str]) -> list[Any]:
        return await asyncio.gather(*(encoder.steps(text) if align else encoder.embed(text) for text in texts))

    def similarity(a: Any, b: Any) -> float:
        return step_alignment(a, b, floor) if align else cosine(a, b)

    english = parallel.english
    of_english = dict(zip(english, await features(english), strict=True))
    samples = {}
    for language, pairs in parallel.pairs.items():
        references = [of_english[reference] for _, reference in pairs]
        mine = await features(text for text, _ in pairs)
        names = [reference for _, reference in pairs]
        samples[language] = Sample(
            np.array([similarity(a, b) for a, b in zip(mine, references, strict=True)]),
            _shuffled(mine, references, names, similarity, shuffles),
        )
    stand_ins = [(less_a_fifth(text, turn), text) for turn, text in enumerate(english) if len(text.split()) > 1]
    shortened = await features(text for text, _ in stand_ins)
    vectors = list(of_english.values())
    return samples, Sample(
        np.array([similarity(a, of_english[text]) for a, (_, text) in zip(shortened, stand_ins, strict=True)]),
        _shuffled(vectors, vectors, english, similarity, shuffles),
    )


def less_a_fifth(text: str, turn: int) -> str:
    """The text without a run of a fifth of its words: its first, second, ... fifth, by turns.

    >>> less_a_fifth("one two three four five", 1)
    'one three four five'
    """
    words = text.split()
    count = max(1, len(words) // 5)
    start = min(turn % 5 * count, len(words) - count)
    return " ".join(words[:start] + words[start + count :])


def _shuffled(
    mine: Sequence[Any],
    references: Sequence[Any],
    names: Sequence[str],
    similarity: Callable[[Any, Any], float],
    shuffles: int,
) -> NDArray[np.float64]:
    """Each text beside the English of `shuffles` others, at distances spread evenly over the data.

    Rows with the same English are not other texts.
    """
    n = len(mine)
    offsets = np.unique(np.linspace(1, max(n - 1, 1), num=shuffles).round().astype(int)) % n
    places = [(i, (i + offset) % n) for offset in offsets for i in range(n)]
    return np.array([similarity(mine[i], references[j]) for i, j in places if names[i] != names[j]])


def fit(
    samples: Mapping[str, Sample],
    english: Sample,
    options: EmbeddingOptions,
    *,
    shrinkage: float = 30.0,
    **settings: Any,
) -> Calibration:
    """A calibration from measured similarities.

    Args:
        samples: language -> similarities, also "en" where there are English paraphrases.
        english: English beside English, its matched ones being the stand-in for paraphrases.
        options: of the encoder that measured them.
        shrinkage: how many texts the mean over the languages is worth; 0 takes each language as it is.
        settings: further fields of `Calibration`.

    Raises:
        DataError: there is no language but English, or one without matched or shuffled pairs.
        ConfigError: `shrinkage` is negative.

    Example:
        >>> import numpy as np
        >>> spanish = Sample(np.array([0.8, 0.9, 0.85]), np.array([0.3, 0.2, 0.25, 0.3]))
        >>> english = Sample(np.array([0.9, 0.95]), np.array([0.4, 0.5]))
        >>> calibration = fit({"es": spanish}, english, EmbeddingOptions("encoder"))
        >>> round(calibration.probability(0.85, "es"), 2), round(calibration.probability(0.55, "es"), 2)
        (0.95, 0.47)
    """
    if not (math.isfinite(shrinkage) and shrinkage >= 0):
        raise ConfigError(f"shrinkage={shrinkage!r} must be a number of texts, 0 or more")
    measured = {language: _measure(sample, language) for language, sample in samples.items() if language != "en"}
    if not measured:
        raise DataError("there is no parallel text in a language other than English")
    several = [*measured.values()]
    # A language with few texts says little, and counts for as much as it keeps when it is shrunk.
    weights = [_own_share(pair, shrinkage) for pair in several]
    auc = float(np.average([pair.auc for pair in several], weights=weights))
    pooled = Pair(texts=sum(pair.texts for pair in several), auc=auc, **_mean(several, weights))
    pairs = {language: _shrunk(pair, pooled, shrinkage) for language, pair in measured.items()}
    pairs["en"] = replace(_measure(english, "en"), stand_in=True)
    if "en" in samples:
        pairs["en"] = _shrunk(_measure(samples["en"], "en"), pairs["en"], shrinkage)
    return Calibration(
        dict(sorted(pairs.items())),
        pooled,
        model=options.model,
        revision=options.revision,
        prompt=card_prompt(options.model, options.prompt),
        shrinkage=shrinkage,
        **settings,
    )


def area_under_curve(matched: ArrayLike, shuffled: ArrayLike) -> float:
    """The probability that a matched pair is more similar than a shuffled one; ties count half.

    >>> area_under_curve([0.9, 0.5], [0.1, 0.5])
    0.875
    """
    high, low = np.asarray(matched), np.sort(np.asarray(shuffled))
    ranks = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(ranks.mean() / (2 * len(low)))


def _measure(sample: Sample, language: str) -> Pair:
    for kind, values in (("matched", sample.matched), ("shuffled", sample.shuffled)):
        if not len(values) or not np.isfinite(values).all():
            raise DataError(
                f"language {language!r} has {len(values)} {kind} pairs, and each must have a finite similarity; give "
                "at least 2 texts with different English"
            )
    (matched, matched_sd), (shuffled, shuffled_sd) = _robust(sample.matched), _robust(sample.shuffled)
    auc = area_under_curve(sample.matched, sample.shuffled)
    return Pair(len(sample.matched), matched, matched_sd, shuffled, shuffled_sd, auc)


def _robust(values: NDArray[np.float64]) -> tuple[float, float]:
    """Centre and standard deviation: the median, and half of the range of the central 68.27 %."""
    low, middle, high = np.quantile(values, [0.15866, 0.5, 0.84134])
    return float(middle), float(high - low) / 2


def _own_share(pair: Pair, shrinkage: float) -> float:
    return pair.texts / (pair.texts + shrinkage)


def _mean(pairs: Sequence[Pair], weights: Sequence[float]) -> dict[str, Any]:
    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=weights))

    return {
        "matched": mean([pair.matched for pair in pairs]),
        "matched_sd": math.sqrt(mean([pair.matched_sd**2 for pair in pairs])),
        "shuffled": mean([pair.shuffled for pair in pairs]),
        "shuffled_sd": math.sqrt(mean([pair.shuffled_sd**2 for pair in pairs])),
    }


def _shrunk(pair: Pair, prior: Pair, shrinkage: float) -> Pair:
    own = _own_share(pair, shrinkage)
    return replace(pair, **_mean([pair, prior], [own, 1 - own]))
