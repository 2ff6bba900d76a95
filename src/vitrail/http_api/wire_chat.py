"""The JSON of a chat completion request, as Structs that msgspec decodes and OpenAPI shows.

Fields that this server takes but does not use (search, caching, service tier) are not here: unknown fields are ignored.
Where a value may be megabytes it is `Raw`, a view into the request body.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

DetailName = Literal["auto", "low", "high"]
EffortName = Literal["none", "low", "medium", "high", "xhigh"]
ToolModeName = Literal["none", "auto", "required"]

# Ranges are for the documentation: parse_chat checks them, so that a value out of range is 400 and not 422.
Penalty = Annotated[float, Meta(extra_json_schema={"minimum": -2, "maximum": 2})]
Temperature = Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": 2})]
TopP = Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": 1})]
TopPOrZero = Annotated[float, Meta(description="0 is as if not sent.", extra_json_schema={"minimum": 0, "maximum": 1})]
TopLogprobs = Annotated[int, Meta(description="Needs `logprobs`.", extra_json_schema={"minimum": 0, "maximum": 8})]

JsonString = Annotated[Raw, Meta(extra_json_schema={"type": "string"})]
JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
LogitBias = Annotated[
    Raw,
    Meta(
        description="From token id to bias. Checked, but has no effect.",
        extra_json_schema={
            "type": ["object", "null"],
            "propertyNames": {"pattern": "^[0-9]+$"},
            "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
        },
    ),
]
JsonObjectOrNull = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]  # msgspec has no `Raw | None`


def json_null() -> Raw:
    """Return what a raw field holds that was not sent."""
    return Raw(b"null")


class ImageUrl(Struct):
    """A data URI or an http(s) URL of a JPEG or PNG, and how closely to look at it."""

    url: JsonString
    detail: DetailName | None = None


class TextPart(Struct, tag_field="type", tag="text"):
    """A text element of a message."""

    text: str


class ImagePart(Struct, tag_field="type", tag="image_url"):
    """An image element of a user message."""

    image_url: ImageUrl
    detail: DetailName | None = None


Content = str | list[TextPart | ImagePart]


class FunctionCall(Struct):
    """A function's name and its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(Struct):
    """A function call that the assistant made."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class SystemMessage(Struct, tag_field="role", tag="system"):
    """Instructions; allowed anywhere and any number of times."""

    content: Content
    name: str | None = None


class DeveloperMessage(Struct, tag_field="role", tag="developer"):
    """Instructions under their newer name."""

    content: Content
    name: str | None = None


class UserMessage(Struct, tag_field="role", tag="user"):
    """A turn of the user: text and images in any order."""

    content: Content
    name: str | None = None


class AssistantMessage(Struct, tag_field="role", tag="assistant"):
    """An earlier turn of the model."""

    content: Content | None = None
    tool_calls: list[ToolCall] | None = None
    name: str | None = None


class ToolMessage(Struct, tag_field="role", tag="tool"):
    """What a called function gave."""

    content: Content
    tool_call_id: str
    name: str | None = None


class FunctionMessage(Struct, tag_field="role", tag="function"):
    """What a called function gave, in the form of 2023."""

    content: Content
    name: str | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class StreamOptions(Struct):
    """Whether a stream ends in a chunk with the usage; when not sent, every chunk has it."""

    include_usage: bool


class TextFormat(Struct, tag_field="type", tag="text"):
    """The answer is plain text."""


class JsonObjectFormat(Struct, tag_field="type", tag="json_object"):
    """The answer is some JSON object."""


class JsonSchema(Struct):
    """A JSON Schema and its name."""

    schema: JsonObject
    name: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Struct, tag_field="type", tag="json_schema"):
    """The answer is JSON of this schema."""

    json_schema: JsonSchema


class FunctionSpec(Struct):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: JsonObjectOrNull = field(default_factory=json_null)


class Tool(Struct):
    """Something that the model may use; only functions."""

    type: Literal["function"]
    function: FunctionSpec


class NamedFunction(Struct):
    """A function by its name."""

    name: str


class NamedTool(Struct):
    """The one function that the model has to call."""

    type: Literal["function"]
    function: NamedFunction


class ChatCompletionRequest(Struct):
    """The body of `POST /v1/chat/completions`. Optional fields may be null; unknown fields are ignored."""

    model: str
    messages: Annotated[list[Message], Meta(extra_json_schema={"minItems": 1})]
    deferred: bool | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: LogitBias = field(default_factory=json_null)
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    max_tokens: Annotated[int, Meta(description="The older name of `max_completion_tokens`.")] | None = None
    max_completion_tokens: Annotated[int, Meta(extra_json_schema={"minimum": 1})] | None = None
    n: Annotated[int, Meta(description="How many answers.", extra_json_schema={"minimum": 1})] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: EffortName | None = None
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    seed: Annotated[int, Meta(description="Best effort.", extra_json_schema={"format": "int32"})] | None = None
    stop: Annotated[str | list[str], Meta(description="Up to 4 texts before which the answer ends.")] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    tools: Annotated[list[Tool], Meta(extra_json_schema={"maxItems": 128})] | None = None
    tool_choice: ToolModeName | NamedTool | None = None
    user: str | None = None
