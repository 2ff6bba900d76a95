"""Turn the body of `POST /v1/responses` into a ResponseRequest. Called by the responses route.

An image becomes the same reference as on the chat route; what is the same in both shapes is parsed by parse_chat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from vitrail.domain.chat import ChatRequest, ImagePart, JsonFormat, Message, Role, Sampling, TextPart, Tool
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.domain.responses import ResponseRequest
from vitrail.http_api import wire_chat
from vitrail.http_api import wire_responses as wire
from vitrail.http_api.json_body import decode_body, decode_json, decode_text, is_null, mismatch
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_chat import parse_function, parse_schema, parse_tool_choice
from vitrail.http_api.parse_turns import Part, Turns
from vitrail.service.arguments import INT32_MAX, check_tool_count, parse_call, within

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.DEVELOPER}
_MOST_METADATA = 16
_LONGEST_KEY = 64
_LONGEST_VALUE = 512


@dataclass(frozen=True, slots=True)
class ResponseForm:
    """How the client wants the answer; `shown` is the request without its turns, as the answer shows it again."""

    stream: bool
    shown: ResponseRequest


def parse_responses(body: bytes | bytearray, options: HttpOptions) -> tuple[ResponseRequest, ResponseForm]:
    """Parse a request body; image URLs are views into it. Raises as parse_chat does."""
    asked = decode_body(body, wire.ResponsesRequest)
    _refuse_unavailable(asked)
    tools = _parse_tools(asked.tools or [], options)
    chat = ChatRequest(
        model=asked.model,
        messages=_parse_input(asked.input),
        sampling=Sampling(
            max_tokens=within("max_output_tokens", asked.max_output_tokens, 1, INT32_MAX),
            temperature=within("temperature", asked.temperature, 0, 2),
            top_p=within("top_p", asked.top_p, 0, 1) or None,
        ),
        response_format=_parse_format(asked.text, options),
        tools=tools,
        tool_choice=parse_tool_choice(_render_choice(asked.tool_choice), tools),
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        reasoning_effort=asked.reasoning.effort if asked.reasoning else None,
        user=asked.user,
    )
    request = ResponseRequest(
        chat=chat,
        instructions=asked.instructions,
        previous_id=asked.previous_response_id,
        store=asked.store is not False,
        metadata=_parse_metadata(asked.metadata or {}),
    )
    return request, ResponseForm(bool(asked.stream), replace(request, chat=replace(chat, messages=())))


def _refuse_unavailable(asked: wire.ResponsesRequest) -> None:
    """Refuse what would change the answer's meaning if it were ignored."""
    if asked.background:
        raise InvalidArgument("`background` is not available on this server.", hint="Leave it out or send false.")
    if not is_null(asked.conversation):
        raise InvalidArgument("`conversation` is not available here.", hint="Send `previous_response_id`.")
    if not is_null(asked.prompt):
        raise InvalidArgument("`prompt` is not available here: there are no stored prompts.", hint="Send `input`.")


def _parse_input(raw: msgspec.Raw) -> tuple[Message, ...]:
    """Return the turns of the input; a string is one turn of the user."""
    if memoryview(raw)[0] == ord('"'):
        return (Message(Role.USER, (TextPart(decode_json(raw, str, where="input")),)),)
    items = decode_json(raw, list[msgspec.Raw], where="input")
    if not items:
        raise InvalidArgument("`input` is empty: send a text or at least one item.")
    turns = Turns()
    for i, item in enumerate(items):
        where = f"input[{i}]"
        kind = decode_json(item, wire.ItemType, where=where).type
        parse = _ITEM_PARSERS.get(kind)
        if parse is None:
            raise InvalidArgument(f"Items of type {kind[:60]!r} are not available on this server.", where=where)
        parse(item, where, turns)
    return turns.finish()


def _add_message(item: msgspec.Raw, where: str, turns: Turns) -> None:
    message = decode_json(item, wire.InputMessage, where=where)
    role = _ROLES.get(message.role)
    if role is None:
        raise mismatch(f"{where}.role", f"expected `user`, `assistant`, `system` or `developer`, got {message.role!r}")
    turns.add(Message(role, _parse_parts(message.content, f"{where}.content", role)))


