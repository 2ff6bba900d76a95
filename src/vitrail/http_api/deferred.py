"""`GET /v1/chat/deferred-completion/{request_id}`: hand a deferred completion over, once and whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from msgspec import Struct
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vitrail.domain.errors import Failure
from vitrail.http_api.disconnect import ClientGone, wait_until_gone
from vitrail.http_api.errors import render_failure
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.render_chat import render_completion
from vitrail.service.deferred import Delivery, Pending

_SLICE_BYTES = 64 * 1024


class DeferredAccepted(Struct):
    """A request that will be answered later, under this id."""

    request_id: str


async def take_deferred(admitted: AdmittedExchange) -> ASGIApp:
    """Answer a deferred completion once it has ended: 202 with an empty body until then, 404 after it was fetched."""
    exchange = admitted.exchange
    taken = await exchange.services.deferred.take(exchange.path_value("request_id"), admitted.grant)
    return Response(status_code=202) if isinstance(taken, Pending) else HandOver(taken)


class HandOver:
    """An ASGI answer that consumes its outcome only when the whole body went into the connection.

    A client that hangs up before that, or only asks for the head, leaves the outcome for its next request.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_whole = False
        try:
            response = _render(self._delivery)
            if scope["method"] == "HEAD":
                await response(scope, receive, send)
                return
            async with asyncio.timeout(self._delivery.limit_seconds):
                is_whole = await _send_whole(response, receive, send)
        except TimeoutError as error:
            raise ClientGone from error
        finally:
            ending = self._delivery.confirm() if is_whole else self._delivery.put_back()
            await asyncio.shield(ending)
        if not is_whole:
            raise ClientGone
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _render(delivery: Delivery) -> Response:
    if isinstance(delivery.outcome, Failure):
        return render_failure(delivery.outcome)
    return Response(render_completion(delivery.outcome), media_type="application/json")


async def _send_whole(response: Response, receive: Receive, send: Send) -> bool:
    """Send everything but the end of the answer; tell whether the client was there until the last byte."""
    gone = asyncio.ensure_future(wait_until_gone(receive))
    try:
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        for part in _cut(bytes(response.body)):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)  # the server takes bytes for a client that is gone; only `gone` tells
            if gone.done():
                return False
        return True
    finally:
        gone.cancel()
        await asyncio.wait((gone,))


def _cut(body: bytes) -> Iterator[bytes]:
    """Return the body in parts; an empty one at the end waits until the connection has taken the last."""
    for start in range(0, len(body), _SLICE_BYTES):
        yield body[start : start + _SLICE_BYTES]
    yield b""
