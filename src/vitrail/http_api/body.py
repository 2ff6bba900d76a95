"""Read JSON bodies under a cap, a deadline, and one budget for all requests in flight.

Called by the routes that take a body, after the key was accepted. Knows nothing of what is in a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import Receive

from vitrail.domain.errors import BodyTooLarge, RequestTimedOut, Unavailable, UnsupportedMedia
from vitrail.http_api.disconnect import ClientGone
from vitrail.http_api.options import HttpOptions


class BodyReader:
    """Reads bodies one by one and keeps count of the bytes of all that are held."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Return the bytes of all counted bodies in flight."""
        return self._held_bytes

    @asynccontextmanager
    async def read(self, headers: Headers, receive: Receive, *, limit_bytes: int) -> AsyncIterator[bytearray]:
        """Yield the whole body; its bytes stay on the budget until the block is left.

        Raises UnsupportedMedia, BodyTooLarge, RequestTimedOut, Unavailable when the budget is used up, ClientGone.
        """
        _check_media(headers)
        declared_bytes = declared_length(headers)
        _check_length(declared_bytes or 0, limit_bytes)
        share = _Share(self)
        try:
            share.grow_to(declared_bytes or 0)
            body = await self._receive_all(receive, share, limit_bytes)
            if not body:
                raise UnsupportedMedia("The request body is empty; expected JSON.")
            yield body
        finally:
            share.give_back()

    async def _receive_all(self, receive: Receive, share: _Share, limit_bytes: int) -> bytearray:
        options, clock = self._options, asyncio.get_running_loop().time
        body, started = bytearray(), clock()
        try:
            async with asyncio.timeout_at(started + options.body_grace_seconds) as deadline:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    body += message.get("body", b"")
                    if not message.get("more_body", False):
                        return body
                    _check_length(len(body), limit_bytes)
                    share.grow_to(len(body))
                    earned_seconds = options.body_grace_seconds + len(body) / options.body_bytes_per_second
                    deadline.reschedule(started + min(earned_seconds, options.body_seconds))
        except TimeoutError as error:
            raise RequestTimedOut(
                f"Only {len(body)} bytes of the request body came in {clock() - started:.0f} s.",
                hint=f"Send at least {options.body_bytes_per_second} bytes a second.",
            ) from error

    def take(self, size_bytes: int) -> None:
        """Count bytes in; raises Unavailable when that would pass the budget."""
        if self._held_bytes + size_bytes > self._options.body_budget_bytes:
            raise Unavailable("The server holds as many large requests as it can. Try again.", retry_after_seconds=1)
        self._held_bytes += size_bytes

    def give(self, size_bytes: int) -> None:
        """Count bytes out."""
        self._held_bytes -= size_bytes

    def is_counted(self, size_bytes: int) -> bool:
        """Tell whether a body of that size has to be on the budget."""
        return size_bytes > self._options.small_body_bytes


class _Share:
    """What one body has taken of the budget."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._taken_bytes = 0

    def grow_to(self, size_bytes: int) -> None:
        if size_bytes > self._taken_bytes and self._reader.is_counted(size_bytes):
            self._reader.take(size_bytes - self._taken_bytes)
            self._taken_bytes = size_bytes

    def give_back(self) -> None:
        self._reader.give(self._taken_bytes)
        self._taken_bytes = 0


def declared_length(headers: Headers) -> int | None:
    """Return the Content-Length of a request, if it has one that is a number."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _check_media(headers: Headers) -> None:
    media, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    if media != "application/json":
        raise UnsupportedMedia(
            "Expected request with `Content-Type: application/json`.", hint=f"It was `{media[:80]}`." if media else None
        )
    charsets = [value.strip("\"' ") for name, _, value in (p.partition("=") for p in parameters) if name == "charset"]
    if any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMedia("Expected JSON in UTF-8.", hint=f"It was declared as `{charsets[0][:40]}`.")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia(f"Compressed request bodies are not accepted (`{encoding[:40]}`).")


def _check_length(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise BodyTooLarge(f"The request body is larger than {limit_bytes} bytes.", hint="Send fewer images at once.")
