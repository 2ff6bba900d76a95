"""Turn a deferred request and its outcome into bytes for the database, and back. Called by deferred and job_runner.

A row may be read by a later release than the one that wrote it, so every value carries the version of its form. Fields
may be added with a default; for any other change of form, raise VERSION and keep reading the old one.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import pybase64
from msgspec import Struct

from vitrail.domain import errors
from vitrail.domain.chat import (
    ChatRequest,
    ImagePart,
    JsonFormat,
    Message,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from vitrail.domain.completion import Completion
from vitrail.domain.errors import Failure, InternalFailure
from vitrail.domain.pictures import Detail, ImageFormat, ImageReference, MeasuredImage
from vitrail.service.decoders import msgpack_decoder

VERSION = 1


def pack_request(request: ChatRequest, images: Sequence[MeasuredImage]) -> tuple[bytes, ...]:
    """Return the request, then the bytes of its images; `images` is in request order, the same bytes are kept once."""
    places: dict[bytes, int] = {}
    for image in images:
        places.setdefault(image.data, 1 + len(places))
    left = iter(images)
    stored = _Request(
        version=VERSION,
        model=request.model,
        messages=[
            _Message(
                role=message.role,
                parts=[
                    _pack_image(part.reference, next(left), places) if isinstance(part, ImagePart) else _Text(part.text)
                    for part in message.parts
                ],
                name=message.name,
                tool_calls=message.tool_calls,
                tool_call_id=message.tool_call_id,
            )
            for message in request.messages
        ],
        sampling=request.sampling,
        n=request.n,
        response_format=request.response_format,
        tools=request.tools,
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        reasoning_effort=request.reasoning_effort,
        user=request.user,
    )
    return msgspec.msgpack.encode(stored), *places


def unpack_request(parts: Sequence[bytes]) -> ChatRequest:
    """Return the request with its images as data URIs; raises InternalFailure for a form that is not known here."""
    if not parts:
        raise InternalFailure("This deferred request is not in the database any more.", hint="Send it again.")
    stored = _decode(parts[0], _Request)
    return ChatRequest(
        model=stored.model,
        messages=tuple(
            Message(
                role=message.role,
                parts=tuple(
                    TextPart(part.text) if isinstance(part, _Text) else ImagePart(_unpack_image(part, parts))
                    for part in message.parts
                ),
                name=message.name,
                tool_calls=message.tool_calls,
                tool_call_id=message.tool_call_id,
            )
            for message in stored.messages
        ),
        sampling=stored.sampling,
        n=stored.n,
        response_format=stored.response_format,
        tools=stored.tools,
        tool_choice=stored.tool_choice,
        parallel_tool_calls=stored.parallel_tool_calls,
        reasoning_effort=stored.reasoning_effort,
        user=stored.user,
    )


def pack_outcome(outcome: Completion | Failure) -> bytes:
    """Return a completion, or the failure that came instead of one."""
    if isinstance(outcome, Completion):
        return msgspec.msgpack.encode(_Outcome(version=VERSION, completion=outcome))
    failure = _Failure(
        kind=next(cls.__name__ for cls in type(outcome).__mro__ if cls.__name__ in _KINDS),
        message=outcome.message,
        where=outcome.where,
        hint=outcome.hint,
        retry_after_seconds=outcome.retry_after_seconds,
    )
    return msgspec.msgpack.encode(_Outcome(version=VERSION, failure=failure))


def unpack_outcome(data: bytes) -> Completion | Failure:
    """Return what `pack_outcome` was given; a form that is not known here is an InternalFailure, returned."""
    try:
        stored = _decode(data, _Outcome)
    except InternalFailure as failure:
        return failure
    if stored.completion is not None:
        return stored.completion
    if stored.failure is None:
        return _unknown_form()
    said = stored.failure
    return _KINDS.get(said.kind, InternalFailure)(
        said.message, where=said.where, hint=said.hint, retry_after_seconds=said.retry_after_seconds
    )


class _Versioned(Struct):
    version: int


class _Text(Struct, tag="text"):
    text: str


class _Image(Struct, tag="image"):
    part: int  # its place among the parts
    format: ImageFormat
    detail: Detail
    where: str


class _Message(Struct):
    role: Role
    parts: list[_Text | _Image]
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class _Request(Struct):
    version: int
    model: str
    messages: list[_Message]
    sampling: Sampling
    n: int = 1
    response_format: JsonFormat | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    reasoning_effort: str | None = None
    user: str | None = None


class _Failure(Struct):
    kind: str  # a class of domain.errors
    message: str
    where: str | None = None
    hint: str | None = None
    retry_after_seconds: float | None = None


class _Outcome(Struct):
    version: int
    completion: Completion | None = None
    failure: _Failure | None = None


_KINDS: dict[str, type[Failure]] = {
    name: cls for name, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Failure)
}


Form = TypeVar("Form", _Request, _Outcome)


def _decode(data: bytes, form: type[Form]) -> Form:
    try:
        if msgpack_decoder(_Versioned).decode(data).version != VERSION:
            raise _unknown_form()
        return msgpack_decoder(form).decode(data)
    except msgspec.DecodeError as error:
        raise _unknown_form() from error


def _unknown_form() -> InternalFailure:
    return InternalFailure(
        "This deferred request was stored by another version of the server, in a form that this one cannot read.",
        hint="Send it again.",
    )


def _pack_image(reference: ImageReference, image: MeasuredImage, places: dict[bytes, int]) -> _Image:
    return _Image(part=places[image.data], format=image.format, detail=reference.detail, where=reference.where)


def _unpack_image(image: _Image, parts: Sequence[bytes]) -> ImageReference:
    if not 0 < image.part < len(parts):
        raise _unknown_form()
    url = b"data:image/%s;base64,%s" % (image.format.value.encode(), pybase64.b64encode(parts[image.part]))
    return ImageReference(url=memoryview(url), detail=image.detail, where=image.where)
