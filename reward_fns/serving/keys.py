"""API keys: which server gets which, and how they stay out of everything that is shown.

A key belongs to the servers that the user named it for. `api_key_env` names a variable for the servers beside it, so
they get that key; where it is None, OpenAI's own servers get OPENAI_API_KEY, over https, and others get none.
"""

import ipaddress
import logging
import os
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

from pbrlsvr.errors import ConfigError

# No run of so many characters of a key is shown: servers repeat keys whole, cut off, or with their middle starred.
_RUN = 8
_OPENAI = "api.openai.com"
_HIDDEN = "[key]"

log = logging.getLogger(__name__)


def key_variable(url: str, api_key_env: str | None) -> str | None:
    """The environment variable that holds the key for a server; `None` where the user named none for it.

    Example:
        >>> key_variable("https://api.openai.com/v1", None), key_variable("http://gpu7:8000/v1", None)
        ('OPENAI_API_KEY', None)
        >>> key_variable("http://gpu7:8000/v1", "VLLM_API_KEY")
        'VLLM_API_KEY'
    """
    if api_key_env is not None:
        return api_key_env
    parsed = urlsplit(url)
    host = parsed.hostname or ""
    theirs = host == _OPENAI or host.endswith(f".{_OPENAI}")
    return "OPENAI_API_KEY" if theirs and parsed.scheme == "https" else None


def key_for(url: str, api_key_env: str | None) -> str | None:
    """The key that a server gets; `None` where it gets none. Plain http beyond this machine is warned of, once a URL.

    Raises:
        ConfigError: the variable holds what no header can hold. httpx would show it in its error.
    """
    variable = key_variable(url, api_key_env)
    key = os.environ.get(variable, "").strip() if variable else ""
    if not all(" " < c <= "~" for c in key):
        raise ConfigError(
            f"the environment variable {variable!r} holds spaces, line breaks or letters beyond ASCII, so it is no API "
            "key; set it again, or leave api_key_env out where the servers need none"
        )
    if key and urlsplit(url).scheme == "http" and not _is_this_machine(urlsplit(url).hostname or ""):
        _warn_of_plain_http(url, str(variable))
    return key or None


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _warn_of_plain_http(url: str, variable: str) -> None:
    log.warning(
        "the key in %s goes to %s over plain http, where everyone on the way can read it; use https, or leave "
        "api_key_env out if the server needs no key",
        variable,
        url,
    )


class Secrets:
    """Keys that nothing shows.

    Example:
        >>> Secrets(["sk-0123456789"]).hide("you sent Bearer sk-012345..., expected another")
        'you sent Bearer [key]..., expected another'
    """

    def __init__(self, keys: Iterable[str | None]):
        self._runs: set[str] = set()
        self.add(*keys)

    def add(self, *keys: str | None) -> None:
        for key in filter(None, keys):
            run = min(_RUN, len(key))
            self._runs |= {key[start : start + run] for start in range(len(key) - run + 1)}

    def hide(self, text: str) -> str:
        """The text with "[key]" for each stretch of it that has a key's characters, eight or more in a row."""
        spans = sorted((start, start + len(run)) for run in self._runs for start in _places(run, text))
        parts: list[str] = []
        done = 0
        for start, stop in spans:
            if start > done or not parts:
                parts += [text[done:start], _HIDDEN]
            done = max(done, stop)
        return "".join([*parts, text[done:]])


def _places(run: str, text: str) -> Iterable[int]:
    start = text.find(run)
    while start >= 0:
        yield start
        start = text.find(run, start + 1)


def _without_keys(record: logging.LogRecord) -> bool:
    """httpx and httpcore log the status line and the headers of answers, in which a server may repeat a key."""
    message = record.getMessage()
    hidden = _sent.hide(message)
    if hidden != message:
        record.msg, record.args = hidden, ()
    return True


_sent = Secrets([])
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks"):
    logging.getLogger(_name).addFilter(_without_keys)


def keep_out_of_logs(keys: Iterable[str | None]) -> None:
    """From now on the HTTP client's own log lines do not show these keys."""
    _sent.add(*keys)
