"""Turn the body of an Anthropic-shaped request into a ChatRequest. Called by the routes under `/v1/messages`.

An image becomes the same reference as on the chat route: base64 data becomes a data URI. What is the same in both
shapes (tools, stop sequences, ranges) is parsed by parse_chat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from vitrail.domain.chat import ChatRequest, ImagePart, JsonFormat, Message, Role, Sampling, TextPart, Tool, ToolCall
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.http_api import wire_anthropic as wire
from vitrail.http_api import wire_chat
from vitrail.http_api.json_body import decode_body, decode_object_text, decode_text, mismatch
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_chat import parse_function, parse_schema, parse_stop, parse_tool_choice
from vitrail.http_api.parse_turns import Part, Turns
from vitrail.service.arguments import INT32_MAX, check_tool_count, within

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


@dataclass(frozen=True, slots=True)
class MessageForm:
    """How the client wants the answer."""

    stream: bool
    shows_thinking: bool


def parse_anthropic(body: bytes | bytearray, options: HttpOptions) -> tuple[ChatRequest, MessageForm]:
    """Parse a request for a message; raises as parse_chat does."""
    asked = decode_body(body, wire.MessagesRequest)
    sampling = Sampling(
        max_tokens=within("max_tokens", asked.max_tokens, 1, INT32_MAX),
        temperature=within("temperature", asked.temperature, 0, 2),
        top_p=within("top_p", asked.top_p, 0, 1) or None,
        stop=parse_stop(asked.stop_sequences, name="stop_sequences"),
    )
    user = asked.metadata.user_id if asked.metadata else None
    form = MessageForm(stream=bool(asked.stream), shows_thinking=_shows_thinking(asked.thinking))
    return _parse_prompt(asked, options, sampling=sampling, user=user), form


def parse_counted(body: bytes | bytearray, options: HttpOptions) -> tuple[ChatRequest, None]:
    """Parse a request that is only to be counted."""
    return _parse_prompt(decode_body(body, wire.CountedMessages), options), None


def _parse_prompt(
    asked: wire.CountedMessages, options: HttpOptions, *, sampling: Sampling | None = None, user: str | None = None
) -> ChatRequest:
    if not asked.messages:
        raise InvalidArgument("`messages` is empty: send at least one message.")
    turns = Turns()
    if asked.system:
        turns.add(Message(Role.SYSTEM, _parse_system(asked.system)))
    for i, turn in enumerate(asked.messages):
        _parse_turn(turn, f"messages[{i}]", turns)
    tools = _parse_tools(asked.tools or [], options)
    choice, config = asked.tool_choice, asked.output_config
    effort = config.effort if config else None
    return ChatRequest(
        model=asked.model,
        messages=turns.finish(),
        sampling=sampling or Sampling(),
        response_format=_parse_format(config, options),
        tools=tools,
        tool_choice=parse_tool_choice(_render_choice(choice), tools),
        parallel_tool_calls=isinstance(choice, wire.NoToolChoice | None) or not choice.disable_parallel_tool_use,
        reasoning_effort="xhigh" if effort == "max" else effort,
        user=user,
    )


def _parse_system(system: str | list[wire.SystemBlock]) -> tuple[TextPart, ...]:
    return (TextPart(system),) if isinstance(system, str) else tuple(TextPart(block.text) for block in system)


def _parse_turn(turn: wire.Turn, where: str, turns: Turns) -> None:
    """Add what a turn says; what tools gave goes before it, as messages of their own."""
    role = _ROLES.get(turn.role)
    if role is None:
        raise mismatch(f"{where}.role", f"expected `user`, `assistant` or `system`, got {turn.role[:40]!r}")
    if isinstance(turn.content, str):
        turns.add(Message(role, (TextPart(turn.content),)))
        return
    if not turn.content:
        raise InvalidArgument("A list of content blocks needs at least one block.", where=f"{where}.content")
    parts: list[Part] = []
    calls: list[ToolCall] = []
    has_results = False
    for i, block in enumerate(turn.content):
        place = f"{where}.content[{i}]"
        match block:
            case wire.TextBlock():
                parts.append(TextPart(block.text))
            case wire.ImageBlock():
                _check_role(role, Role.USER, "Images are", place)
                parts.append(_parse_image(block, place))
            case wire.ToolUseBlock():
                _check_role(role, Role.ASSISTANT, "Tool calls are", place)
                calls.append(ToolCall(block.id, block.name, decode_object_text(block.input, where=f"{place}.input")))
            case wire.ToolResultBlock():
                _check_role(role, Role.USER, "Tool results are", place)
                turns.add_result(block.tool_use_id, _parse_result(block, place))
                has_results = True
            case wire.ThinkingBlock() | wire.RedactedThinkingBlock():
                continue
            case _:
                assert_never(block)
    if parts or calls or not has_results:
        turns.add(Message(role, tuple(parts), tool_calls=tuple(calls)))


def _check_role(role: Role, taken: Role, what: str, where: str) -> None:
    if role is not taken:
        raise InvalidArgument(f"{what} only taken in {taken} messages, not in one of role `{role}`.", where=where)


def _parse_result(block: wire.ToolResultBlock, where: str) -> list[Part]:
    if block.content is None or isinstance(block.content, str):
        return [TextPart(block.content or "")]
    return [
        TextPart(part.text) if isinstance(part, wire.TextBlock) else _parse_image(part, f"{where}.content[{i}]")
        for i, part in enumerate(block.content)
    ]


def _parse_image(block: wire.ImageBlock, where: str) -> ImagePart:
    source = block.source
    if isinstance(source, wire.UrlSource):
        where = f"{where}.source.url"
        url = decode_text(source.url, where=where)
    else:
        where = f"{where}.source.data"
        head = f"data:{source.media_type};base64,".encode()
        url = memoryview(b"".join((head, decode_text(source.data, where=where))))
    return ImagePart(ImageReference(url=url, detail=Detail.AUTO, where=where))


def _parse_tools(tools: list[wire.ClientTool], options: HttpOptions) -> tuple[Tool, ...]:
    check_tool_count(len(tools))
    return tuple(_parse_tool(tool, f"tools[{i}]", options) for i, tool in enumerate(tools))


def _parse_tool(tool: wire.ClientTool, where: str, options: HttpOptions) -> Tool:
    if tool.type not in (None, "custom"):
        raise InvalidArgument(
            f"Tools of type {tool.type[:60]!r} are not available on this server.",
            where=f"{where}.type",
            hint="It calls only the functions that you describe with `input_schema`.",
        )
    function = wire_chat.FunctionSpec(name=tool.name, description=tool.description, parameters=tool.input_schema)
    return parse_function(function, where=f"{where}.input_schema", options=options)


def _render_choice(choice: wire.ToolChoice | None) -> str | wire_chat.NamedTool | None:
    """Return the choice in the words of the chat route."""
    match choice:
        case None:
            return None
        case wire.AutoToolChoice():
            return "auto"
        case wire.AnyToolChoice():
            return "required"
        case wire.NoToolChoice():
            return "none"
        case wire.NamedToolChoice(name=name):
            return wire_chat.NamedTool(type="function", function=wire_chat.NamedFunction(name=name))


def _parse_format(config: wire.OutputConfig | None, options: HttpOptions) -> JsonFormat | None:
    if config is None or config.format is None:
        return None
    return JsonFormat(schema=parse_schema(config.format.schema, where="output_config.format.schema", options=options))


def _shows_thinking(thinking: wire.Thinking | None) -> bool:
    return thinking is not None and thinking.type != "disabled"
