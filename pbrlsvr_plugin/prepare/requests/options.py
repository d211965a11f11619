"""How a chat model is asked: data only; `asking.py` asks."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, field_validator

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import SECRET, Field
from pbrlsvr.serving.endpoint_options import BaseUrls, EndpointOptions, KeyVariable
from pbrlsvr_plugin.prepare.blocks import OPERATIONAL, Block, lists, operational

#: Options that are somebody else's, as a file has them.
Free = Annotated[Mapping[str, Any], AfterValidator(lists)]
#: The marks of what names servers, and may hold a key.
OF_SERVERS: dict[str, Any] = {OPERATIONAL: True, SECRET: True}
_OURS = {"model", "messages", "n", "seed", "stream", "api_key"}


class ChatOptions(Block):
    """A chat model behind an OpenAI-compatible endpoint."""

    model: str = ""
    """Its name at the servers. It stands for the model in the journal: give another model another name."""
    urls: BaseUrls = Field((), json_schema_extra=OF_SERVERS)
    """Base URLs of servers of that model; they share the load."""
    api_key_env: KeyVariable = Field(None, json_schema_extra=OF_SERVERS)
    """The environment variable that holds the key of these servers; null sends none, but OPENAI_API_KEY to
    https://api.openai.com. The key itself never stands in a file."""
    # As the file has it, 1 or 1.0: both stand in the keys of the journal, where another one would be paid for again.
    temperature: int | float = Field(0.0, ge=0)
    """At 0 the model's most likely answer; above 0 where several are drawn."""
    top_p: int | float = Field(1.0, gt=0, le=1)
    """Nucleus sampling."""
    max_tokens: int = Field(4096, ge=1)
    """The longest answer; one that is cut off there is no answer."""
    body: Free = Field(default_factory=dict)
    """Further fields of a request, as in {chat_template_kwargs: {enable_thinking: false}}."""
    timeout_s: float = operational(600.0, gt=0)
    """Seconds for one attempt."""
    retries: int = operational(5, ge=0)
    """Further attempts after the first, with growing waits between them."""
    max_concurrency: int = operational(64, ge=1)
    """Requests in flight at once."""
    requests_per_minute: float = operational(0.0, ge=0)
    """A limit of the service; 0 is none."""
    tokens_per_minute: float = operational(0.0, ge=0)
    """A limit of the service, of prompts and answers together; 0 is none."""
    give_up_after: int = operational(20, ge=1)
    """So many failed requests in a row stop the run."""
    again_if_refused: bool = operational(False)
    """Whether a stage that is done again (--redo) also asks again for what the server's filter has refused
    (finish_reason content_filter); else that is kept."""

    @field_validator("urls", mode="before")
    @classmethod
    def _one_may_stand_alone(cls, urls: object) -> object:
        return (urls,) if isinstance(urls, str) else urls

    @field_validator("body")
    @classmethod
    def _leaves_the_rest_to_us(cls, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if ours := sorted(_OURS & body.keys()):
            raise ValueError(f"it may not hold {ours}: model, messages, n, seed, stream and a key have their own place")
        return body

    @property
    def takes_thoughts(self) -> bool:
        """Whether an answer that is thought and not said is one."""
        return False

    def endpoint(self) -> EndpointOptions:
        """Where to ask, and how long to insist.

        Raises:
            ConfigError: no model or no URL is given.
        """
        if not self.model or not self.urls:
            raise ConfigError(
                f"model={self.model!r} and urls={list(self.urls)} must both be given, as in model=Qwen/Qwen3-32B and "
                "urls=[http://host:8000/v1]"
            )
        return EndpointOptions(
            urls=self.urls,
            api_key_env=self.api_key_env,
            timeout_s=self.timeout_s,
            retries=self.retries,
            max_concurrency=self.max_concurrency,
            deadline_s=max(600.0, self.timeout_s * 2),
        )
