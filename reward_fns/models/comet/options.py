"""Which COMET checkpoint: data only; `pbrlsvr.models.comet.comet` loads it."""

from collections.abc import Mapping
from typing import ClassVar

from pbrlsvr.options import GONE, Field, Options
from pbrlsvr.serving.options import MOVED_TO_SERVING

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
