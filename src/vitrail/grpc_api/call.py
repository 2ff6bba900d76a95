"""One gRPC call on its way to an answer: its metadata, its id, its one request message, its grant.

Keys are judged before the request message is read. Whatever goes wrong becomes a status here, and nothing of the
inside shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError

from vitrail.domain.errors import BodyTooLarge, Failure, InternalFailure, MalformedBody, RequestTimedOut, Unavailable
from vitrail.domain.keys import Grant
from vitrail.grpc_api.errors import render_details, render_trailers, status_of
from vitrail.grpc_api.options import GrpcOptions
from vitrail.service.arguments import ArgumentLimits
from vitrail.service.services import Services

Context = Any  # grpc.aio.ServicerContext; grpcio brings no types
Message = Any  # a protobuf message; its class is made when the SDK is imported
Run = Callable[["AdmittedCall"], Awaitable[Message | None]]

_SEEN_ID_LENGTH = 128
_SMALL_BYTES = 65536  # messages up to this size are not counted, so they always pass


@dataclass(frozen=True, slots=True)
class Surface:
    """What all calls share: the services, the options, and what an operator may set of the rules for arguments."""

    services: Services
    options: GrpcOptions
    limits: ArgumentLimits
    running: set[str] = field(default_factory=set)  # the ids of all calls under way
    held_bytes: dict[str, int] = field(default_factory=dict)  # the large messages in work, by their calls' ids


@dataclass(frozen=True, slots=True)
class AdmittedCall:
    """A call whose key was accepted; `shape` is the class of its request message."""

    surface: Surface
    context: Context = field(repr=False)
    grant: Grant
    messages: AsyncIterator[bytes] = field(repr=False)
    shape: Message

    @property
    def services(self) -> Services:
        """Return the use cases."""
        return self.surface.services

    @property
    def limits(self) -> ArgumentLimits:
        """Return what an operator may set of the rules for arguments."""
        return self.surface.limits

    def note(self, named: Mapping[str, str]) -> None:
        """Send these with the end of the answer, beside the request's id."""
        self.context.set_trailing_metadata((("x-request-id", self.grant.request_id), *named.items()))

    async def read(self, *, limit_bytes: int | None = None) -> Message:
        """Return the request message, counted until `release`.

        Raises RequestTimedOut, BodyTooLarge, MalformedBody, or Unavailable where too much is held already.
        """
        seconds = self.surface.options.message_seconds
        try:
            async with asyncio.timeout(seconds):
                data = await anext(self.messages, b"")
        except TimeoutError as error:
            raise RequestTimedOut(f"The request message did not come in {seconds:g} s.") from error
        if limit_bytes is not None and len(data) > limit_bytes:
            raise BodyTooLarge(f"The request body is larger than {limit_bytes} bytes.")
        self._hold(len(data))
        try:
            return self.shape.FromString(data)
        except DecodeError as error:
            raise MalformedBody("The request message is not valid protobuf of this method.") from error

    def release(self) -> None:
        """Count the request message out: nothing holds it any more."""
        self.surface.held_bytes.pop(self.grant.request_id, None)

    def _hold(self, size_bytes: int) -> None:
        held_bytes, budget_bytes = self.surface.held_bytes, self.surface.options.message_budget_bytes
        if size_bytes <= _SMALL_BYTES:
            return
        if sum(held_bytes.values()) + size_bytes > budget_bytes:
            raise Unavailable("The server holds as many large requests as it can. Try again.", retry_after_seconds=1)
        held_bytes[self.grant.request_id] = size_bytes

    async def write(self, message: Message) -> None:
        """Send one message of the answer; raises RequestTimedOut when the client does not read."""
        try:
            async with asyncio.timeout(self.surface.options.send_seconds):
                await self.context.write(message)
        except TimeoutError as error:
            raise RequestTimedOut("The answer was not read in time.") from error


async def serve_call(
    surface: Surface, run: Run, messages: AsyncIterator[bytes], context: Context, *, path: str, acl: str, shape: Message
) -> Message | None:
    """Admit one call and return what `run` answers; a failure ends the call with its status."""
    services = surface.services
    started, request_id = services.monotonic(), services.new_id()
    code, failure = grpc.StatusCode.CANCELLED, None  # if nothing else happens, the client has left
    # Not as headers: once those were sent, the SDK's channel does not retry what is UNAVAILABLE.
    context.set_trailing_metadata((("x-request-id", request_id),))
    surface.running.add(request_id)
    try:
        _check_room(surface)
        grant = await services.admission.admit(
            secret=_find_secret(context),
            endpoint=acl,
            request_id=request_id,
            client_ip=_client_ip(context),
        )
        answer = await run(AdmittedCall(surface, context, grant, messages, shape))
        code = grpc.StatusCode.OK
        return answer
    except Failure as error:
        failure = error
    except Exception as error:  # the outermost frame: anything else is our own fault
        services.log.error("request failed", request_id=request_id, exc_info=error)
        hint = f"Tell the operator of this server the request id {request_id}."
        failure = InternalFailure("Internal error.", hint=hint)
    finally:
        surface.running.discard(request_id)
        surface.held_bytes.pop(request_id, None)
        code = code if failure is None else status_of(failure)
        _record(services, context, path, code, started=started, request_id=request_id, failure=failure)
    await context.abort(code, render_details(failure), (("x-request-id", request_id), *render_trailers(failure)))
    return None


def _record(
    services: Services,
    context: Context,
    path: str,
    code: grpc.StatusCode,
    *,
    started: float,
    request_id: str,
    failure: Failure | None,
) -> None:
    seconds = services.monotonic() - started
    services.observe_request(path, code.value[0], seconds)
    refusal = "" if failure is None else type(failure).__name__
    notes = {"refusal": refusal, "client_request_id": _find_metadata(context, "x-request-id")[:_SEEN_ID_LENGTH]}
    services.log.info(
        "request",
        request_id=request_id,
        method="gRPC",
        route=path,
        status=code.name,
        ms=round(seconds * 1000, 1),
        **{name: note for name, note in notes.items() if note},
    )


def _check_room(surface: Surface) -> None:
    if len(surface.running) > surface.options.calls:
        raise Unavailable("The server answers as many calls as it can. Try again.", retry_after_seconds=1)


def _find_secret(context: Context) -> str | None:
    """Return what stands after `Bearer` in `authorization`, or else `x-api-key`."""
    scheme, _, secret = _find_metadata(context, "authorization").strip().partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return _find_metadata(context, "x-api-key").strip() or None


def _find_metadata(context: Context, name: str) -> str:
    """Return a value of the call's metadata as text; metadata that is bytes is none of ours."""
    values = (value for key, value in context.invocation_metadata() or () if key == name)
    value = next(values, "")
    return value if isinstance(value, str) else ""


def _client_ip(context: Context) -> str | None:
    """Return the address in `ipv4:127.0.0.1:5000` or `ipv6:[::1]:5000`; brackets may be escaped."""
    family, _, rest = unquote(context.peer() or "").partition(":")
    if family not in ("ipv4", "ipv6"):
        return None
    return rest.rpartition(":")[0].strip("[]")
