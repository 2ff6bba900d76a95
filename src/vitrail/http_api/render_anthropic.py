"""Turn completions and chunks into Anthropic's JSON and named events. Called by the routes under `/v1/messages`."""

from __future__ import annotations

import msgspec

from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import Chunk, Completion, CompletionHead, FinishReason, Usage
from vitrail.domain.errors import Failure
from vitrail.http_api import wire_anthropic_answer as wire
from vitrail.http_api.errors_anthropic import render_anthropic_error
from vitrail.http_api.streaming import render_event

_STOP_REASONS: dict[FinishReason, wire.StopReasonName] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
}


def render_message(completion: Completion, *, shows_thinking: bool) -> wire.AnthropicMessage:
    """Return a whole answer; without text and calls it has one empty text block, for clients that read the first."""
    choice = completion.choices[0]
    content: list[wire.AnswerBlock] = []
    if shows_thinking and choice.reasoning:
        content.append(wire.AnswerThinking(thinking=choice.reasoning))
    if choice.text or not choice.tool_calls:
        content.append(wire.AnswerText(text=choice.text))
    content += [
        wire.AnswerToolUse(id=call.id, name=call.name, input=msgspec.Raw(_render_input(call).encode()))
        for call in choice.tool_calls
    ]
    reason, sequence = _render_stop(choice.finish_reason, choice.stop_sequence)
    return _message(completion.head, content, reason, sequence, completion.usage)


class MessageEvents:
    """The events of one streamed answer; blocks come one after the other, each opened and closed."""

    keep_alive = render_event(wire.Ping(), name="ping")

    def __init__(self, head: CompletionHead, *, prompt: Usage, shows_thinking: bool) -> None:
        self._head = head
        self._usage = prompt
        self._shows_thinking = shows_thinking
        self._stop: tuple[FinishReason, str | None] = (FinishReason.STOP, None)
        self._blocks = 0
        self._open: type[wire.AnswerBlock] | None = None

    def open(self) -> bytes:
        """Return the events before the first chunk."""
        start = wire.MessageStart(_message(self._head, [], None, None, self._usage))
        return _events([start, wire.Ping()])

    def render(self, chunk: Chunk) -> bytes:
        """Return the events of one chunk."""
        self._usage = chunk.usage
        events: list[wire.StreamEvent] = []
        if chunk.reasoning and self._shows_thinking:
            events += self._enter(wire.AnswerThinking(thinking=""))
            events.append(self._delta(wire.ThinkingDelta(chunk.reasoning)))
        if chunk.text:
            events += self._enter(wire.AnswerText(text=""))
            events.append(self._delta(wire.TextDelta(chunk.text)))
        for call in chunk.tool_calls:
            events += self._leave()
            events += self._enter(wire.AnswerToolUse(id=call.id, name=call.name))
            events.append(self._delta(wire.InputDelta(_render_input(call))))
        if chunk.finish_reason is not None:
            self._stop = (chunk.finish_reason, chunk.stop_sequence)
        return _events(events)

    def close(self) -> bytes:
        """Return the events after the last chunk: the usage and why it ended."""
        events: list[wire.StreamEvent] = []
        if not self._blocks:
            events += self._enter(wire.AnswerText(text=""))
        events += self._leave()
        end = wire.MessageDelta(wire.StopDelta(*_render_stop(*self._stop)), _render_usage(self._usage))
        return _events([*events, end, wire.MessageStop()])

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends a stream that failed."""
        return _events([render_anthropic_error(failure)])

    def _enter(self, block: wire.AnswerBlock) -> list[wire.StreamEvent]:
        """Return the events that lead into a block of this kind; none if one is open."""
        if self._open is type(block):
            return []
        events = self._leave()
        self._open = type(block)
        self._blocks += 1
        return [*events, wire.BlockStart(self._blocks - 1, block)]

    def _leave(self) -> list[wire.StreamEvent]:
        if self._open is None:
            return []
        self._open = None
        return [wire.BlockStop(self._blocks - 1)]

    def _delta(self, delta: wire.TextDelta | wire.ThinkingDelta | wire.InputDelta) -> wire.BlockDelta:
        return wire.BlockDelta(self._blocks - 1, delta)


def _message(
    head: CompletionHead,
    content: list[wire.AnswerBlock],
    reason: wire.StopReasonName | None,
    sequence: str | None,
    usage: Usage,
) -> wire.AnthropicMessage:
    return wire.AnthropicMessage(
        id=head.id,
        type="message",
        role="assistant",
        content=content,
        model=head.model,
        stop_reason=reason,
        stop_sequence=sequence,
        usage=_render_usage(usage),
    )


def _render_stop(reason: FinishReason, sequence: str | None) -> tuple[wire.StopReasonName, str | None]:
    return ("stop_sequence", sequence) if sequence is not None else (_STOP_REASONS[reason], None)


def _render_usage(usage: Usage) -> wire.MessageUsage:
    """Return token counts as Anthropic adds them up: input and cached input exclude each other."""
    return wire.MessageUsage(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        output_tokens=usage.completion_tokens + usage.reasoning_tokens,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=usage.cached_tokens,
    )


def _render_input(call: ToolCall) -> str:
    """Return a call's arguments as the JSON text of an object, also where an engine gave none that is one."""
    try:
        msgspec.json.decode(call.arguments, type=dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.json.encode({"INVALID_JSON": call.arguments}).decode()
    return call.arguments


def _events(events: list[wire.StreamEvent]) -> bytes:
    return b"".join(render_event(event, name=str(event.__struct_config__.tag)) for event in events)
