"""A connection that is given up where its client sends a request, or takes its answer, too slowly.

uvicorn bounds how long a connection may be idle after an answer, and nothing else: a client that sends one byte a
minute, or never reads, would keep its place for good.
"""

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pbrlsvr_plugin.serve.errors import Refusal


def _answer(status: str, kind: str, message: str) -> bytes:
    """All of an answer that no application has seen."""
    body = Refusal(int(status[:3]), kind, message).reply().body
    retry = "retry-after: 5\r\n" if kind == "busy" else ""
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{retry}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + bytes(body)


_TOO_MANY = _answer(
    "503 Service Unavailable", "busy", "too many connections (limits.connections); send this again later"
)
_NO_HTTP = _answer("400 Bad Request", "refused", "this is no HTTP/1.1, or its head has more than 64 KiB; send less")


class Connection(H11Protocol):
    """uvicorn's connection, with a bound on its number and on each side's patience; `bounded` sets them."""

    most: ClassVar[int] = 4096
    patience_s: ClassVar[float] = 30.0

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    @classmethod
    def bounded(cls, most: int, patience_s: float) -> type["Connection"]:
        """This class with these bounds; the patience is for a request's head, and for an answer that is not taken."""
        return type("BoundedConnection", (cls,), {"most": most, "patience_s": patience_s})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._head = self.loop.call_later(self.patience_s, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        # From here on the gate counts the time: the head is there. Else the client has begun another one.
        self._wait_for_head(not self._in_request())

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_NO_HTTP)
        self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_for_head(False)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _in_request(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait_for_head(self, waits: bool) -> None:
        if not waits and self._head is not None:
            self._head.cancel()
            self._head = None
        elif waits and self._head is None:
            self._head = self.loop.call_later(self.patience_s, self.transport.abort)
