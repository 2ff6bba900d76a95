"""Turn a GetCompletionsRequest into a ChatRequest. Called by chat.

What is wrong with a request is said in the words of REST, places included. Knows nothing of keys, models or images.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from xai_sdk.proto import chat_pb2, image_pb2

from vitrail.domain.chat import ChatRequest, ImagePart, JsonFormat, Message, Role, TextPart, Tool, ToolChoice, ToolMode
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.grpc_api.call import Message as Proto
from vitrail.service.arguments import (
    NO_PARAMETERS,
    ArgumentLimits,
    check_image_role,
    check_message_count,
    check_part_count,
    check_schema_size,
    check_tool_count,
    choose_mode,
    choose_tool,
    make_sampling,
    parse_call,
    within,
)

_ROLES = {
    chat_pb2.ROLE_USER: Role.USER,
    chat_pb2.ROLE_ASSISTANT: Role.ASSISTANT,
    chat_pb2.ROLE_SYSTEM: Role.SYSTEM,
    chat_pb2.ROLE_DEVELOPER: Role.DEVELOPER,
    chat_pb2.ROLE_TOOL: Role.TOOL,
    chat_pb2.ROLE_FUNCTION: Role.TOOL,
}
_DETAILS = {
    image_pb2.DETAIL_INVALID: Detail.AUTO,  # not set
    image_pb2.DETAIL_AUTO: Detail.AUTO,
    image_pb2.DETAIL_LOW: Detail.LOW,
    image_pb2.DETAIL_HIGH: Detail.HIGH,
}
_EFFORTS = {
    chat_pb2.EFFORT_NONE: "none",
    chat_pb2.EFFORT_LOW: "low",
    chat_pb2.EFFORT_MEDIUM: "medium",
    chat_pb2.EFFORT_HIGH: "high",
    chat_pb2.EFFORT_XHIGH: "xhigh",
}
_MODES = {
    chat_pb2.TOOL_MODE_AUTO: ToolMode.AUTO,
    chat_pb2.TOOL_MODE_NONE: ToolMode.NONE,
    chat_pb2.TOOL_MODE_REQUIRED: ToolMode.REQUIRED,
}
_FLOAT32_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Storing:
    """What a request says of stored completions: the one that it goes on from, and whether its answer is kept."""

    previous_id: str | None
    store: bool


def parse_chat(asked: Proto, limits: ArgumentLimits) -> ChatRequest:
    """Parse a request message; raises InvalidArgument."""
    tools = _parse_tools(asked.tools, limits)
    check_message_count(len(asked.messages))
    return ChatRequest(
        model=asked.model,
        messages=tuple(_parse_message(message, f"messages[{i}]") for i, message in enumerate(asked.messages)),
        sampling=make_sampling(
            max_tokens=_optional(asked, "max_tokens"),
            temperature=_decimal(asked, "temperature"),
            top_p=_decimal(asked, "top_p"),
            seed=_optional(asked, "seed"),
            stop=asked.stop,
            frequency_penalty=_decimal(asked, "frequency_penalty"),
            presence_penalty=_decimal(asked, "presence_penalty"),
            logprobs=asked.logprobs,
            top_logprobs=_optional(asked, "top_logprobs"),
        ),
        n=within("n", _optional(asked, "n"), 1, limits.choices) or 1,
        response_format=_parse_format(asked.response_format, limits),
        tools=tools,
        tool_choice=_parse_tool_choice(asked.tool_choice, tools) if asked.HasField("tool_choice") else None,
        parallel_tool_calls=_optional(asked, "parallel_tool_calls") is not False,
        reasoning_effort=_EFFORTS.get(_optional(asked, "reasoning_effort") or 0),
        user=asked.user or None,
    )


def parse_storing(asked: Proto) -> Storing | None:
    """Return what is said of stored completions, or None."""
    previous_id = asked.previous_response_id or None
    if not asked.store_messages and previous_id is None:
        return None
    return Storing(previous_id=previous_id, store=asked.store_messages)


def _parse_message(message: Proto, where: str) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidArgument("A message needs a role.", where=f"{where}.role")
    if role is not Role.ASSISTANT:
        check_part_count(len(message.content), where=f"{where}.content")
    calls = (
        parse_call(
            call.id, call.function.name, call.function.arguments, where=f"{where}.tool_calls[{i}].function.arguments"
        )
        for i, call in enumerate(message.tool_calls)
    )
    return Message(
        role,
        tuple(_parse_part(part, role, f"{where}.content[{i}]") for i, part in enumerate(message.content)),
        name=message.name or None,
        tool_calls=tuple(calls) if role is Role.ASSISTANT else (),
        tool_call_id=message.tool_call_id or None,
    )


def _parse_part(part: Proto, role: Role, where: str) -> TextPart | ImagePart:
    match part.WhichOneof("content"):
        case "text":
            return TextPart(part.text)
        case "image_url" if not part.image_url.file_id:
            check_image_role(role, where=where)
            where = f"{where}.image_url.url"
            url = memoryview(part.image_url.image_url.encode())
            return ImagePart(
                ImageReference(url=url, detail=_DETAILS.get(part.image_url.detail, Detail.AUTO), where=where)
            )
        case "image_url" | "file":
            hint = "Send the picture itself, as a data URI or a URL."
            raise InvalidArgument("Files are not available on this server.", where=where, hint=hint)
        case _:
            raise InvalidArgument("A content part needs `text` or `image_url`.", where=where)


def _parse_tools(tools: Proto, limits: ArgumentLimits) -> tuple[Tool, ...]:
    check_tool_count(len(tools))
    return tuple(_parse_tool(tool, f"tools[{i}]", limits) for i, tool in enumerate(tools))


def _parse_tool(tool: Proto, where: str, limits: ArgumentLimits) -> Tool:
    kind = tool.WhichOneof("tool")
    if kind != "function":
        raise InvalidArgument(
            f"This server runs no tools of its own, such as {kind}.", where=where, hint="Only functions can be called."
        )
    function, parameters = tool.function, NO_PARAMETERS
    if function.parameters:
        parameters = _parse_schema(function.parameters, where=f"{where}.function.parameters", limits=limits)
    return Tool(name=function.name, description=function.description, parameters=parameters)


def _parse_tool_choice(choice: Proto, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if choice.WhichOneof("tool_choice") == "function_name":
        return choose_tool(choice.function_name, tools)
    mode = _MODES.get(choice.mode)
    return choose_mode(mode, tools) if mode else None


def _parse_format(wanted: Proto, limits: ArgumentLimits) -> JsonFormat | None:
    match wanted.format_type:
        case chat_pb2.FORMAT_TYPE_JSON_OBJECT:
            return JsonFormat(schema=None)
        case chat_pb2.FORMAT_TYPE_JSON_SCHEMA:
            return JsonFormat(schema=_parse_schema(wanted.schema, where="response_format.schema", limits=limits))
        case _:
            return None


def _parse_schema(text: str, *, where: str, limits: ArgumentLimits) -> str:
    """Return the text of a JSON Schema, or refuse one that is too long or no object."""
    check_schema_size(len(text.encode()), where=where, limits=limits)
    try:
        msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument("This is not the JSON text of an object.", where=where) from error
    return text


def _optional(asked: Proto, name: str) -> int | None:
    """Return a field's value, or None where it was not sent."""
    return getattr(asked, name) if asked.HasField(name) else None


def _decimal(asked: Proto, name: str) -> float | None:
    """Return a 32-bit number as the decimal that was meant: 0.9 and not 0.8999999761581421."""
    return float(f"{getattr(asked, name):.{_FLOAT32_DIGITS}g}") if asked.HasField(name) else None
