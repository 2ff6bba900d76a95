"""Bound what a connection may cost outside of a route: slow, endless or missing headers, and answers nobody reads.

`app.py` hands the protocol to uvicorn, whose own one waits for either without a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vitrail.http_api.faults import HANG_UP
from vitrail.http_api.options import HttpOptions

_TIMED_OUT = (408, b"Request Timeout")
_TOO_LARGE = (431, b"Request Header Fields Too Large")


def bounded_protocol(options: HttpOptions, *, draining: Callable[[], bool] = lambda: False) -> type[HttpToolsProtocol]:
    """Return uvicorn's HTTP protocol with a deadline and a size limit for headers, and a deadline for readers.

    A connection whose request comes while `draining` is closed after the answer.
    """

    class Bounded(BoundedProtocol):
        is_draining = staticmethod(draining)
        header_seconds = options.header_seconds
        header_bytes = options.header_bytes
        send_seconds = options.send_seconds

    return Bounded


class BoundedProtocol(HttpToolsProtocol):
    """What `bounded_protocol` fills in."""

    is_draining: Callable[[], bool]
    header_seconds: float
    header_bytes: int
    send_seconds: float

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _seen_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            self._stop_waiting()
        elif self._deadline is not None:
            self._seen_bytes += len(data)
            if self._seen_bytes > self.header_bytes:
                self._give_up(*_TOO_LARGE)
        elif self._is_between_requests():
            self._await_headers()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_unread()
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: self.transport.close}  # type: ignore[dict-item]
        if self._deadline is None:
            self._await_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()
        if self.is_draining():
            self.close_after_answer()

    def close_after_answer(self) -> None:
        """Let the request that is under way be the last of this connection, and say so in its answer."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _is_between_requests(self) -> bool:
        """Tell whether stray bytes ended uvicorn's keep-alive wait although no request began."""
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle and self.timeout_keep_alive_task is None

    def _await_headers(self) -> None:
        self._seen_bytes = 0
        self._deadline = self.loop.call_later(self.header_seconds, self._give_up, *_TIMED_OUT)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self, status: int, phrase: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (status, phrase)
            self.transport.write(head)
            self.transport.close()
