"""What is decided before a route sees a request: token, drain, the body's kind, size and pace."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pbrlsvr_plugin.serve.door import Door
from pbrlsvr_plugin.serve.errors import Refusal, later
from pbrlsvr_plugin.serve.options import LimitOptions

#: What a load balancer asks, with no token and while the server drains.
PROBES = frozenset({"/health", "/ready"})
_RETRY_S = 5


class Gate:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        door: counts the requests in flight; has the limits of a body, and of all bodies together.
        token: what clients must send, as `Authorization: Bearer <token>`, or as the password of Basic, which a client
            that only takes a URL can send (`http://any:<token>@host`); None asks for none.
    """

    def __init__(self, app: ASGIApp, door: Door, token: str | None):
        self.app, self.door, self.limits = app, door, door.limits
        self._token = None if token is None else _digest(token.encode())
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        if scope["method"] == "HEAD":
            # As load balancers and `curl -I` ask; uvicorn sends no body then.
            scope = {**scope, "method": "GET"}
        sent: dict[str, int] = {}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                if self.door.draining:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            if scope["path"] in PROBES:
                await self.app(scope, receive, watched)
            else:
                await self._admitted(scope, receive, watched, started)
        except Refusal as refusal:
            await refusal.reply()(scope, receive, watched)
        finally:
            self.door.metrics.answered(scope, sent.get("status", 0), time.monotonic() - started)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        headers = _headers(scope)
        self._require_token(headers.get(b"authorization", []))
        if self.door.draining:
            raise later(
                503, "draining", "this server is shutting down; ask another one, or again when it is back", _RETRY_S
            )
        held = 0
        self.door.requests += 1
        try:
            if scope["method"] == "POST":
                announced = _length(headers)
                _require_json(headers)
                body = await self._read(announced, receive, started)
                held = len(body)
                receive = _with_body(body, receive)
                del body
            await self.app(scope, receive, send)
        finally:
            self._bytes -= held
            self.door.requests -= 1

    def _require_token(self, given: list[bytes]) -> None:
        if self._token is None:
            return
        found = _token(given[0]) if len(given) == 1 else b""
        # Of equal length, so that the time tells nothing.
        if not hmac.compare_digest(_digest(found), self._token):
            raise Refusal(
                401,
                "refused",
                "the token is missing or wrong; send `Authorization: Bearer <token>`, or http://any:<token>@host",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, announced: int | None, receive: Receive, started: float) -> bytes:
        """The body; its length counts in `self._bytes` until the caller gives it back."""
        body = bytearray()
        most = int(self.limits.body_mib * 2**20)
        try:
            if announced is not None and announced > most:
                raise _too_large(f"{announced:,} bytes", self.limits)
            while True:
                left = started + self.limits.request_s - time.monotonic()
                message = await asyncio.wait_for(receive(), left)
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "refused", "the client left before its request was whole")
                chunk = message.get("body", b"")
                body += chunk
                self._bytes += len(chunk)
                if len(body) > most:
                    raise _too_large(f"more than {most:,} bytes", self.limits)
                if self._bytes > self.limits.bodies_mib * 2**20:
                    why = "the bodies of all requests fill limits.bodies_mib; send this again later"
                    raise later(429, "busy", why, _RETRY_S)
                if not message.get("more_body", False):
                    return bytes(body)
        except BaseException as error:
            self._bytes -= len(body)
            if not isinstance(error, TimeoutError | asyncio.TimeoutError):
                raise
        raise Refusal(
            408, "timeout", f"the request was not whole within {self.limits.request_s:g} s (limits.request_s)"
        )


def _too_large(size: str, limits: LimitOptions) -> Refusal:
    return Refusal(
        413,
        "refused",
        f"the body has {size}, and {limits.body_mib:g} MiB are the most; send fewer samples in a request",
    )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _token(header: bytes) -> bytes:
    scheme, _, value = header.strip().partition(b" ")
    value = value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return value if scheme.lower() == b"bearer" else b""


def _headers(scope: Scope) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


def _require_json(headers: Mapping[bytes, list[bytes]]) -> None:
    encodings = {each.strip().lower() for value in headers.get(b"content-encoding", []) for each in value.split(b",")}
    if encodings - {b"", b"identity"}:
        raise Refusal(415, "refused", "a compressed body is not read; send it without Content-Encoding")
    kinds = headers.get(b"content-type", [])
    kind, *parameters = [each.strip().lower() for each in kinds[0].split(b";")] if len(kinds) == 1 else [b""]
    charsets = [each.partition(b"=")[2].strip(b'" ') for each in parameters if each.startswith(b"charset")]
    if kind != b"application/json" or any(each not in (b"utf-8", b"utf8") for each in charsets):
        said = b", ".join(kinds).decode("latin-1")[:100]
        raise Refusal(415, "refused", f"Content-Type is {said!r}; send application/json, in UTF-8")


def _length(headers: Mapping[bytes, list[bytes]]) -> int | None:
    # A body whose end two readers could see at two places is a way to smuggle a request past a proxy.
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise Refusal(400, "refused", "Content-Length beside Transfer-Encoding; send one of them")
    value = headers.get(b"content-length", [b""])[0]
    return int(value) if value.isdigit() else None


def _with_body(body: bytes, receive: Receive) -> Receive:
    """`receive` with the body that was read, and then what comes: that the client has left."""
    waiting: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
