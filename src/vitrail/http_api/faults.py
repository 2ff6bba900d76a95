"""Break an answer as a script wants it: hang up, end too early, send no JSON. Called by envelope and streaming.

Only a scripted model raises these faults.
"""

from __future__ import annotations

from typing import NoReturn, assert_never

from starlette.types import Send

from vitrail.domain.completion import Chunk, Usage
from vitrail.domain.faults import PlayedFault, TransportFault
from vitrail.http_api.disconnect import ClientGone, wait_until_gone
from vitrail.http_api.exchange import Exchange

HANG_UP = "vitrail.hang_up"  # the extension of the scope that closes the connection
_TORN_BODY = b'{"id":"fault","object":"chat.completion","choices":[{"index":0,"message":{"content":"This is not wh'
_MISSING_BYTES = 1000  # what a truncated body lacks of its declared length
_TORN_BYTES = 20  # what a torn event lacks at its end


async def play_fault(played: PlayedFault, exchange: Exchange, send: Send) -> None:
    """Play a fault instead of an answer of which nothing was sent; raises ClientGone when that ends the connection."""
    match played.fault:
        case TransportFault.DROP:
            await _hang_up(played, exchange)
        case TransportFault.TRUNCATE:
            await _start(send, declared_bytes=len(_TORN_BODY) + _MISSING_BYTES)
            await send({"type": "http.response.body", "body": _TORN_BODY, "more_body": True})
            await _hang_up(played, exchange)
        case TransportFault.INVALID_JSON:
            await _start(send, declared_bytes=len(_TORN_BODY))
            await send({"type": "http.response.body", "body": _TORN_BODY, "more_body": False})
        case _:
            assert_never(played.fault)


async def break_stream(played: PlayedFault, exchange: Exchange) -> Chunk | None:
    """Play a fault in a stream; return the chunk whose event is to be torn, or None where the stream just ends.

    Raises ClientGone when the connection was closed.
    """
    match played.fault:
        case TransportFault.DROP:
            await _hang_up(played, exchange)
        case TransportFault.TRUNCATE:
            return None
        case TransportFault.INVALID_JSON:
            return Chunk(index=0, usage=Usage(0, 0), text="This is not whole.")
        case _:
            assert_never(played.fault)


def tear_event(event: bytes) -> bytes:
    """Return the event with the end of its JSON missing."""
    return event.rstrip(b"\n")[:-_TORN_BYTES] + b"\n\n"


async def _start(send: Send, *, declared_bytes: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(declared_bytes).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _hang_up(played: PlayedFault, exchange: Exchange) -> NoReturn:
    """Close the connection once what was sent is out; a server that cannot do that says so with the failure itself."""
    hang_up = exchange.scope.get("extensions", {}).get(HANG_UP)
    if hang_up is None:
        raise played
    hang_up()
    await wait_until_gone(exchange.receive)
    raise ClientGone
