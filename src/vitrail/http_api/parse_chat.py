"""Turn the body of a chat completion request into a ChatRequest. Called by the chat and image-tokens routes.

Knows nothing of keys, models or images: only what is wrong with the request in itself is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from vitrail.domain.chat import ChatRequest, JsonFormat, Sampling, Tool, ToolChoice, ToolMode
from vitrail.domain.errors import InvalidArgument
from vitrail.http_api import wire_chat as wire
from vitrail.http_api.json_body import decode_body, decode_json, decode_object_text, is_null, mismatch
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_messages import parse_messages

Number = TypeVar("Number", int, float)

INT32_MAX = 2**31 - 1
_MOST_TOP_LOGPROBS = 8
_MOST_STOPS = 4
_LONGEST_STOP = 1024  # characters
_MOST_TOOLS = 128
_MOST_BIASES = 1024
_LONGEST_BIAS_BYTES = 64 * 1024
_NO_PARAMETERS = '{"type":"object","properties":{}}'


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
    top_logprobs = within("top_logprobs", chat.top_logprobs, 0, _MOST_TOP_LOGPROBS)
    if top_logprobs and not chat.logprobs:
        raise InvalidArgument("`top_logprobs` needs `logprobs` to be true.")
    max_tokens = within("max_tokens", chat.max_tokens, 1, INT32_MAX)
    max_completion_tokens = within("max_completion_tokens", chat.max_completion_tokens, 1, INT32_MAX)
    if chat.top_p is not None and not 0 < chat.top_p <= 1:
        raise InvalidArgument(f"`top_p` must be over 0 and at most 1, but is {chat.top_p}.")
    return Sampling(
        max_tokens=max_tokens if max_completion_tokens is None else max_completion_tokens,
        temperature=within("temperature", chat.temperature, 0, 2),
        top_p=chat.top_p,
        seed=within("seed", chat.seed, -INT32_MAX - 1, INT32_MAX),
        stop=parse_stop(chat.stop),
        frequency_penalty=within("frequency_penalty", chat.frequency_penalty, -2, 2),
        presence_penalty=within("presence_penalty", chat.presence_penalty, -2, 2),
        logprobs=bool(chat.logprobs),
        top_logprobs=top_logprobs or 0,
    )


def parse_stop(stop: str | list[str] | None, *, name: str = "stop") -> tuple[str, ...]:
    """Return the stop sequences; one may be sent without a list, and empty ones stop nothing."""
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > _MOST_STOPS:
        raise InvalidArgument(f"`{name}` may have {_MOST_STOPS} sequences at most, but has {len(stops)}.")
    if any(len(text) > _LONGEST_STOP for text in stops):
        raise InvalidArgument(f"A sequence in `{name}` may have {_LONGEST_STOP} characters at most.")
    return tuple(text for text in stops if text)


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
        if all(tool.name != choice.function.name for tool in tools):
            raise InvalidArgument(
                f"`tool_choice` names the function {choice.function.name[:64]!r}, not one of `tools`."
            )
        return ToolChoice(ToolMode.REQUIRED, name=choice.function.name)
    if choice == ToolMode.REQUIRED and not tools:
        raise InvalidArgument("`tool_choice` is `required`, but there are no `tools`.")
    return ToolChoice(ToolMode(choice))


def check_tool_count(count: int) -> None:
    """Raise InvalidArgument for more tools than a request may have."""
    if count > _MOST_TOOLS:
        raise InvalidArgument(f"`tools` may have {_MOST_TOOLS} functions at most, but has {count}.")


def parse_function(function: wire.FunctionSpec, *, where: str, options: HttpOptions) -> Tool:
    """Return a function that may be called; `where` is the place of its schema in the request."""
    parameters = _NO_PARAMETERS
    if not is_null(function.parameters):
        parameters = parse_schema(function.parameters, where=where, options=options)
    return Tool(name=function.name, description=function.description or "", parameters=parameters)


def parse_schema(raw: msgspec.Raw, *, where: str, options: HttpOptions) -> str:
    """Return the text of a JSON Schema, or refuse one that is too long or no object."""
    if len(memoryview(raw)) > options.schema_bytes:
        raise InvalidArgument(f"A JSON Schema may have {options.schema_bytes} bytes at most.", where=where)
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


def within(name: str, value: Number | None, low: int, high: int) -> Number | None:
    """Return the value if it is absent or in its range; raises InvalidArgument with name, value and range."""
    if value is not None and not low <= value <= high:
        raise InvalidArgument(f"`{name}` must be between {low} and {high}, but is {_shown(value)}.")
    return value


def _shown(value: float) -> str:
    """Return a number for an error text; a huge integer is not written out."""
    return str(value) if abs(value) < 10**21 else f"{'-' if value < 0 else ''}10^21 or more"
