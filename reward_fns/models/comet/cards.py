"""Unbabel's public COMET models: what they read, and under which licence their weights may be used.

A model that is not in the table is loaded all the same: what it needs stands in its checkpoint.
Source: LICENSE.models.md and MODELS.md of github.com/Unbabel/COMET, checked in November 2026.
"""

import re
from dataclasses import dataclass

from pbrlsvr.models.embedding.cards import last_part

APACHE = "Apache-2.0"
#: Unbabel names no version of the licence.
NON_COMMERCIAL = "CC-BY-NC-SA"


@dataclass(frozen=True)
class Card:
    """One row of the table."""

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
