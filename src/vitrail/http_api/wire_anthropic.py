"""The JSON of `POST /v1/messages` and `/v1/messages/count_tokens` requests, in Anthropic's shape.

Fields that this server takes but does not use (`top_k`, caching) are not here: unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from vitrail.http_api.wire_chat import JsonObject, JsonObjectOrNull, JsonString, Temperature, TopPOrZero, json_null


class Base64Source(Struct, tag_field="type", tag="base64"):
    """A JPEG or PNG inside the request."""

    media_type: str
    data: JsonString


class UrlSource(Struct, tag_field="type", tag="url"):
    """An http(s) address of a JPEG or PNG."""

    url: JsonString


class TextBlock(Struct, tag_field="type", tag="text"):
    """A text element of a turn."""

    text: str


class SystemBlock(Struct):
    """A text element of the system prompt."""

    text: str
    type: Literal["text"] = "text"


class ImageBlock(Struct, tag_field="type", tag="image"):
    """An image element of a user turn or of what a tool gave."""

    source: Base64Source | UrlSource


class ToolUseBlock(Struct, tag_field="type", tag="tool_use"):
    """A tool call that the assistant made."""

    id: str
    name: str
    input: JsonObject


class ToolResultBlock(Struct, tag_field="type", tag="tool_result"):
    """What a called tool gave."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] | None = None


class ThinkingBlock(Struct, tag_field="type", tag="thinking"):
    """Earlier reasoning of the assistant: taken, and not shown to the model again."""


class RedactedThinkingBlock(Struct, tag_field="type", tag="redacted_thinking"):
    """Earlier reasoning that nobody can read: taken and ignored."""


Block = TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock


class Turn(Struct):
    """One turn of the conversation."""

    role: Annotated[str, Meta(extra_json_schema={"enum": ["user", "assistant", "system"]})]
    content: str | list[Block]


class ClientTool(Struct):
    """A function that the model may call; tools that a server would run itself are refused."""

    name: str
    description: str | None = None
    input_schema: JsonObjectOrNull = field(default_factory=json_null)
    type: str | None = None


class AutoToolChoice(Struct, tag_field="type", tag="auto"):
    """A tool may be called."""

    disable_parallel_tool_use: bool | None = None


class AnyToolChoice(Struct, tag_field="type", tag="any"):
    """Some tool has to be called."""

    disable_parallel_tool_use: bool | None = None


class NamedToolChoice(Struct, tag_field="type", tag="tool"):
    """The one tool that has to be called."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoToolChoice(Struct, tag_field="type", tag="none"):
    """No tool may be called."""


ToolChoice = AutoToolChoice | AnyToolChoice | NamedToolChoice | NoToolChoice


class Thinking(Struct):
    """Whether the answer shows the model's reasoning, where there is any."""

    type: str


class OutputFormat(Struct):
    """The answer is JSON of this schema."""

    type: Literal["json_schema"]
    schema: JsonObject


class OutputConfig(Struct):
    """The shape wanted of the answer, and how much reasoning goes into it."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(Struct):
    """Who asks."""

    user_id: str | None = None


class CountedMessages(Struct, kw_only=True):
    """The body of `POST /v1/messages/count_tokens`."""

    model: str
    messages: Annotated[list[Turn], Meta(extra_json_schema={"minItems": 1})]
    system: str | list[SystemBlock] | None = None
    tools: Annotated[list[ClientTool], Meta(extra_json_schema={"maxItems": 128})] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None


class MessagesRequest(CountedMessages, kw_only=True):
    """The body of `POST /v1/messages`. Optional fields may be null; unknown fields are ignored."""

    max_tokens: Annotated[int, Meta(extra_json_schema={"minimum": 1})]
    stop_sequences: Annotated[list[str], Meta(description="Up to 4 texts before which the answer ends.")] | None = None
    temperature: Temperature | None = None
    top_p: TopPOrZero | None = None
    metadata: Metadata | None = None
    stream: bool | None = None
