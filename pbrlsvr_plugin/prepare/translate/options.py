"""Who translates: data only; `translate.py` asks."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import PrivateAttr, model_validator
from typing_extensions import Self

from pbrlsvr.models.translation.options import TranslationOptions
from pbrlsvr.options import Field
from pbrlsvr.serving.endpoint_options import BaseUrls
from pbrlsvr.serving.options import ServingOptions
from pbrlsvr_plugin.prepare.blocks import folded
from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions
from pbrlsvr_plugin.prepare.requests.options import OF_SERVERS, ChatOptions


class TranslateOptions(ChatOptions):
    """Stage `translate`: who translates. A chat model is the pivot model where no other is named, at the pivot's
    servers where no others are; its api_key_env, timeout_s, retries, max_concurrency, give_up_after and limits a minute
    are those of `reference`, too, unless they are given here."""

    TAKEN_OVER: ClassVar[tuple[str, ...]] = (
        "model", "urls", "api_key_env", "body", "timeout_s", "retries", "max_concurrency", "requests_per_minute",
        "tokens_per_minute", "give_up_after",
    )  # fmt: skip
    MOVED: ClassVar[Mapping[str, str]] = {"translator": "translate.translation"}

    engine: Literal["auto", "join", "chat", "seq2seq", "ctranslate2"] = "auto"
    """chat: a chat model; seq2seq or ctranslate2: a translation model; join: only translations that exist. auto: chat
    where an endpoint is known, else join."""
    existing: bool = True
    """Whether translations that the source has are taken; false translates all."""
    file: str | None = None
    """A file with the columns id (a row's, or the data set's own), language and question: translations that exist,
    too."""
    model: str = ""
    """The translator. Empty: the pivot model, with its servers and its body."""
    urls: BaseUrls = Field((), json_schema_extra=OF_SERVERS)
    """chat: base URLs. None: those of the pivot model."""
    prompt: str = Field("translate", min_length=1)
    """chat: a built-in prompt or a text file with {language} and {question}."""
    translation: TranslationOptions = folded(TranslationOptions())
    """seq2seq, ctranslate2: further options of the model, as in {beam_size: 4, max_tokens: 256}."""
    serving: ServingOptions = folded(ServingOptions(), operational=True)
    """seq2seq, ctranslate2: where the model runs, as in {place: ray, replicas: 4, dtype: bfloat16}."""

    _as_reference: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _a_translation_model_has_a_name(self) -> Self:
        if self.engine in ("seq2seq", "ctranslate2"):
            self.model_options()
        return self

    @property
    def as_reference(self) -> bool:
        """Whether model and servers are those of `reference`, which asks them first."""
        return self._as_reference

    def resolved(self, reference: ReferenceOptions | None = None) -> "TranslateOptions":
        """These options, with those of the pivot model where a chat model may translate and nothing else is said.

        Raises:
            ConfigError: a chat model is wanted, and no server of it is known.
        """
        found = self
        if reference is not None and self.engine in ("auto", "chat"):
            shared = [name for name in self.TAKEN_OVER if not self.model or name not in ("model", "body")]
            # An empty text, list or mapping in a file says nothing; null says that no key is sent.
            unsaid = [
                name
                for name in shared
                if name not in self.model_fields_set or (getattr(self, name) in ("", (), {}) and name != "api_key_env")
            ]
            found = self.model_copy(update={name: getattr(reference, name) for name in unsaid})
            same = all(getattr(found, name) == getattr(reference, name) for name in ("model", "urls", "api_key_env"))
            found._as_reference = same and reference.engine == "endpoint"
        if found.engine == "auto":
            found = found.model_copy(update={"engine": "chat" if found.urls and found.model else "join"})
        if found.engine == "chat":
            found.endpoint()
        return found

    def model_options(self) -> TranslationOptions:
        """The options of a translation model.

        Raises:
            ConfigError: one of them cannot work.
        """
        return TranslationOptions(model=self.model, engine=self.engine).override(self.translation)
