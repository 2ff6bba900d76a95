"""What goes around every answer: request id, CORS, the rendering of failures, the log line and the metrics.

Plain ASGI, the outermost layer. Whatever goes wrong below becomes a status here, and nothing of the inside shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrail.domain.errors import Failure, InternalFailure, Stopping
from vitrail.domain.faults import PlayedFault
from vitrail.http_api.body import BodyReader, declared_length
from vitrail.http_api.disconnect import ClientGone
from vitrail.http_api.exchange import SCOPE_KEY, Exchange
from vitrail.http_api.faults import play_fault
from vitrail.http_api.options import HttpOptions
from vitrail.service.services import Services

_CLIENT_GONE_STATUS = 499  # for log and metrics; nobody is there to read it
_SEEN_ID_LENGTH = 128
_ON_EVERY_ANSWER = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
    (b"vary", b"origin, access-control-request-method, access-control-request-headers"),
    (b"x-content-type-options", b"nosniff"),
)


class Envelope:
    """Wraps the router; makes one Exchange for each request."""

    def __init__(self, app: ASGIApp, *, services: Services, options: HttpOptions) -> None:
        self._app = app
        self._services = services
        self._options = options
        self._bodies = BodyReader(options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inbox, outbox = _Inbox(receive), _Outbox(send, self._services.new_id())
        exchange = self._open(scope, inbox, request_id=outbox.request_id)
        scope[SCOPE_KEY] = exchange
        refusal = ""
        try:
            await self._answer(exchange, inbox, outbox)
        except ClientGone:
            outbox.status = _CLIENT_GONE_STATUS
        except Failure as failure:
            refusal = type(failure).__name__
            await self._refuse(failure, exchange, inbox, outbox)
        except asyncio.CancelledError:  # the server stops, and this request did not end in time; here it has
            refusal = Stopping.__name__
            await self._refuse(Stopping(), exchange, inbox, outbox)
        except Exception as error:  # the outermost frame: anything else is our own fault
            refusal = type(error).__name__
            self._services.log.error("request failed", request_id=exchange.request_id, exc_info=error)
            hint = f"Tell the operator of this server the request id {exchange.request_id}."
            await self._refuse(InternalFailure("Internal error.", hint=hint), exchange, inbox, outbox)
        finally:
            self._record(exchange, outbox, refusal)

    def _open(self, scope: Scope, inbox: _Inbox, *, request_id: str) -> Exchange:
        return Exchange(
            scope=scope,
            receive=inbox.receive,
            services=self._services,
            options=self._options,
            bodies=self._bodies,
            request_id=request_id,
            started=self._services.monotonic(),
        )

    async def _answer(self, exchange: Exchange, inbox: _Inbox, outbox: _Outbox) -> None:
        asked_method = exchange.headers.get("access-control-request-method")
        if exchange.scope["method"] == "OPTIONS" and asked_method:
            exchange.route = "preflight"
            await _allow_origin(exchange.headers)(exchange.scope, inbox.receive, outbox.send)
        else:
            try:
                await self._app(exchange.scope, inbox.receive, outbox.send)
            except PlayedFault as fault:
                await play_fault(fault, exchange, outbox.send)

    async def _refuse(self, failure: Failure, exchange: Exchange, inbox: _Inbox, outbox: _Outbox) -> None:
        """Send the failure, unless an answer has begun: then the server cuts the connection."""
        if outbox.status is not None:
            return
        response = exchange.refuse(failure)
        if inbox.is_whole or not self._has_large_body(exchange.headers):
            await response(exchange.scope, inbox.receive, outbox.send)
            return
        response.headers["connection"] = "close"
        await outbox.send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await outbox.send({"type": "http.response.body", "body": response.body, "more_body": True})
        await inbox.drop_rest(seconds=self._options.linger_seconds)
        await outbox.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _has_large_body(self, headers: Headers) -> bool:
        """Tell whether a body may be under way that is not worth reading to its end to keep the connection."""
        declared_bytes = declared_length(headers)
        if declared_bytes is None:
            return "transfer-encoding" in headers
        return declared_bytes > self._options.small_body_bytes

    def _record(self, exchange: Exchange, outbox: _Outbox, refusal: str) -> None:
        seconds = self._services.monotonic() - exchange.started
        status = outbox.status or _CLIENT_GONE_STATUS
        self._services.observe_request(exchange.route, status, seconds)
        theirs = exchange.headers.get("x-request-id", "")[:_SEEN_ID_LENGTH]
        notes = {"refusal": refusal, "client_request_id": theirs}
        self._services.log.info(
            "request",
            request_id=exchange.request_id,
            method=exchange.scope["method"],
            route=exchange.route,
            status=status,
            ms=round(seconds * 1000, 1),
            **{name: note for name, note in notes.items() if note},
        )


class _Inbox:
    """The request's messages, with the knowledge of whether the body has come whole."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_whole = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_whole = self.is_whole or not message.get("more_body", False)
        return message

    async def drop_rest(self, *, seconds: float) -> None:
        """Read and forget what still comes, so that closing does not wipe the answer out of the client's socket."""
        try:
            async with asyncio.timeout(seconds):
                while not self.is_whole:
                    await self.receive()
        except TimeoutError:
            pass


class _Outbox:
    """The answer's messages, with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._headers()]}
        await self._send(message)

    def _headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the id under two names, since Anthropic's SDKs read the short one."""
        request_id = self.request_id.encode()
        return (b"x-request-id", request_id), (b"request-id", request_id), *_ON_EVERY_ANSWER


def _allow_origin(headers: Headers) -> Response:
    """Return the answer to a CORS preflight: any page may call, since the key is in a header and never in a cookie."""
    response = Response(status_code=204)
    allowed = MutableHeaders(raw=response.raw_headers)
    allowed["access-control-allow-methods"] = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    allowed["access-control-allow-headers"] = (
        headers.get("access-control-request-headers") or "authorization, content-type"
    )
    allowed["access-control-max-age"] = "86400"
    return response
