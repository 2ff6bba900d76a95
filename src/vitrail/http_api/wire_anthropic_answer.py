"""The JSON of Anthropic-shaped answers: a whole message, the events of a streamed one, errors."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct, field

StopReasonName = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class MessageUsage(Struct):
    """Token counts: the three kinds of input together are text and images; the output has the reasoning in it."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int


class AnswerText(Struct, tag_field="type", tag="text"):
    """Text of the answer."""

    text: str


class AnswerThinking(Struct, tag_field="type", tag="thinking"):
    """Reasoning of the model, shown when `thinking` asks for it; not signed."""

    thinking: str
    signature: str = ""


class AnswerToolUse(Struct, tag_field="type", tag="tool_use"):
    """A tool that the model calls."""

    id: str
    name: str
    input: Raw = field(default_factory=lambda: Raw(b"{}"))


AnswerBlock = AnswerText | AnswerThinking | AnswerToolUse


class AnthropicMessage(Struct):
    """A whole answer; in a stream's first event, one without content."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[AnswerBlock]
    model: str
    stop_reason: StopReasonName | None
    stop_sequence: str | None
    usage: MessageUsage


class CountedTokens(Struct):
    """What a request would count as input."""

    input_tokens: int


class MessageStart(Struct, tag_field="type", tag="message_start"):
    """The first event of a stream."""

    message: AnthropicMessage


class BlockStart(Struct, tag_field="type", tag="content_block_start"):
    """A block of the answer begins."""

    index: int
    content_block: AnswerBlock


class TextDelta(Struct, tag_field="type", tag="text_delta"):
    """More text."""

    text: str


class ThinkingDelta(Struct, tag_field="type", tag="thinking_delta"):
    """More reasoning."""

    thinking: str


class InputDelta(Struct, tag_field="type", tag="input_json_delta"):
    """The input of a tool call, as JSON text."""

    partial_json: str


class BlockDelta(Struct, tag_field="type", tag="content_block_delta"):
    """A block of the answer goes on."""

    index: int
    delta: TextDelta | ThinkingDelta | InputDelta


class BlockStop(Struct, tag_field="type", tag="content_block_stop"):
    """A block of the answer is complete."""

    index: int


class StopDelta(Struct):
    """Why the answer ended."""

    stop_reason: StopReasonName
    stop_sequence: str | None


class MessageDelta(Struct, tag_field="type", tag="message_delta"):
    """The end of the answer with the usage of all of it."""

    delta: StopDelta
    usage: MessageUsage


class MessageStop(Struct, tag_field="type", tag="message_stop"):
    """The last event of a stream."""


class Ping(Struct, tag_field="type", tag="ping"):
    """A sign of life."""


class ErrorDetail(Struct):
    """What went wrong."""

    type: str
    message: str


class ErrorAnswer(Struct, tag_field="type", tag="error"):
    """The body of a refusal, and the last event of a stream that failed."""

    error: ErrorDetail


StreamEvent = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Ping | ErrorAnswer
STREAM_EVENTS = (MessageStart, BlockStart, BlockDelta, BlockStop, MessageDelta, MessageStop, Ping, ErrorAnswer)
