"""Turn a response into bytes for the database, and back. Called by responses.

A row may be read by a later release than the one that wrote it, so it carries the version of its form. Fields may be
added with a default; for any other change of form, raise VERSION and keep reading the old one.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

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
from vitrail.domain.errors import InternalFailure
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.domain.responses import ResponseRequest, StoredResponse
from vitrail.service.decoders import msgpack_decoder

VERSION = 1


def pack_response(response: StoredResponse) -> bytes:
    """Return a response as bytes; its images stay what the client wrote."""
    request, chat = response.request, response.request.chat
    return msgspec.msgpack.encode(
        _Response(
            version=VERSION,
            completion=response.completion,
            completed_at=response.completed_at,
            expires_at=response.expires_at,
            model=chat.model,
            messages=[_pack_message(message) for message in chat.messages],
            sampling=chat.sampling,
            response_format=chat.response_format,
            tools=chat.tools,
            tool_choice=chat.tool_choice,
            parallel_tool_calls=chat.parallel_tool_calls,
            reasoning_effort=chat.reasoning_effort,
            user=chat.user,
            instructions=request.instructions,
            previous_id=request.previous_id,
            metadata=request.metadata,
        )
    )


def unpack_response(data: bytes) -> StoredResponse:
    """Return what `pack_response` was given; raises InternalFailure for a form that is not known here."""
    try:
        if msgpack_decoder(_Versioned).decode(data).version != VERSION:
            raise _unknown_form()
        stored = msgpack_decoder(_Response).decode(data)
    except msgspec.DecodeError as error:
        raise _unknown_form() from error
    chat = ChatRequest(
        model=stored.model,
        messages=tuple(_unpack_message(message) for message in stored.messages),
        sampling=stored.sampling,
        response_format=stored.response_format,
        tools=stored.tools,
        tool_choice=stored.tool_choice,
        parallel_tool_calls=stored.parallel_tool_calls,
        reasoning_effort=stored.reasoning_effort,
        user=stored.user,
    )
    return StoredResponse(
        request=ResponseRequest(
            chat=chat,
            instructions=stored.instructions,
            previous_id=stored.previous_id,
            metadata=stored.metadata,
        ),
        completion=stored.completion,
        completed_at=stored.completed_at.astimezone(UTC),
        expires_at=stored.expires_at.astimezone(UTC),
    )


class _Versioned(Struct):
    version: int


class _Text(Struct, tag="text"):
    text: str


class _Image(Struct, tag="image"):
    url: memoryview
    detail: Detail
    where: str


class _Message(Struct):
    role: Role
    parts: list[_Text | _Image]
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class _Response(Struct):
    version: int
    completion: Completion
    completed_at: datetime
    expires_at: datetime
    model: str
    messages: list[_Message]
    sampling: Sampling
    response_format: JsonFormat | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    reasoning_effort: str | None = None
    user: str | None = None
    instructions: str | None = None
    previous_id: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()


def _pack_message(message: Message) -> _Message:
    return _Message(
        role=message.role,
        parts=[
            _Text(part.text)
            if isinstance(part, TextPart)
            else _Image(url=part.reference.url, detail=part.reference.detail, where=part.reference.where)
            for part in message.parts
        ],
        name=message.name,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
    )


def _unpack_message(message: _Message) -> Message:
    return Message(
        role=message.role,
        parts=tuple(TextPart(part.text) if isinstance(part, _Text) else _unpack_image(part) for part in message.parts),
        name=message.name,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
    )


def _unpack_image(image: _Image) -> ImagePart:
    return ImagePart(ImageReference(url=image.url.toreadonly(), detail=image.detail, where=image.where))


def _unknown_form() -> InternalFailure:
    return InternalFailure("This response was stored by another version of the server, which this one cannot read.")
