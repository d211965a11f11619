"""Which translations are kept: data only; `check.py` looks at them, `meaning.py` with a model."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator
from typing_extensions import Self

from pbrlsvr.languages import parse
from pbrlsvr.models.comet.options import CometOptions
from pbrlsvr.models.embedding.options import EmbeddingOptions
from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.options import Field
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr_plugin.prepare.blocks import Block, folded, operational

_Bounds = tuple[float, float]


class MeaningOptions(Block):
    """How a model compares the meaning of a translation with that of the English question."""

    MOVED: ClassVar[Mapping[str, str]] = {"encoder": "check.meaning.embedding"}

    method: Literal["cosine", "round_trip_cosine", "round_trip_chrf", "comet"]
    """cosine: of the two questions, by a multilingual encoder, which is blind to numbers; round_trip_cosine and
    round_trip_chrf: of the English question and the translation back into English; comet: a model without reference."""
    threshold: float
    """The lowest score of a row that is kept. Models differ: look at a few hundred rows first."""
    embedding: EmbeddingOptions = folded(EmbeddingOptions())
    """The encoder of the cosines, as in {model: sentence-transformers/LaBSE}."""
    translation: TranslationOptions = folded(TranslationOptions())
    """The translator of the round trips, as in {model: facebook/nllb-200-3.3B}; one must be named."""
    comet: CometOptions = folded(CometOptions())
    """The COMET model, as in {model: Unbabel/wmt22-cometkiwi-da}; one must be named."""
    serving: ServingOptions = folded(ServingOptions())
    """Where the models run, as in {place: ray, replicas: 4}."""

    @model_validator(mode="after")
    def _names_its_model(self) -> Self:
        needed = {"r": "translation", "c": "comet"}["c" if self.method == "comet" else "r"]
        if self.method != "cosine" and not getattr(self, needed).model_fields_set:
            raise ValueError(f"method={self.method!r} needs check.meaning.{needed}, such as {{model: <its name>}}")
        return self


class CheckOptions(Block):
    """Stage `check`: which translations are kept. On MGSM's human translations the defaults reject 1 of 1,250, which is
    a wrong one."""

    originals: Literal["off", "language", "all"] = "language"
    """What is checked of questions that nobody translated here, such as MGSM's: off, language or all."""
    copied: float = Field(0.8, ge=0, le=1)
    """Similarity to the English text from which on a translation is a copy of it: Jaccard of runs of 5 characters."""
    repetition: float = Field(0.3, ge=0, le=1)
    """Largest share of repeated text."""
    language_share: float = Field(0.8, ge=0, le=1)
    """Smallest share of the letters in the right language; 0 turns it off."""
    length_ratio: _Bounds = (0.4, 2.5)
    """Shortest and longest ratio to the English, in letters, in which all languages are about as long."""
    length_ratio_of: Mapping[str, _Bounds] = {}
    """Other bounds for single languages, as in {zh: [0.5, 2.0]}."""
    numbers: bool = True
    """Whether the numbers must be the same."""
    spelled_up_to: int = Field(20, ge=0)
    """Integers up to this may be spelled out in the translation; 0 for none."""
    verbatim: bool = True
    """Whether formulas, code and addresses must be the same."""
    meaning: MeaningOptions | None = None
    """A model that compares the meaning, as in {method: comet, threshold: 0.6, comet: {model:
    Unbabel/wmt22-cometkiwi-da}}; null: none."""
    workers: int = operational(1, ge=1)
    """Processes that check; the meaning is compared in one."""

    @field_validator("originals", mode="before")
    @classmethod
    def _yaml_reads_off_as_false(cls, originals: Any) -> Any:
        return "off" if originals is False else originals

    @field_validator("length_ratio")
    @classmethod
    def _is_a_pair(cls, pair: _Bounds) -> _Bounds:
        if not 0 <= pair[0] < pair[1]:
            raise ValueError(f"a ratio is a pair 0 <= shortest < longest, not {list(pair)!r}")
        return pair

    @field_validator("length_ratio_of")
    @classmethod
    def _are_pairs_of_languages(cls, bounds: Mapping[str, _Bounds]) -> dict[str, _Bounds]:
        found = {parse(code): cls._is_a_pair(pair) for code, pair in bounds.items()}
        if len(found) < len(bounds):
            raise ValueError(f"two of {list(bounds)} are the same language; leave one of them")
        return found
