"""Where OpenAI-compatible servers are. Apart from the client, so that options can be checked without loading that."""

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

from pbrlsvr.options import SECRET, Field, Options, rare


def _base_urls(urls: object) -> object:
    if isinstance(urls, str):
        raise ValueError("urls must be a list of URLs, such as ['http://host:8000/v1']")
    return tuple(map(_checked_url, urls)) if isinstance(urls, list | tuple) else urls


def _name_of_a_variable(name: object) -> object:
    if name is not None and not re.fullmatch(r"[A-Za-z_]\w*", str(name), re.ASCII):
        raise ValueError(
            "api_key_env must be the name of an environment variable, such as 'OPENAI_API_KEY', and is not one; "
            "the key itself belongs into that variable"
        )
    return name


#: What every block has that names servers: their addresses, and the variable that holds their key.
BaseUrls = Annotated[tuple[str, ...], BeforeValidator(_base_urls)]
KeyVariable = Annotated[str | None, BeforeValidator(_name_of_a_variable)]


class EndpointOptions(Options):
    """Where OpenAI-compatible servers are, and how long to insist."""

    urls: BaseUrls = Field((), json_schema_extra={SECRET: True})
    """Base URLs, such as "http://host:8000/v1"; several serve the same model and share the load. None, with veRL's own
    reward model enabled, takes that one."""
    api_key_env: KeyVariable = Field(None, json_schema_extra={SECRET: True})
    """The environment variable that holds the key of these servers, on every node; where it is unset no key is sent.
    null sends OPENAI_API_KEY to https://api.openai.com and no key to others."""
    served_model: str | None = None
    """The model's name at the servers; null takes the block's own `model`."""
    timeout_s: float = Field(120.0, gt=0)
    """Seconds for one attempt, from sending to the last byte."""
    retries: int = rare(5, ge=0)
    """Further attempts after the first; each goes to another URL if there is one."""
    max_concurrency: int = rare(64, ge=1)
    """Requests in flight at once, per event loop; more wait their turn."""
    deadline_s: float = rare(300.0, gt=0)
    """Seconds for all attempts of a request together, the waits between them included."""
    max_texts: int = rare(32, ge=1)
    """Texts in one embedding request; TEI takes 32 unless it is started with more."""
    max_characters: int = rare(100_000, ge=1)
    """Characters in one embedding request, unless a single text has more."""


def _checked_url(url: object) -> str:
    if not isinstance(url, str):
        raise ValueError("urls holds something that is not a text; give base URLs, such as 'http://host:8000/v1'")
    try:
        parsed = urlsplit(url.strip())
        valid = parsed.scheme in ("http", "https") and bool(parsed.hostname) and _port_is_valid(parsed)
        valid = valid and url.strip().isprintable() and " " not in url.strip()
    except ValueError:  # such as "http://[bad"
        raise ValueError("urls holds a URL that cannot be read; give http(s)://host[:port]/v1") from None
    # "user:password@host" without a scheme is a path to the parser, so it is looked for in the whole.
    if parsed.query or parsed.fragment or "@" in url or "%40" in url:
        host = (parsed.hostname or "").rpartition("%40")[2]
        raise ValueError(
            f"urls holds a URL (host {host!r}) with a user, a query or a fragment, which would be seen wherever the "
            "configuration is printed; give the URL alone, and name the variable that holds the key in api_key_env"
        )
    if not valid:
        raise ValueError(f"urls holds {url!r}, which is not http(s)://host[:port]/v1")
    return url.strip().rstrip("/")


def _port_is_valid(url: SplitResult) -> bool:
    try:
        return url.port is None or url.port > 0
    except ValueError:  # the user is told which URL it is
        return False