def _add_call(item: msgspec.Raw, where: str, turns: Turns) -> None:
    call = decode_json(item, wire.FunctionCallItem, where=where)
    turns.add_call(parse_call(call.call_id, call.name, call.arguments, where=f"{where}.arguments"))


def _add_output(item: msgspec.Raw, where: str, turns: Turns) -> None:
    given = decode_json(item, wire.FunctionCallOutput, where=where)
    turns.add_result(given.call_id, _parse_parts(given.output, f"{where}.output", Role.USER))


def _skip(item: msgspec.Raw, where: str, turns: Turns) -> None:
    """Take earlier reasoning, which is not shown to the model again."""


_ITEM_PARSERS: dict[str, Callable[[msgspec.Raw, str, Turns], None]] = {
    "message": _add_message,
    "function_call": _add_call,
    "function_call_output": _add_output,
    "reasoning": _skip,
}


def _parse_parts(content: str | Sequence[wire.InputPart], where: str, role: Role) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),)
    if not content:
        raise InvalidArgument("A list of content parts needs at least one part.", where=where)
    return tuple(_parse_part(part, f"{where}[{i}]", role) for i, part in enumerate(content))


def _parse_part(part: wire.InputPart, where: str, role: Role) -> Part:
    match part:
        case wire.InputText() | wire.OutputText():
            return TextPart(part.text)
        case wire.Refusal():
            return TextPart(part.refusal)
    if role is not Role.USER:
        raise InvalidArgument(
            f"Images are only taken in user messages, not in a message of role `{role}`.", where=where
        )
    if part.file_id:
        raise InvalidArgument("Files are not available on this server.", where=f"{where}.file_id", hint="Send a URL.")
    where = f"{where}.image_url"
    detail = Detail(part.detail or Detail.AUTO)
    return ImagePart(ImageReference(url=decode_text(part.image_url, where=where), detail=detail, where=where))


def _parse_tools(tools: list[wire.FunctionTool], options: HttpOptions) -> tuple[Tool, ...]:
    check_tool_count(len(tools))
    return tuple(_parse_tool(tool, f"tools[{i}]", options) for i, tool in enumerate(tools))


def _parse_tool(tool: wire.FunctionTool, where: str, options: HttpOptions) -> Tool:
    if tool.type != "function":
        raise InvalidArgument(
            f"Tools of type {tool.type[:60]!r} are not available on this server.",
            where=f"{where}.type",
            hint="It calls only the functions that you describe.",
        )
    if not tool.name:
        raise mismatch(where, "missing field `name`")
    function = wire_chat.FunctionSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
    return parse_function(function, where=f"{where}.parameters", options=options)


def _render_choice(choice: str | wire.NamedFunctionTool | None) -> str | wire_chat.NamedTool | None:
    """Return the choice in the words of the chat route."""
    if isinstance(choice, wire.NamedFunctionTool):
        return wire_chat.NamedTool(type="function", function=wire_chat.NamedFunction(name=choice.name))
    return choice


def _parse_format(text: wire.TextConfig | None, options: HttpOptions) -> JsonFormat | None:
    match text.format if text else None:
        case wire.AnyObjectFormat():
            return JsonFormat(schema=None)
        case wire.SchemaFormat() as wanted:
            schema = parse_schema(wanted.schema, where="text.format.schema", options=options)
            return JsonFormat(schema=schema, name=wanted.name, strict=wanted.strict is not False)
        case _:
            return None


def _parse_metadata(metadata: dict[str, str]) -> tuple[tuple[str, str], ...]:
    if len(metadata) > _MOST_METADATA:
        raise InvalidArgument(f"`metadata` may have {_MOST_METADATA} entries at most, but has {len(metadata)}.")
    if any(len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE for key, value in metadata.items()):
        raise InvalidArgument(
            f"A key of `metadata` may have {_LONGEST_KEY} characters at most, a value {_LONGEST_VALUE}."
        )
    return tuple(metadata.items())
