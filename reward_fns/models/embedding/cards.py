"""What the cards of well-known encoders ask for: prompt, limit, licence. To add one, add an `Encoder` to `ENCODERS`.

An encoder that is not in the table works too: its own sentence-transformers configuration then says everything.
"""

import re
from dataclasses import dataclass

#: The encoder where the user names none: MIT, quick on a CPU, about a hundred languages.
DEFAULT_ENCODER = "intfloat/multilingual-e5-small"

# Both texts are compared as equals, so both get the instruction. The cards of instruction-tuned encoders leave it out
# for the documents of a search, which this is not; MTEB too puts it before both texts of its similarity and bitext
# tasks. The wording is ours: a card's default speaks of web search.
_SAME_REASONING = "Instruct: Retrieve texts that state the same reasoning and the same result.\nQuery:"


@dataclass(frozen=True)
class Encoder:
    """One row of the table.

    Attributes:
        pattern: regular expression for the last part of the model's name or path; case is ignored.
        max_tokens: the longest text that the card recommends, special tokens included; 0 where it says nothing.
        dimensions: length of the vectors; 0 where the family's members differ.
        licence: of the weights, as an SPDX identifier.
        prompt: put before each text; `None` leaves it to the model's own configuration.
        warning: what a user should hear when the model is loaded.
        refused: why it cannot be used, with the fix.
    """

    pattern: str
    max_tokens: int = 0
    dimensions: int = 0
    licence: str = ""
    prompt: str | None = None
    warning: str = ""
    refused: str = ""


#: The first row that fits a name counts. Checked against the models' cards and configurations in November 2026.
ENCODERS = (
    # Mean pooling. The card: "query: " before both texts of a symmetric task; without it the quality drops.
    Encoder("multilingual-e5-small", 512, 384, "MIT", "query: "),
    Encoder("multilingual-e5-base", 512, 768, "MIT", "query: "),
    Encoder("multilingual-e5-large", 512, 1024, "MIT", "query: "),
    Encoder("multilingual-e5-large-instruct", 512, 1024, "MIT", _SAME_REASONING + " "),
    # [CLS] pooling, no prompt. Only the dense vector is used here, not the sparse and multi-vector ones.
    Encoder("bge-m3", 8192, 1024, "MIT"),
    # [CLS] pooling, then Dense with tanh, then Normalize. Trained on single sentences of translation pairs; positions
    # go to 512, but its own configuration stops at 256.
    Encoder("LaBSE", 256, 768, "Apache-2.0"),
    # Last-token pooling and left padding, both from its own configuration; no space after "Query:". It takes 32,768
    # tokens, the card's examples stop at 8,192, and attention over more costs more than pieces do. 1024 dimensions for
    # 0.6B, 2560 for 4B, 4096 for 8B.
    Encoder("Qwen3-Embedding-.*", 8192, 0, "Apache-2.0", _SAME_REASONING),
    Encoder(
        "gte-multilingual-base",
        8192,
        768,
        "Apache-2.0",
        refused="its architecture is Python code inside the model's repository, and pbrlsvr does not run such code "
        "(trust_remote_code). Take 'BAAI/bge-m3' (MIT, 8192 tokens, [CLS] pooling as well) instead",
    ),
    # ModernBERT after masked-language modelling only. The checkpoint has no sentence-transformers configuration;
    # sentence-transformers then pools by the mean. 384 dimensions for small, 768 for base.
    Encoder(
        "mmBERT-(small|base)",
        8192,
        0,
        "MIT",
        warning="it was trained to fill in masked words, not to compare texts: its cosines lie in a narrow band near "
        "1. Fit a calibration to it (`pbrlsvr calibrate`), or take a checkpoint of it that was tuned for similarity",
    ),
)


def known_encoder(model: str) -> Encoder:
    """The row for a model's name or path; one that says nothing where the table has none.

    Example:
        >>> known_encoder("intfloat/multilingual-e5-small").max_tokens
        512
    """
    name = last_part(model)
    return next((row for row in ENCODERS if re.fullmatch(row.pattern, name, re.IGNORECASE)), Encoder(name))


def last_part(model: str) -> str:
    """The part of a model's name or path that stays when the model moves from the hub to a folder.

    Example:
        >>> last_part("intfloat/multilingual-e5-small"), last_part("/models/multilingual-e5-small/")
        ('multilingual-e5-small', 'multilingual-e5-small')
    """
    return re.split(r"[/\\]", model.rstrip("/\\"))[-1]


def card_prompt(model: str, given: str | None = None) -> str | None:
    """The prompt that is given, else the one that the card of a known model asks for; `None` where the model's own
    configuration decides.

    Example:
        >>> card_prompt("intfloat/multilingual-e5-small")
        'query: '
    """
    return known_encoder(model).prompt if given is None else given
