"""Which COMET checkpoint: data only; `pbrlsvr.models.comet.comet` loads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import Self

from pbrlsvr.options import GONE, Field, Options
from pbrlsvr.serving.options import MOVED_TO_SERVING, ServingOptions

#: Apache-2.0, with a reference.
DEFAULT_COMET = "Unbabel/wmt22-comet-da"


class CometOptions(Options):
    """Which COMET model."""

    BARE: ClassVar[str] = "model"
    MOVED: ClassVar[Mapping[str, str]] = {
        **MOVED_TO_SERVING,
        "cached_vectors": f"{GONE}the cache of vectors has a fixed size",
    }

    model: str = Field(DEFAULT_COMET, pattern=r"\S")
    """A COMET checkpoint: a folder with hparams.yaml and checkpoints/model.ckpt, that .ckpt, or a name on the Hugging
    Face hub."""
    revision: str | None = None
    """Commit, tag or branch of a hub model; null takes the newest."""
    encoder: str | None = None
    """Where the encoder's config.json and tokenizer are, a folder or a hub name; null takes what the checkpoint names,
    such as xlm-roberta-large. Its weights are not needed."""


@dataclass(frozen=True)
class CometSpec:
    """All that the scores depend on: the options of the model, and those of the place where it runs.

    Attributes:
        cut_source: whether the source of a sample that is too long for the encoder is cut along with the translation
            and the reference. `False` keeps it whole beside each segment, for a source that they do not translate, such
            as a question beside its answer.
    """

    model: str
    revision: str | None
    encoder: str | None
    device: str
    dtype: str
    batch_tokens: int | None
    cut_source: bool = True

    @classmethod
    def of(cls, options: CometOptions, serving: ServingOptions | None = None, cut_source: bool = True) -> Self:
        """This model in this place."""
        serving = serving or ServingOptions()
        place = (serving.device, serving.dtype, serving.batch_tokens)
        return cls(options.model, options.revision, options.encoder, *place, cut_source)
