"""Does a translated question mean what the English one does? Judged by a model.

cosine             of the two questions, by a multilingual encoder: cheap, blind to numbers
round_trip_cosine  of the English question and the translation back into English
round_trip_chrf    the same, by runs of characters: the wording counts too, so a threshold of 0.5 is high
comet              quality estimation: a COMET model without a reference, such as Unbabel/wmt22-cometkiwi-da
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import from_mapping

if TYPE_CHECKING:
    from pbrlsvr.models.comet.options import CometOptions
    from pbrlsvr.models.embedding.options import EmbeddingOptions
    from pbrlsvr.models.translation.options import TranslationOptions
    from pbrlsvr.serving.options import ServingOptions

Block = TypeVar("Block")
Method = Literal["cosine", "round_trip_cosine", "round_trip_chrf", "comet"]


@dataclass(frozen=True)
class MeaningOptions:
    """How the meaning is compared.

    Attributes:
        method: see the top of this module.
        threshold: the lowest score of a row that is kept. Models differ: look at a few hundred rows first.
        encoder: options of `pbrlsvr.models.embedding.options.EmbeddingOptions`, for the cosines; the default model is
            the rewards' own.
        translation: options of `pbrlsvr.models.translation.options.TranslationOptions`, for the round trips.
        comet: options of `pbrlsvr.models.comet.options.CometOptions`.
        serving: options of `pbrlsvr.serving.scorer.ServingOptions`: where the models run.

    Raises:
        ConfigError: the method does not exist, or lacks the options of its model.
    """

    method: Method
    threshold: float
    encoder: Mapping[str, Any] = field(default_factory=dict)
    translation: Mapping[str, Any] = field(default_factory=dict)
    comet: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ConfigError(f"check.meaning.method={self.method!r} is not one of {list(get_args(Method))}")
        if self.method.startswith("round_trip") and not self.translation:
            raise ConfigError(f"check.meaning.method={self.method!r} needs check.meaning.translation, such as a model")
        if self.method == "comet" and not self.comet:
            raise ConfigError(
                "check.meaning.method='comet' needs check.meaning.comet, such as a model without reference"
            )


def scores(rows: Sequence[Mapping[str, Any]], options: MeaningOptions) -> list[float]:
    """The score of each row, all rows at once.

    Raises:
        ModelError, ServiceError, MissingDependencyError: from the model.
    """

    async def all_scores() -> list[float]:
        return await asyncio.gather(*(_score(row, options) for row in rows))

    return asyncio.run(all_scores()) if rows else []


async def _score(row: Mapping[str, Any], options: MeaningOptions) -> float:
    english, question = row["english"], row["question"]
    if options.method == "cosine":
        return await _cosine(question, english, options)
    if options.method == "comet":
        return await _comet(english, question, options)
    back = await _translate(question, row["language"], options)
    if options.method == "round_trip_cosine":
        return await _cosine(back, english, options)
    from pbrlsvr.scoring.overlap import chrf

    return chrf(back, english)


async def _cosine(text: str, english: str, options: MeaningOptions) -> float:
    from pbrlsvr.models.embedding.embedder import embedder

    return await embedder(_encoder(options), _serving(options)).cosine(text, english)


async def _translate(text: str, language: str, options: MeaningOptions) -> str:
    from pbrlsvr.models.translation.translator import translator

    return await translator(_translation(options), _serving(options)).translate(text, language)


async def _comet(english: str, translation: str, options: MeaningOptions) -> float:
    from pbrlsvr.models.comet.comet import comet

    return await comet(_comet_model(options), _serving(options)).score(english, translation)


def check_models(options: MeaningOptions) -> None:
    """Raises a ConfigError where an option of the models that the method needs cannot work; nothing is loaded."""
    _serving(options)
    if options.method in ("cosine", "round_trip_cosine"):
        _encoder(options)
    if options.method.startswith("round_trip"):
        _translation(options)
    if options.method == "comet":
        _comet_model(options)


def _encoder(options: MeaningOptions) -> "EmbeddingOptions":
    from pbrlsvr.models.embedding.options import EmbeddingOptions

    return _build(EmbeddingOptions, options.encoder, "encoder")


def _translation(options: MeaningOptions) -> "TranslationOptions":
    from pbrlsvr.models.translation.options import TranslationOptions

    return _build(TranslationOptions, options.translation, "translation")


def _comet_model(options: MeaningOptions) -> "CometOptions":
    from pbrlsvr.models.comet.options import CometOptions

    return _build(CometOptions, options.comet, "comet")


def _serving(options: MeaningOptions) -> "ServingOptions":
    from pbrlsvr.serving.options import ServingOptions

    return _build(ServingOptions, options.serving, "serving")


def _build(block: type[Block], values: Mapping[str, Any], name: str) -> Block:
    return from_mapping(block, values, f"check.meaning.{name}")
