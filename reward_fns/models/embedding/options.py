"""Which sentence encoder: data only; `pbrlsvr.models.embedding.embedder` loads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import field_validator

from pbrlsvr.models.embedding.cards import DEFAULT_ENCODER, known_encoder
from pbrlsvr.options import Field, Options
from pbrlsvr.serving.options import MOVED_TO_SERVING


class EmbeddingOptions(Options):
    """How texts become vectors."""

    BARE: ClassVar[str] = "model"
    MOVED: ClassVar[Mapping[str, str]] = MOVED_TO_SERVING

    model: str = Field(DEFAULT_ENCODER, pattern=r"\S")
    """A sentence-transformers model: a folder, or a name on the Hugging Face hub. It must know all your languages."""
    revision: str | None = None
    """Commit, tag or branch of a hub model; null takes the newest."""
    prompt: str | None = None
    """Text put before each input. null takes what the model's card asks for, else what the model's own configuration
    says; "" puts nothing."""
    max_tokens: int | None = Field(None, ge=1)
    """The longest piece of text that is encoded at once, never more than the model takes; longer texts are split after
    sentences and pooled by length. null takes what the model's card recommends, else the model's own limit."""

    @field_validator("model")
    @classmethod
    def _can_be_used(cls, model: str) -> str:
        refused = known_encoder(model).refused
        # A folder of that name may hold a converted model; loading it shows.
        if refused and not Path(model).is_dir():
            raise ValueError(f"this model cannot be used: {refused}")
        return model


class Unprompted(NamedTuple):
    """A text that is encoded as it is: who asks for it has put the prompt before it, or wants none."""

    text: str
