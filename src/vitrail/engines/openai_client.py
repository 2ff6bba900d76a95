"""Speak to an OpenAI-style server: stream a chat completion as pieces, make small calls. Used by llama and upstream.

Every failure of the network and of the other side becomes one of ours here, in words that say nothing about the inside.
Knows nothing of retries, models or pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec
import structlog

from vitrail.domain.errors import Failure, Unavailable
from vitrail.engines.base import Piece
from vitrail.engines.openai_chunks import ChunkParser
from vitrail.engines.openai_errors import parse_failure
from vitrail.engines.openai_wire import Json
from vitrail.engines.sse import EventSplitter

JSON_HEADERS = {"Content-Type": "application/json"}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NO_FIELDS: Mapping[str, str] = MappingProxyType({})
UNEXPECTED_SHAPE = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError)
ERROR_BODY_LIMIT_BYTES = 64 << 10
CALL_LIMIT_BYTES = 64 << 20
RETRY_AFTER_SECONDS = 1.0
KEPT_SECONDS = 2.0  # llama.cpp and uvicorn close idle connections after 5 s, and a request might meet that
END_SECONDS = 0.1  # from the last event to the end of the stream


class Unreachable(Unavailable):
    """The service is currently unavailable."""


class Stalled(Unreachable):
    """The service is currently unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what: a connection, a sign of the first piece, each next one, and a small call."""

    connect_seconds: float
    first_piece_seconds: float
    idle_seconds: float
    call_seconds: float = 10.0


class Pace:
    """What a stream tells of how it gets on, and what gives it more time; this one does nothing of both."""

    def more_seconds(self) -> float:
        """Return how much longer than usual the silence that begins now may last."""
        return 0.0

    def note_event(self) -> None:
        """Note that an event came."""


def show_url(url: str) -> str:
    """Return an address as log lines may have it, without what may be secret in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class OpenAIClient:
    """A client of the server at `base_url` (no slash at its end); made and closed inside one event loop.

    Connections are kept for the next request, those of streams with `reuses_streams` alone, since some servers drop
    them without a word. With `connections` there are so many at most, and who wants another one waits. `about` is what
    log lines say of the server.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None,
        patience: Patience,
        connections: int = 0,
        reuses_streams: bool = False,
        about: Mapping[str, str] = NO_FIELDS,
    ) -> None:
        self._base_url = base_url
        self._patience = patience
        self._reuses_streams = reuses_streams
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"} if key else None,
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEPT_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_seconds),
            trust_env=False,
        )
        self._log = structlog.get_logger(component="openai_client", **about)

    async def close(self) -> None:
        """Drop every connection."""
        await self._session.close()

    async def call(self, method: str, path: str, body: object = None, *, seconds: float | None = None) -> Any:
        """Return the JSON answer of a small call, within `seconds` if given; raises the Failure that fits."""
        data = None if body is None else BytesIO(msgspec.json.encode(body))
        url = self._base_url + path
        with self._translated():
            async with asyncio.timeout(seconds or self._patience.call_seconds):
                async with self._session.request(
                    method, url, data=data, headers=JSON_HEADERS, allow_redirects=False
                ) as response:
                    await self._refuse_error(response)
                    answer = await self._read_bounded(response, CALL_LIMIT_BYTES)
                    return msgspec.json.decode(answer) if answer else None

    async def check(self, path: str) -> None:
        """Return if a page answers 200, whatever it says; raises the Failure that fits."""
        with self._translated():
            async with asyncio.timeout(self._patience.call_seconds):
                async with self._session.get(self._base_url + path, allow_redirects=False) as response:
                    await self._refuse_error(response)

    async def post_bounded(self, path: str, body: object, *, seconds: float, limit_bytes: int) -> bytes:
        """Return the whole answer of a long call; raises Unavailable for one over `limit_bytes`, or Stalled.

        Redirects are not followed: the body would go to an address that nobody configured.
        """
        with self._translated():
            data = BytesIO(msgspec.json.encode(body))
            async with (
                asyncio.timeout(seconds),
                self._session.post(
                    self._base_url + path, data=data, headers=JSON_HEADERS, allow_redirects=False
                ) as response,
            ):
                await self._refuse_error(response)
                return await self._read_bounded(response, limit_bytes)

    async def _read_bounded(self, response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
        answer = bytearray()
        async for part in response.content.iter_any():
            answer += part
            if len(answer) > limit_bytes:
                self._log.warning("engine answer too large", limit_bytes=limit_bytes)
                raise Unavailable
        return bytes(answer)

    async def stream_chat(
        self,
        path: str,
        body: bytes,
        *,
        top_logprobs: int = 0,
        max_tokens: int | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        pace: Pace | None = None,
    ) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of the answer to a rendered `body`; closing the generator early drops the connection.

        Raises Stalled when nothing came for too long, Unreachable for a connection that failed or an answer that makes
        no sense, Unavailable, RateLimited, InvalidArgument or ContextTooLong. Redirects are not followed.
        """
        parser = ChunkParser(top_logprobs=top_logprobs, max_tokens=max_tokens)
        pace = pace or Pace()
        with self._translated():
            response = await self._open_stream(path, body, headers, pace)
            try:
                events = _read_events(response.content, wait_seconds=lambda: self._wait_seconds(parser, pace))
                async for event in events:
                    pace.note_event()
                    if event == b"[DONE]":
                        break
                    for piece in parser.parse(_parse_event(event)):
                        yield piece
                if not parser.is_finished:
                    raise Unreachable(retry_after_seconds=RETRY_AFTER_SECONDS)
                for piece in parser.finish():
                    yield piece
                if self._reuses_streams:
                    await _read_end(response.content)
            finally:
                response.close()  # does nothing to a connection whose response was read to its end

    def _wait_seconds(self, parser: ChunkParser, pace: Pace) -> float:
        usual = self._patience.idle_seconds if parser.has_started else self._patience.first_piece_seconds
        return usual + pace.more_seconds()

    async def _open_stream(
        self, path: str, body: bytes, headers: Mapping[str, str], pace: Pace
    ) -> aiohttp.ClientResponse:
        """Return the response once its head came and is that of an event stream."""
        headers = {**JSON_HEADERS, **headers}
        if not self._reuses_streams:
            headers["Connection"] = "close"
        async with asyncio.timeout(self._patience.first_piece_seconds + pace.more_seconds()):
            response = await self._session.post(
                self._base_url + path, data=BytesIO(body), headers=headers, allow_redirects=False
            )
            try:
                await self._refuse_error(response)
                if response.content_type == "application/json":
                    raise _parse_error(await _read_error(response.content), status=500)
                if response.content_type != "text/event-stream":
                    raise ValueError("not an event stream")
            except BaseException:
                response.close()
                raise
        return response

    async def _refuse_error(self, response: aiohttp.ClientResponse) -> None:
        """Raise the failure that an error status stands for."""
        if response.status != 200:
            body = await _read_error(response.content)
            self._log.warning("engine refused a request", status=response.status)
            raise _parse_error(body, status=response.status, retry_after=response.headers.get("Retry-After"))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the network and a strange answer raise into Unavailable."""
        try:
            yield
        except Failure:
            raise
        except (aiohttp.ClientError, OSError, *UNEXPECTED_SHAPE) as failure:
            self._log.warning("engine connection failed", error=type(failure).__name__)
            is_stall = isinstance(failure, TimeoutError) and not isinstance(failure, aiohttp.ClientError)
            raise (Stalled if is_stall else Unreachable)(retry_after_seconds=RETRY_AFTER_SECONDS) from failure
        except RuntimeError as failure:
            if not self._session.closed:
                raise
            raise Unreachable(retry_after_seconds=RETRY_AFTER_SECONDS) from failure


async def _read_events(
    content: aiohttp.StreamReader, *, wait_seconds: Callable[[], float]
) -> AsyncGenerator[bytes, None]:
    """Yield the data of each event; raises TimeoutError when none came for `wait_seconds()`, comments not counted."""
    splitter = EventSplitter()
    at_end = False
    while not at_end:
        events: list[bytes] = []
        async with asyncio.timeout(wait_seconds()):
            while not events and not at_end:
                received = await content.readany()
                at_end = not received
                events.extend(splitter.push(received) if received else splitter.flush())
        for event in events:
            yield event


async def _read_end(content: aiohttp.StreamReader) -> None:
    """Wait a moment for the end of a stream that has said all, so that its connection can be used again."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(END_SECONDS):
            await content.readany()


def _parse_event(event: bytes) -> Json:
    """Return the chunk in an event; raises the failure that an error event stands for."""
    chunk = msgspec.json.decode(event.decode("utf-8", "replace"))
    if chunk.get("error") is not None:
        raise parse_failure(chunk, status=500)
    return dict(chunk)


async def _read_error(content: aiohttp.StreamReader) -> bytes:
    """Return an error's body in however many parts it comes, as far as the limit."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) >= ERROR_BODY_LIMIT_BYTES:
            break
    return bytes(body[:ERROR_BODY_LIMIT_BYTES])


def _parse_error(body: bytes, *, status: int, retry_after: str | None = None) -> Failure:
    """Return the failure that a whole error body stands for, whatever its shape."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    return parse_failure(document, status=status, retry_after=retry_after)
