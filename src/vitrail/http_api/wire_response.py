"""The JSON of a response of `/v1/responses`, and of the named events of a streamed one."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

ResponseStatus = Literal["in_progress", "completed", "incomplete", "failed"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class InputTokensDetails(Struct):
    """What the input tokens are made of."""

    cached_tokens: int
    cache_write_tokens: int
    text_tokens: int
    image_tokens: int


class OutputTokensDetails(Struct):
    """What of the output was reasoning."""

    reasoning_tokens: int


class ResponseUsage(Struct):
    """Token counts; the output has the reasoning in it."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int
    num_sources_used: int
    num_server_side_tools_used: int
    cost_in_usd_ticks: int


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    """Text of the model's reasoning."""

    text: str


class AnswerOutputText(Struct, tag_field="type", tag="output_text"):
    """Text of the answer."""

    text: str
    annotations: list[Any]
    logprobs: list[Any]


class ReasoningItem(Struct, tag_field="type", tag="reasoning"):
    """The model's reasoning."""

    id: str
    summary: list[SummaryText]
    status: ItemStatus


class MessageItem(Struct, tag_field="type", tag="message"):
    """What the model says."""

    id: str
    role: Literal["assistant"]
    content: list[AnswerOutputText]
    status: ItemStatus


class CallItem(Struct, tag_field="type", tag="function_call"):
    """A function that the model calls; `arguments` is JSON text."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


OutputItem = ReasoningItem | MessageItem | CallItem


class ShownTool(Struct):
    """A function that the request offered."""

    type: Literal["function"]
    name: str
    description: str
    parameters: Raw
    strict: bool


class ShownChoice(Struct):
    """The one function that had to be called."""

    type: Literal["function"]
    name: str


class ShownFormat(Struct):
    """The shape that was wanted of the answer."""

    type: str
    name: str | UnsetType = UNSET
    schema: Raw | UnsetType = UNSET
    strict: bool | UnsetType = UNSET


class ShownText(Struct):
    """The shape that was wanted of the answer."""

    format: ShownFormat


class ShownReasoning(Struct):
    """How much reasoning was wanted."""

    effort: str | None
    summary: None = None


class IncompleteDetails(Struct):
    """Why an answer was cut."""

    reason: Literal["max_output_tokens"]


class ResponseError(Struct):
    """Why an answer failed."""

    code: str
    message: str


class Response(Struct):
    """A whole answer with what was asked for; in a stream also one that is not complete yet."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: ResponseStatus
    model: str
    output: list[OutputItem]
    usage: ResponseUsage | None
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: ShownReasoning
    store: bool
    temperature: float | None
    text: ShownText
    tool_choice: str | ShownChoice
    tools: list[ShownTool]
    top_p: float | None
    user: str | None


class DeletedResponse(Struct):
    """A response that is gone."""

    id: str
    object: Literal["response"]
    deleted: bool


class Event(Struct, kw_only=True):
    """What every event of a stream has; the number counts up from 0."""

    type: str
    sequence_number: int = 0


class ResponseEvent(Event):
    """An event about the response as a whole: created, in_progress, completed, incomplete or failed."""

    response: Response


class ItemEvent(Event):
    """An item of the output begins or is complete."""

    output_index: int
    item: OutputItem


class PartEvent(Event):
    """A part of an item begins or is complete."""

    item_id: str
    output_index: int
    content_index: int
    part: AnswerOutputText


class SummaryPartEvent(Event):
    """A part of the reasoning begins or is complete."""

    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class TextEvent(Event):
    """More text of a part, or all of it; `delta` or `text`, at a `content_index` or a `summary_index`."""

    item_id: str
    output_index: int
    content_index: int | UnsetType = UNSET
    summary_index: int | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    logprobs: list[Any] | UnsetType = UNSET


class ArgumentsEvent(Event):
    """The arguments of a function call, as JSON text."""

    item_id: str
    output_index: int
    delta: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


STREAM_EVENTS = (ResponseEvent, ItemEvent, PartEvent, SummaryPartEvent, TextEvent, ArgumentsEvent)
