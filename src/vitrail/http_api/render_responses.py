"""Turn completions into the JSON of `/v1/responses`. Called by the responses routes and by their event stream."""

from __future__ import annotations

from datetime import datetime

from msgspec import Raw

from vitrail.domain.chat import ChatRequest, JsonFormat, Tool, ToolCall
from vitrail.domain.completion import Completion, CompletionHead, FinishReason, Usage
from vitrail.domain.responses import ResponseRequest
from vitrail.http_api import wire_response as wire


def render_response(request: ResponseRequest, completion: Completion, *, completed_at: datetime) -> wire.Response:
    """Return a whole response: reasoning if there is any, then the text, then the function calls."""
    choice, head = completion.choices[0], completion.head
    status = item_status(choice.finish_reason)
    output: list[wire.OutputItem] = []
    if choice.reasoning:
        output.append(reasoning_item(head, choice.reasoning))
    if choice.text or not choice.tool_calls:
        output.append(message_item(head, choice.text, status=status))
    output += [call_item(head, call, number=i) for i, call in enumerate(choice.tool_calls)]
    return render_frame(
        request, head, status=status, output=output, usage=completion.usage, completed_at=int(completed_at.timestamp())
    )


def render_frame(
    request: ResponseRequest,
    head: CompletionHead,
    *,
    status: wire.ResponseStatus,
    output: list[wire.OutputItem],
    usage: Usage | None = None,
    completed_at: int | None = None,
    error: wire.ResponseError | None = None,
) -> wire.Response:
    """Return a response in any state, with what was asked for shown again."""
    chat = request.chat
    return wire.Response(
        id=head.id,
        object="response",
        created_at=head.created,
        completed_at=completed_at,
        status=status,
        model=head.model,
        output=output,
        usage=_render_usage(usage) if usage else None,
        error=error,
        incomplete_details=wire.IncompleteDetails("max_output_tokens") if status == "incomplete" else None,
        instructions=request.instructions,
        max_output_tokens=chat.sampling.max_tokens,
        metadata={**dict(request.metadata), "system_fingerprint": head.system_fingerprint},
        parallel_tool_calls=chat.parallel_tool_calls,
        previous_response_id=request.previous_id,
        reasoning=wire.ShownReasoning(effort=chat.reasoning_effort),
        store=request.store,
        temperature=chat.sampling.temperature,
        text=wire.ShownText(_render_format(chat.response_format)),
        tool_choice=_render_choice(chat),
        tools=[_render_tool(tool) for tool in chat.tools],
        top_p=chat.sampling.top_p,
        user=chat.user,
    )


def item_status(reason: FinishReason) -> wire.ItemStatus:
    """Return how an answer that ended so has come out; it is the status of the response too."""
    return "incomplete" if reason is FinishReason.LENGTH else "completed"


def reasoning_item(
    head: CompletionHead, text: str, *, status: wire.ItemStatus = "completed", number: int = 0
) -> wire.ReasoningItem:
    """Return the reasoning as an item; one that begins has no text yet."""
    return wire.ReasoningItem(
        id=_item_id("rs", head, number), summary=[wire.SummaryText(text)] if text else [], status=status
    )


def message_item(head: CompletionHead, text: str, *, status: wire.ItemStatus, number: int = 0) -> wire.MessageItem:
    """Return the text of the answer as an item; one that is in progress has no content yet."""
    content = [] if status == "in_progress" else [output_text(text)]
    return wire.MessageItem(id=_item_id("msg", head, number), role="assistant", content=content, status=status)


def call_item(
    head: CompletionHead, call: ToolCall, *, status: wire.ItemStatus = "completed", number: int
) -> wire.CallItem:
    """Return a function call as an item; one that is in progress has no arguments yet."""
    arguments = "" if status == "in_progress" else call.arguments
    return wire.CallItem(
        id=_item_id("fc", head, number), call_id=call.id, name=call.name, arguments=arguments, status=status
    )


def output_text(text: str) -> wire.AnswerOutputText:
    """Return text of the answer as a content part."""
    return wire.AnswerOutputText(text=text, annotations=[], logprobs=[])


def _item_id(kind: str, head: CompletionHead, number: int) -> str:
    """Return an id that is the same in the stream, in the whole answer and when it is read again."""
    return f"{kind}_{head.id}" if number == 0 else f"{kind}_{head.id}_{number}"


def _render_usage(usage: Usage) -> wire.ResponseUsage:
    return wire.ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=wire.InputTokensDetails(
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=0,
            text_tokens=usage.text_tokens,
            image_tokens=usage.image_tokens,
        ),
        output_tokens=usage.completion_tokens + usage.reasoning_tokens,
        output_tokens_details=wire.OutputTokensDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.total_tokens,
        num_sources_used=0,
        num_server_side_tools_used=0,
        cost_in_usd_ticks=usage.cost_ticks,
    )


def _render_format(wanted: JsonFormat | None) -> wire.ShownFormat:
    if wanted is None:
        return wire.ShownFormat(type="text")
    if wanted.schema is None:
        return wire.ShownFormat(type="json_object")
    return wire.ShownFormat(
        type="json_schema", name=wanted.name or "answer", schema=Raw(wanted.schema.encode()), strict=wanted.strict
    )


def _render_choice(chat: ChatRequest) -> str | wire.ShownChoice:
    if chat.tool_choice is None:
        return "auto"
    if chat.tool_choice.name is not None:
        return wire.ShownChoice(type="function", name=chat.tool_choice.name)
    return chat.tool_choice.mode.value


def _render_tool(tool: Tool) -> wire.ShownTool:
    return wire.ShownTool(
        type="function",
        name=tool.name,
        description=tool.description,
        parameters=Raw(tool.parameters.encode()),
        strict=False,
    )
