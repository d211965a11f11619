"""What a request to a server can end with, beside an answer: how that is shown, and what to do about it."""

import re

from pbrlsvr.errors import ServiceError
from pbrlsvr.serving.keys import Secrets

_CLIP = 300
_TOO_LONG = re.compile(r"context.?length|maximum context|too (long|large|many)|max(imum)?.{0,20}tokens|exceed", re.I)


class BadResponse(ServiceError):  # noqa: N818
    """Answers that cannot be used: the server works, and this request may be to blame.

    Raised by the `read` of `Endpoint.post` so that the request is repeated, and by `post` where that did not help.
    """


class RejectedError(ServiceError):
    """The server refuses the request, and would again."""

    def __init__(self, message: str, status: int = 0, body: str = ""):
        super().__init__(message)
        self.status, self.body = status, body


class BusyError(ServiceError):
    """Every server asks for a pause (429 with Retry-After) that is longer than this request may wait."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


class UntrustedError(ServiceError):
    """An answer is wrong in a way that most answers do not show, so that none of this server's can be used.

    Raised by the `read` of `Endpoint.post`, and by `post` with the server's address; the request is not repeated.
    """


def shown(text: str, secrets: Secrets) -> str:
    """The start of what a server said, on one line, without keys and without what acts on a terminal."""
    # Hidden before it is cut: the part of a key that a cut leaves would not be recognised.
    line = " ".join(text[: 100 * _CLIP].split())
    line = "".join(c if c.isprintable() else "\ufffd" for c in secrets.hide(line))
    return line if len(line) <= _CLIP else f"{line[:_CLIP]}..."


def fix(status: int | None, said: str, key_variable: str | None, has_key: bool, location: str | None = None) -> str:
    """What a user can do about a status, or about no status at all."""
    if status in (401, 403):
        if has_key:
            return f"Check the key in the environment variable {key_variable!r}: the server does not accept it."
        if key_variable is None:
            return "Name the environment variable that holds the server's key in api_key_env."
        return f"Set the environment variable {key_variable!r} to the server's key, on every node; it is not set here."
    if status in (404, 405):
        return "Does the URL end in '/v1', does this server serve such requests, and is that the model's name there?"
    if status in (400, 413, 422) and _TOO_LONG.search(said):
        return (
            "If a text is too long, lower max_tokens or start the server with a longer context; if a request holds too "
            "many texts, send fewer at once (max_texts)."
        )
    if status is not None and 300 <= status < 400:
        return f"The server is elsewhere: give the URL that it names ({(location or 'none').split('?')[0]!r})."
    if status == 402:
        return "The account of this key has no credit left: pay, or name another key in api_key_env."
    if status == 429:
        return "The server wants fewer requests: lower max_concurrency, raise its limit, or add a URL."
    if status is not None and status >= 500:
        return "Look into the server's log."
    if status == 200:
        return "Does this URL serve such requests, with this model?"
    if status is not None:
        return "The request itself is wrong for this server."
    return (
        "Is the server up, reachable from this node (is a proxy, HTTP_PROXY, between?), and fast enough for timeout_s?"
    )
