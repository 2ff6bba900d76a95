"""Send the chunks of a completion as server-sent events, for as long as the client reads them.

Called by every route that streams, each with its own form of events. A failure after the first chunk becomes an error
event, and the stream ends without what ends a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from vitrail.domain.completion import Chunk
from vitrail.domain.errors import Failure, InternalFailure, Stopping
from vitrail.domain.faults import PlayedFault
from vitrail.http_api.disconnect import ClientGone, while_connected
from vitrail.http_api.errors import render_error_json
from vitrail.http_api.exchange import Exchange
from vitrail.http_api.faults import break_stream, tear_event
from vitrail.service.completion import ChunkStream

KEEP_ALIVE = b": keep-alive\n\n"
_DONE = b"data: [DONE]\n\n"
_GOODBYE_SECONDS = 1.0


class Events(Protocol):
    """How a surface writes a stream: whole events as bytes, to be sent in the order of the calls."""

    @property
    def keep_alive(self) -> bytes:
        """Return what is sent when nothing else was for a while."""
        ...

    def open(self) -> bytes:
        """Return what comes before the first chunk."""
        ...

    def render(self, chunk: Chunk) -> bytes:
        """Return a chunk."""
        ...

    def close(self) -> bytes:
        """Return what ends a stream that is whole."""
        ...

    def fail(self, failure: Failure) -> bytes:
        """Return what ends a stream that failed."""
        ...


class ChunkJson(Protocol):
    """Renders chunks as JSON, one event each."""

    def render(self, chunk: Chunk) -> bytes:
        """Return one chunk."""
        ...

    def render_usage_chunk(self) -> bytes | None:
        """Return the extra last chunk with the usage, if the client asked for it."""
        ...


class DataEvents:
    """The form of the xAI and OpenAI chat APIs: `data:` lines without names, `[DONE]` at the end of a whole stream."""

    keep_alive = KEEP_ALIVE

    def __init__(self, renderer: ChunkJson) -> None:
        self._renderer = renderer

    def open(self) -> bytes:
        """Return nothing: the first chunk is the beginning."""
        return b""

    def render(self, chunk: Chunk) -> bytes:
        """Return the event of a chunk."""
        return _data(self._renderer.render(chunk))

    def close(self) -> bytes:
        """Return the usage, if it was asked for, and the end."""
        usage_chunk = self._renderer.render_usage_chunk()
        return (_data(usage_chunk) if usage_chunk else b"") + _DONE

    def fail(self, failure: Failure) -> bytes:
        """Return the failure as an event of the API's own error body."""
        return _data(render_error_json(failure))


class EventStream:
    """An ASGI answer that sends a chunk stream and closes it, also when the client leaves or stops reading."""

    def __init__(self, exchange: Exchange, chunks: ChunkStream, events: Events, *, headers: dict[str, str]) -> None:
        self._exchange = exchange
        self._chunks = chunks
        self._events = events
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
        writer = _EventWriter(send, self._exchange, keep_alive=self._events.keep_alive)
        beat = asyncio.create_task(writer.beat())
        try:
            await self._send_chunks(writer)
        finally:
            beat.cancel()
            await asyncio.wait((beat,))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_chunks(self, writer: _EventWriter) -> None:
        try:
            await writer.write(self._events.open())
            async for chunk in self._chunks:
                await writer.write(self._events.render(chunk))
            await writer.write(self._events.close())
        except ClientGone:
            raise
        except PlayedFault as fault:
            torn = await break_stream(fault, self._exchange)
            await writer.write(tear_event(self._events.render(torn)) if torn else b"")
        except Failure as failure:
            self._log("stream failed", failure)
            await writer.write(self._events.fail(failure))
        except Exception as error:  # noqa: BLE001 - the status is sent; the client still has to learn of our fault
            self._log("stream failed", error)
            await writer.write(self._events.fail(InternalFailure()))

    async def _say_goodbye(self, send: Send) -> None:
        event = self._events.fail(Stopping())
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await send({"type": "http.response.body", "body": event, "more_body": False})

    def _log(self, event: str, error: Exception) -> None:
        self._exchange.services.log.error(event, request_id=self._exchange.request_id, exc_info=error)


class _EventWriter:
    """Writes events one at a time, each within the send limit, and a sign of life when none came for a while."""

    def __init__(self, send: Send, exchange: Exchange, *, keep_alive: bytes) -> None:
        self._send = send
        self._keep_alive = keep_alive
        self._send_seconds = exchange.options.send_seconds
        self._keep_alive_seconds = exchange.options.keep_alive_seconds
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._lock = asyncio.Lock()
        self._written_at = self._clock()

    async def write(self, event: bytes) -> None:
        """Send events; raises ClientGone when the client does not read."""
        if not event:
            return
        async with self._lock:
            try:
                async with asyncio.timeout(self._send_seconds):
                    await self._send({"type": "http.response.body", "body": event, "more_body": True})
            except TimeoutError as error:
                raise ClientGone from error
            self._written_at = self._clock()

    async def beat(self) -> None:
        """Send a sign of life whenever nothing was sent for the keep-alive time; ends when the client does not read."""
        try:
            while True:
                silent_seconds = self._clock() - self._written_at
                if silent_seconds >= self._keep_alive_seconds:
                    await self.write(self._keep_alive)
                    silent_seconds = 0.0
                await asyncio.sleep(self._keep_alive_seconds - silent_seconds)
        except ClientGone:
            return


def render_event(value: msgspec.Struct, *, name: str) -> bytes:
    """Return a named event."""
    return b"event: " + name.encode() + b"\n" + _data(msgspec.json.encode(value))


def _data(json: bytes) -> bytes:
    return b"data: " + json + b"\n\n"
