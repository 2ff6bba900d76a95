"""Turn the chunks of a streamed response into named events with sequence numbers. Called by the responses route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import Chunk, CompletionHead, FinishReason, Usage
from vitrail.domain.errors import Failure
from vitrail.domain.responses import ResponseRequest
from vitrail.http_api import wire_response as wire
from vitrail.http_api.errors import utf8_sentence
from vitrail.http_api.render_responses import (
    call_item,
    item_status,
    message_item,
    output_text,
    reasoning_item,
    render_frame,
)
from vitrail.http_api.streaming import KEEP_ALIVE, render_event

Kind = Literal["reasoning", "message"]


@dataclass(slots=True)
class _OpenItem:
    """An item that text is still added to."""

    kind: Kind
    index: int
    number: int  # among the items of its kind
    id: str
    texts: list[str] = field(default_factory=list)


class ResponseEvents:
    """The events of one stream; items come one after the other, each begun, filled and completed."""

    keep_alive = KEEP_ALIVE

    def __init__(
        self, head: CompletionHead, request: ResponseRequest, *, prompt: Usage, completed_at: Callable[[], datetime]
    ) -> None:
        self._head = head
        self._request = request
        self._usage = prompt
        self._completed_at = completed_at
        self._reason = FinishReason.STOP
        self._sequence_number = 0
        self._output: list[wire.OutputItem] = []
        self._open: _OpenItem | None = None
        self._spoke = False
        self._events: list[bytes] = []

    def open(self) -> bytes:
        """Return the events before the first chunk."""
        frame = render_frame(self._request, self._head, status="in_progress", output=[])
        self._add(wire.ResponseEvent(type="response.created", response=frame))
        self._add(wire.ResponseEvent(type="response.in_progress", response=frame))
        return self._take()

    def render(self, chunk: Chunk) -> bytes:
        """Return the events of one chunk."""
        self._usage = chunk.usage
        self._reason = chunk.finish_reason or self._reason
        if chunk.reasoning:
            self._think(chunk.reasoning)
        if chunk.text:
            self._speak(chunk.text)
        for call in chunk.tool_calls:
            self._call(call)
        return self._take()

    def close(self) -> bytes:
        """Return the events after the last chunk, the whole response in the last one."""
        status = item_status(self._reason)
        if not self._spoke and not self._count(wire.CallItem):
            self._enter("message")
        self._leave(status)
        frame = render_frame(
            self._request,
            self._head,
            status=status,
            output=self._output,
            usage=self._usage,
            completed_at=int(self._completed_at().timestamp()),
        )
        self._add(wire.ResponseEvent(type=f"response.{status}", response=frame))
        return self._take()

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends a stream that failed."""
        error = wire.ResponseError(code="server_error", message=utf8_sentence(failure))
        frame = render_frame(
            self._request, self._head, status="failed", output=self._output, usage=self._usage, error=error
        )
        self._add(wire.ResponseEvent(type="response.failed", response=frame))
        return self._take()

    def _think(self, text: str) -> None:
        item = self._enter("reasoning")
        item.texts.append(text)
        name = "response.reasoning_summary_text.delta"
        self._add(wire.TextEvent(type=name, item_id=item.id, output_index=item.index, summary_index=0, delta=text))

    def _speak(self, text: str) -> None:
        item = self._enter("message")
        item.texts.append(text)
        self._spoke = True
        self._add(
            wire.TextEvent(
                type="response.output_text.delta",
                item_id=item.id,
                output_index=item.index,
                content_index=0,
                delta=text,
                logprobs=[],
            )
        )

    def _call(self, call: ToolCall) -> None:
        """Write a whole function call; engines give no parts of one."""
        self._leave("completed")
        index, number = len(self._output), self._count(wire.CallItem)
        begun = call_item(self._head, call, status="in_progress", number=number)
        name = "response.function_call_arguments"
        self._begin_item(index, begun)
        self._add(wire.ArgumentsEvent(type=f"{name}.delta", item_id=begun.id, output_index=index, delta=call.arguments))
        self._add(
            wire.ArgumentsEvent(type=f"{name}.done", item_id=begun.id, output_index=index, arguments=call.arguments)
        )
        self._finish_item(index, call_item(self._head, call, number=number))

    def _enter(self, kind: Kind) -> _OpenItem:
        """Return the open item of this kind, begun now if there is none."""
        if self._open is not None and self._open.kind == kind:
            return self._open
        self._leave("completed")
        index = len(self._output)
        if kind == "reasoning":
            number = self._count(wire.ReasoningItem)
            reasoning = reasoning_item(self._head, "", status="in_progress", number=number)
            self._open = _OpenItem(kind, index, number, reasoning.id)
            self._begin_item(index, reasoning)
            self._mark_summary("added", self._open, "")
        else:
            number = self._count(wire.MessageItem)
            message = message_item(self._head, "", status="in_progress", number=number)
            self._open = _OpenItem(kind, index, number, message.id)
            self._begin_item(index, message)
            self._mark_part("added", self._open, "")
        return self._open

    def _leave(self, status: wire.ItemStatus) -> None:
        """Complete the open item, if there is one."""
        item, self._open = self._open, None
        if item is None:
            return
        text = "".join(item.texts)
        if item.kind == "reasoning":
            name = "response.reasoning_summary_text.done"
            self._add(wire.TextEvent(type=name, item_id=item.id, output_index=item.index, summary_index=0, text=text))
            self._mark_summary("done", item, text)
            self._finish_item(item.index, reasoning_item(self._head, text, number=item.number))
        else:
            self._add(
                wire.TextEvent(
                    type="response.output_text.done",
                    item_id=item.id,
                    output_index=item.index,
                    content_index=0,
                    text=text,
                    logprobs=[],
                )
            )
            self._mark_part("done", item, text)
            self._finish_item(item.index, message_item(self._head, text, status=status, number=item.number))

    def _mark_summary(self, step: str, item: _OpenItem, text: str) -> None:
        self._add(
            wire.SummaryPartEvent(
                type=f"response.reasoning_summary_part.{step}",
                item_id=item.id,
                output_index=item.index,
                summary_index=0,
                part=wire.SummaryText(text),
            )
        )

    def _mark_part(self, step: str, item: _OpenItem, text: str) -> None:
        self._add(
            wire.PartEvent(
                type=f"response.content_part.{step}",
                item_id=item.id,
                output_index=item.index,
                content_index=0,
                part=output_text(text),
            )
        )

    def _begin_item(self, index: int, item: wire.OutputItem) -> None:
        self._add(wire.ItemEvent(type="response.output_item.added", output_index=index, item=item))

    def _finish_item(self, index: int, item: wire.OutputItem) -> None:
        self._output.append(item)
        self._add(wire.ItemEvent(type="response.output_item.done", output_index=index, item=item))

    def _count(self, kind: type[wire.OutputItem]) -> int:
        return sum(isinstance(item, kind) for item in self._output)

    def _add(self, event: wire.Event) -> None:
        """Number an event and keep it until the chunk's events are taken."""
        event.sequence_number = self._sequence_number
        self._sequence_number += 1
        self._events.append(render_event(event, name=event.type))

    def _take(self) -> bytes:
        taken = b"".join(self._events)
        self._events.clear()
        return taken
