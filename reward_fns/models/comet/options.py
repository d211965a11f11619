"""Which COMET checkpoint: data only; `pbrlsvr.models.comet.comet` loads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pbrlsvr.models.embedding.cards import last_part
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


APACHE = "Apache-2.0"
#: Unbabel names no version of the licence.
NON_COMMERCIAL = "CC-BY-NC-SA"


@dataclass(frozen=True)
class Card:
    """What one of Unbabel's public models reads, and under which licence its weights may be used.

    A model that is not in the table is loaded all the same: what it needs stands in its checkpoint.
    Source: LICENSE.models.md and MODELS.md of github.com/Unbabel/COMET, checked in November 2026.
    """

    pattern: str
    reads: str
    licence: str

    @property
    def commercial(self) -> bool:
        """Whether the licence allows commercial use."""
        return self.licence != NON_COMMERCIAL


#: The first row that fits a name counts.
CARDS = (
    Card("wmt22-comet-da", "src, mt, ref", APACHE),
    Card("wmt20-comet-da", "src, mt, ref", APACHE),
    Card("eamt22-(cometinho|prune-comet)-da", "src, mt, ref", APACHE),
    Card("wmt20-comet-qe-da(-v2)?", "src, mt", APACHE),
    # Of before version 2.0, all under Apache-2.0.
    Card("wmt21-(comet|cometinho)-(da|mqm)", "src, mt, ref", APACHE),
    Card("wmt21-comet-qe-(da|mqm)", "src, mt", APACHE),
    Card("unite-mup", "src, mt, ref", APACHE),
    Card("wmt22-unite-da|unite-xx?l", "src, mt, ref", NON_COMMERCIAL),
    Card("wmt22-cometkiwi-da|wmt23-cometkiwi-da-xx?l", "src, mt", NON_COMMERCIAL),
    Card("xcomet-xx?l", "src, mt, ref", NON_COMMERCIAL),
)


def known_card(model: str) -> Card | None:
    """The row for a model's name, its folder or its checkpoint file; `None` where the table has none.

    Example:
        >>> known_card("Unbabel/wmt22-cometkiwi-da").licence, known_card("my/own-comet")
        ('CC-BY-NC-SA', None)
    """
    name = last_part(re.sub(r"[/\\]checkpoints[/\\][^/\\]+\.ckpt$", "", model))
    return next((row for row in CARDS if re.fullmatch(row.pattern, name, re.IGNORECASE)), None)
