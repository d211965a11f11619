"""What translates: data only; `pbrlsvr.models.translation.translator` loads it."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import field_validator

from pbrlsvr.options import GONE, Field, Options, rare
from pbrlsvr.serving.options import MOVED_TO_SERVING

EngineName = Literal["seq2seq", "ctranslate2"]
_SERVER = "serving.place=endpoint, with the servers in serving.endpoint.urls"


class TranslationOptions(Options):
    """What translates, and how."""

    BARE: ClassVar[str] = "model"
    MOVED: ClassVar[Mapping[str, str]] = {
        "endpoint": _SERVER,
        **MOVED_TO_SERVING,
        "cache_size": f"{GONE}the cache of sentences has a fixed size",
        "target_language": f"{GONE}the pivot is English, and so is the target",
    }

    model: str = Field("facebook/m2m100_418M", pattern=r"\S")
    """The translation model: a folder, or a name on the Hugging Face hub; for "ctranslate2" the folder of a converted
    one; behind an endpoint its name on the server."""
    engine: EngineName = "seq2seq"
    """What runs it in place: "seq2seq" (transformers) or "ctranslate2". A chat model behind an OpenAI-compatible
    endpoint needs none: set serving.place=endpoint."""
    revision: str | None = None
    """Commit, tag or branch of a hub model; null takes the newest."""
    beam_size: int = Field(1, ge=1)
    """1 is greedy search: several times cheaper, and a reward needs no last point of BLEU. Our choice."""
    max_tokens: int = Field(200, ge=16)
    """The longest sentence in tokens; a longer one is cut, at a mark of punctuation where there is one. The models were
    trained on sentences."""
    prompt: str | None = None
    """endpoint: the prompt, with {text}, {source} and {target}; null takes the built-in one."""
    tokenizer: str | None = rare(None)
    """The folder or hub name of the tokenizer, where it is not with the model."""
    compute_type: str = rare("default")
    """Number format of a "ctranslate2" model: "default" (as it was converted), "int8", "float16", ..."""
    length_ratio: float = rare(3.0, ge=1, lt=100)
    """A translation is stopped at this many times its source's tokens, plus 16."""

    @field_validator("engine", mode="before")
    @classmethod
    def _is_no_server(cls, engine: object) -> object:
        if engine == "openai":
            raise ValueError(f"a server is no engine any more: write {_SERVER}")
        return engine

    @field_validator("prompt")
    @classmethod
    def _has_a_place_for_the_text(cls, prompt: str | None) -> str | None:
        if prompt is not None and "{text}" not in prompt:
            raise ValueError("the prompt has no place for the text; put {text} into it")
        return prompt
