"""Turn the body of a chat completion request into a ChatRequest. Called by the chat and image-tokens routes.

Knows nothing of keys, models or images: only what is wrong with the request in itself is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from vitrail.domain.chat import ChatRequest, JsonFormat, Sampling, Tool, ToolChoice, ToolMode
from vitrail.domain.errors import InvalidArgument
from vitrail.http_api import wire_chat as wire
from vitrail.http_api.json_body import decode_body, decode_json, decode_object_text, is_null, mismatch
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_messages import parse_messages
from vitrail.service.arguments import (
    INT32_MAX,
    NO_PARAMETERS,
    check_schema_size,
    check_stop,
    check_tool_count,
    choose_mode,
    choose_tool,
    make_sampling,
    within,
)

_MOST_BIASES = 1024
_LONGEST_BIAS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How the client wants the answer; `include_usage` None means that nothing was said about it."""

    stream: bool
    include_usage: bool | None
    deferred: bool


def parse_chat(body: bytes | bytearray, options: HttpOptions) -> tuple[ChatRequest, AnswerForm]:
    """Parse a request body; image URLs are views into it.

    Raises MalformedBody, ShapeMismatch, or InvalidArgument for a value that is out of its range.
    """
    chat = decode_body(body, wire.ChatCompletionRequest)
    tools = parse_tools(chat.tools or [], options)
    _check_logit_bias(chat.logit_bias)
    request = ChatRequest(
        model=chat.model,
        messages=parse_messages(chat.messages),
        sampling=parse_sampling(chat),
        n=within("n", chat.n, 1, options.choices) or 1,
        response_format=parse_format(chat.response_format, options),
        tools=tools,
        tool_choice=parse_tool_choice(chat.tool_choice, tools),
        parallel_tool_calls=chat.parallel_tool_calls is not False,
        reasoning_effort=chat.reasoning_effort,
        user=chat.user,
    )
    form = AnswerForm(
        stream=bool(chat.stream),
        include_usage=chat.stream_options.include_usage if chat.stream_options else None,
        deferred=bool(chat.deferred),
    )
    return request, form


def parse_sampling(chat: wire.ChatCompletionRequest) -> Sampling:
    """Check every number against its range; `max_completion_tokens` goes before its older name."""
    max_completion_tokens = within("max_completion_tokens", chat.max_completion_tokens, 1, INT32_MAX)
    max_tokens = within("max_tokens", chat.max_tokens, 1, INT32_MAX)
    return make_sampling(
        max_tokens=max_tokens if max_completion_tokens is None else max_completion_tokens,
        temperature=chat.temperature,
        top_p=chat.top_p,
        seed=chat.seed,
        stop=listed_stops(chat.stop),
        frequency_penalty=chat.frequency_penalty,
        presence_penalty=chat.presence_penalty,
        logprobs=bool(chat.logprobs),
        top_logprobs=chat.top_logprobs,
    )


def parse_stop(stop: str | list[str] | None, *, name: str = "stop") -> tuple[str, ...]:
    """Return the stop sequences; one may be sent without a list, and empty ones stop nothing."""
    return check_stop(listed_stops(stop), name=name)


def listed_stops(stop: str | list[str] | None) -> list[str]:
    """Return stop sequences as a list, in whichever form they were sent."""
    return [stop] if isinstance(stop, str) else stop or []


def parse_format(
    wanted: wire.TextFormat | wire.JsonObjectFormat | wire.JsonSchemaFormat | None, options: HttpOptions
) -> JsonFormat | None:
    """Return the JSON format that the answer has to have, or None for text."""
    match wanted:
        case wire.JsonObjectFormat():
            return JsonFormat(schema=None)
        case wire.JsonSchemaFormat(json_schema=asked):
            schema = parse_schema(asked.schema, where="response_format.json_schema.schema", options=options)
            return JsonFormat(schema=schema, name=asked.name, strict=asked.strict is not False)
        case _:
            return None


def parse_tools(tools: list[wire.Tool], options: HttpOptions) -> tuple[Tool, ...]:
    """Return the functions that the model may call, with their JSON Schemas as text."""
    check_tool_count(len(tools))
    return tuple(
        parse_function(tool.function, where=f"tools[{i}].function.parameters", options=options)
        for i, tool in enumerate(tools)
    )


def parse_tool_choice(choice: str | wire.NamedTool | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """Return the client's choice; a function that is not among the tools cannot be called."""
    if choice is None:
        return None
    if isinstance(choice, wire.NamedTool):
        return choose_tool(choice.function.name, tools)
    return choose_mode(ToolMode(choice), tools)


def parse_function(function: wire.FunctionSpec, *, where: str, options: HttpOptions) -> Tool:
    """Return a function that may be called; `where` is the place of its schema in the request."""
    parameters = NO_PARAMETERS
    if not is_null(function.parameters):
        parameters = parse_schema(function.parameters, where=where, options=options)
    return Tool(name=function.name, description=function.description or "", parameters=parameters)


def parse_schema(raw: msgspec.Raw, *, where: str, options: HttpOptions) -> str:
    """Return the text of a JSON Schema, or refuse one that is too long or no object."""
    check_schema_size(len(memoryview(raw)), where=where, limits=options)
    return decode_object_text(raw, where=where)


def _check_logit_bias(raw: msgspec.Raw) -> None:
    """Refuse biases that are out of range or too many; the others are accepted and have no effect, as documented."""
    if is_null(raw):
        return
    if len(memoryview(raw)) > _LONGEST_BIAS_BYTES:
        raise InvalidArgument(f"`logit_bias` may have {_MOST_BIASES} entries at most.")
    biases = decode_json(raw, dict[str, float], where="logit_bias")
    if len(biases) > _MOST_BIASES:
        raise InvalidArgument(f"`logit_bias` may have {_MOST_BIASES} entries at most, but has {len(biases)}.")
    for token, bias in biases.items():
        if not (token.isascii() and token.isdecimal()):
            raise mismatch("logit_bias", f"expected token ids as keys, got {token[:20]!r}")
        within(f"logit_bias.{token[:20]}", bias, -100, 100)
