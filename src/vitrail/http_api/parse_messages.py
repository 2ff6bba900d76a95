"""Turn the messages of a chat request into domain values. Called by parse_chat."""

from __future__ import annotations

from typing import assert_never

from vitrail.domain.chat import ImagePart, Message, Role, TextPart, ToolCall
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.http_api import wire_chat as wire
from vitrail.http_api.json_body import decode_text
from vitrail.service.arguments import check_image_role, check_message_count, check_part_count, parse_call


def parse_messages(messages: list[wire.Message]) -> tuple[Message, ...]:
    """Return all messages in order; raises InvalidArgument for none at all, or an image where none may be."""
    check_message_count(len(messages))
    return tuple(_parse_message(message, f"messages[{i}]") for i, message in enumerate(messages))


def _parse_message(message: wire.Message, where: str) -> Message:
    role = _role(message)
    parts = _parse_content(message.content, role, f"{where}.content")
    match message:
        case wire.AssistantMessage(tool_calls=calls):
            return Message(role, parts, name=message.name, tool_calls=_parse_calls(calls or [], where))
        case wire.ToolMessage(tool_call_id=call_id):
            return Message(role, parts, name=message.name, tool_call_id=call_id)
        case _:
            return Message(role, parts, name=message.name)


def _role(message: wire.Message) -> Role:
    match message:
        case wire.SystemMessage():
            return Role.SYSTEM
        case wire.DeveloperMessage():
            return Role.DEVELOPER
        case wire.UserMessage():
            return Role.USER
        case wire.AssistantMessage():
            return Role.ASSISTANT
        case wire.ToolMessage() | wire.FunctionMessage():
            return Role.TOOL
        case _:
            assert_never(message)


def _parse_content(content: wire.Content | None, role: Role, where: str) -> tuple[TextPart | ImagePart, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    check_part_count(len(content), where=where)
    return tuple(_parse_part(part, role, f"{where}[{i}]") for i, part in enumerate(content))


def _parse_part(part: wire.TextPart | wire.ImagePart, role: Role, where: str) -> TextPart | ImagePart:
    if isinstance(part, wire.TextPart):
        return TextPart(part.text)
    check_image_role(role, where=where)
    where = f"{where}.image_url.url"
    detail = Detail(part.image_url.detail or part.detail or Detail.AUTO)
    return ImagePart(ImageReference(url=decode_text(part.image_url.url, where=where), detail=detail, where=where))


def _parse_calls(calls: list[wire.ToolCall], where: str) -> tuple[ToolCall, ...]:
    return tuple(
        parse_call(
            call.id,
            call.function.name,
            call.function.arguments,
            where=f"{where}.tool_calls[{i}].function.arguments",
        )
        for i, call in enumerate(calls)
    )
