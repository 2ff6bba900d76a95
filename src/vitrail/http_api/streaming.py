"""Send the chunks of a completion as server-sent events, for as long as the client reads them.

Called by the chat route. A failure after the first chunk becomes an error event, and the stream ends without `[DONE]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from starlette.types import Receive, Scope, Send

from vitrail.domain.errors import Failure, InternalFailure, Unavailable
from vitrail.http_api.disconnect import ClientGone, while_connected
from vitrail.http_api.errors import render_error_json
from vitrail.http_api.exchange import Exchange
from vitrail.http_api.render_chat import ChunkRenderer
from vitrail.service.completion import ChunkStream

_DONE = b"data: [DONE]\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"
_GOODBYE_SECONDS = 1.0


class EventStream:
    """An ASGI answer that sends a chunk stream and closes it, also when the client leaves or stops reading."""

    def __init__(
        self, exchange: Exchange, chunks: ChunkStream, renderer: ChunkRenderer, *, headers: dict[str, str]
    ) -> None:
        self._exchange = exchange
        self._chunks = chunks
        self._renderer = renderer
        self._headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._chunks):
                await while_connected(receive, self._send_all(send))
        except asyncio.CancelledError:  # the server stops, and this stream did not end in time
            await self._say_goodbye(send)
            raise

    async def _send_all(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        writer = _EventWriter(send, self._exchange)
        beat = asyncio.create_task(writer.beat())
        try:
            await self._send_chunks(writer)
        finally:
            beat.cancel()
            await asyncio.wait((beat,))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_chunks(self, writer: _EventWriter) -> None:
        try:
            async for chunk in self._chunks:
                await writer.write(_event(self._renderer.render(chunk)))
            usage_chunk = self._renderer.render_usage_chunk()
            await writer.write((_event(usage_chunk) if usage_chunk else b"") + _DONE)
        except ClientGone:
            raise
        except Failure as failure:
            self._log("stream failed", failure)
            await writer.write(_event(render_error_json(failure)))
        except Exception as error:  # noqa: BLE001 - the status is sent; the client still has to learn of our fault
            self._log("stream failed", error)
            await writer.write(_event(render_error_json(InternalFailure())))

    async def _say_goodbye(self, send: Send) -> None:
        event = _event(render_error_json(Unavailable("The server is stopping.")))
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await send({"type": "http.response.body", "body": event, "more_body": False})

    def _log(self, event: str, error: Exception) -> None:
        self._exchange.services.log.error(event, request_id=self._exchange.request_id, exc_info=error)


class _EventWriter:
    """Writes events one at a time, each within the send limit, and a comment when none came for a while."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send = send
        self._send_seconds = exchange.options.send_seconds
        self._keep_alive_seconds = exchange.options.keep_alive_seconds
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._lock = asyncio.Lock()
        self._written_at = self._clock()

    async def write(self, event: bytes) -> None:
        """Send an event; raises ClientGone when the client does not read."""
        async with self._lock:
            try:
                async with asyncio.timeout(self._send_seconds):
                    await self._send({"type": "http.response.body", "body": event, "more_body": True})
            except TimeoutError as error:
                raise ClientGone from error
            self._written_at = self._clock()

    async def beat(self) -> None:
        """Send a comment whenever nothing was sent for the keep-alive time; ends when the client does not read."""
        try:
            while True:
                silent_seconds = self._clock() - self._written_at
                if silent_seconds >= self._keep_alive_seconds:
                    await self.write(_KEEP_ALIVE)
                    silent_seconds = 0.0
                await asyncio.sleep(self._keep_alive_seconds - silent_seconds)
        except ClientGone:
            return


def _event(json: bytes) -> bytes:
    return b"data: " + json + b"\n\n"
