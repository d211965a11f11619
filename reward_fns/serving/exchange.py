"""One HTTP request and its answer, within a bound of bytes: what a server sends is not trusted to be small.

httpx would unpack a body as it comes, a thousand bytes out of each one, and keep it all.
"""

import zlib
from typing import NamedTuple

import httpx

from pbrlsvr.errors import ConfigError

# `_body` knows no other coding.
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "gzip"}
# uvicorn, which serves most of these APIs, closes idle connections after 5 s; a request that meets the closing fails.
_KEEPALIVE_S = 3.0
# Of an answer that is no success the start is read: enough to say why.
_MOST_BYTES_OF_ERROR = 2**16


class Answer(NamedTuple):
    """What a server sent: its body unpacked, and cut off where it is no success."""

    status: int
    headers: httpx.Headers
    body: bytes


class ExchangeError(Exception):
    """There is no answer, or none that is whole and within the bound. Its text may hold what the server sent.

    Attributes:
        status: of the answer; `None` where it had not begun.
        lost: whether the connection ended before it began.
    """

    def __init__(self, message: str, status: int | None = None, lost: bool = False):
        super().__init__(message)
        self.status, self.lost = status, lost


def new_client(connections: int, connect_s: float) -> httpx.AsyncClient:
    """A pool of connections, whose requests have no time-out but that of connecting.

    Raises:
        ConfigError: a proxy or a certificate in the environment cannot be used.
    """
    try:
        return httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=connect_s),
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
            ),
            headers=_HEADERS,
            follow_redirects=False,
        )
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        reason = type(error).__name__  # its text may hold a proxy's password
    raise ConfigError(
        f"the HTTP client cannot be set up ({reason}); look at the environment variables HTTP_PROXY, HTTPS_PROXY, "
        "ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
    )


async def exchange(
    client: httpx.AsyncClient, method: str, url: str, content: bytes | None, key: str | None, most_bytes: int
) -> Answer:
    """Sends a request and reads its answer.

    Raises:
        ExchangeError: see there.
    """
    status: int | None = None

    def bearer(request: httpx.Request) -> httpx.Request:
        # At the last moment, so that no traceback that shows variables shows the key as part of the request.
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    try:
        request = client.build_request(method, url, content=content)
        response = await client.send(request, auth=bearer, stream=True)
        status = response.status_code
        try:
            return Answer(response.status_code, response.headers, await _body(response, most_bytes))
        finally:
            await response.aclose()
    except ExchangeError:
        raise
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, ValueError) as error:
        # httpx lets some of its own through: a host's name that cannot be encoded is a UnicodeError.
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        lost = status is None and isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
    # Outside of `except`: the causes hold what the server sent.
    raise ExchangeError(reason, status, lost)


async def _body(response: httpx.Response, most: int) -> bytes:
    """The body, unpacked; that of an error is cut off."""
    if not response.is_success:
        most = _MOST_BYTES_OF_ERROR
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise ExchangeError(
            f"its Content-Encoding is {encoding[:1000]!r}, which was not asked for", response.status_code
        )
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding else None
    parts, sent, size, broken = [], 0, 0, "it is cut off"
    async for raw in response.aiter_raw():
        sent += len(raw)
        try:
            parts.append(unpacker.decompress(raw, most + 1 - size) if unpacker else raw)
        except zlib.error as error:
            broken = str(error)
            break
        size += len(parts[-1])
        # What follows the end of packed data would be kept, and is no part of the answer.
        if max(sent, size) > most or (unpacker and unpacker.eof):
            break
    if response.is_success and max(sent, size) > most:
        reason = f"its body has more than the {most} bytes that such an answer can have"
        raise ExchangeError(reason, response.status_code)
    if response.is_success and unpacker and not unpacker.eof:
        raise ExchangeError(f"its body cannot be unpacked as gzip: {broken}", response.status_code)
    return b"".join(parts)[:most]
