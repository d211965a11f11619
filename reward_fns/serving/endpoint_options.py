"""Where OpenAI-compatible servers are. Apart from the client, so that options can be checked without loading that."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from pbrlsvr.errors import ConfigError


@dataclass(frozen=True)
class EndpointOptions:
    """Where OpenAI-compatible servers are, and how long to insist.

    Attributes:
        urls: base URLs, such as "http://host:8000/v1"; several serve the same model and share the load.
        api_key_env: the environment variable that holds the key, on every node; unset sends none, and so does `None`.
        timeout_s: seconds for one attempt, from sending to the last byte.
        retries: further attempts after the first; each goes to another URL if there is one.
        max_concurrency: requests under way at once, per event loop; more wait their turn.
        deadline_s: seconds for all attempts of a request together, the waits between them included.
        served_model: the model's name at the servers; `None` takes the scorer's own name of it.
        max_texts: texts in one embedding request; TEI takes 32 unless it is started with more.
        max_characters: characters in one embedding request, unless a single text has more.
    """

    urls: tuple[str, ...] = ()
    api_key_env: str | None = "OPENAI_API_KEY"
    timeout_s: float = 120.0
    retries: int = 5
    max_concurrency: int = 64
    deadline_s: float = 300.0
    served_model: str | None = None
    max_texts: int = 32
    max_characters: int = 100_000

    def __post_init__(self) -> None:
        if isinstance(self.urls, str) or not isinstance(self.urls, Iterable):
            raise ConfigError(f"urls must be a list of URLs, such as ['http://host:8000/v1']; it is {type(self.urls)}")
        object.__setattr__(self, "urls", tuple(_checked_url(url) for url in self.urls))
        if self.api_key_env is not None and not re.fullmatch(r"[A-Za-z_]\w*", str(self.api_key_env), re.ASCII):
            # Not named in the error: it may be the key itself.
            raise ConfigError(
                "api_key_env must be the name of an environment variable, such as 'OPENAI_API_KEY', and is not one; "
                "the key itself belongs into that variable"
            )
        for name in ("timeout_s", "deadline_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ConfigError(f"{name}={value!r} must be a number of seconds above 0")
        for name, least in (("retries", 0), ("max_concurrency", 1), ("max_texts", 1), ("max_characters", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}={value!r} must be a whole number of {least} or more")


def _checked_url(url: object) -> str:
    if not isinstance(url, str):
        raise ConfigError(f"urls holds {url!r}, which is not a text; give base URLs, such as 'http://host:8000/v1'")
    parsed = urlsplit(url.strip())
    shown = f"{parsed.scheme}://{parsed.hostname}{parsed.path}"
    if parsed.username is not None or parsed.query or parsed.fragment:
        raise ConfigError(
            f"urls holds {shown!r} with a user, a query or a fragment, which would be seen wherever the configuration "
            "is printed; give the URL alone, and the key in the environment variable that api_key_env names"
        )
    if parsed.scheme not in ("http", "https") or not parsed.hostname or not _port_is_valid(parsed):
        raise ConfigError(f"urls holds {url!r}, which is not http(s)://host[:port]/v1")
    return url.strip().rstrip("/")


def _port_is_valid(url: SplitResult) -> bool:
    try:
        return url.port is None or url.port > 0
    except ValueError:
        return False
