"""The JSON of a chat completion and of the chunks of a streamed one."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

FinishReasonName = Literal["stop", "length", "tool_calls"]


class PromptTokensDetails(Struct):
    """What the prompt tokens are made of."""

    text_tokens: int
    audio_tokens: int
    image_tokens: int
    cached_tokens: int


class CompletionTokensDetails(Struct):
    """What was generated besides the visible answer."""

    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class Usage(Struct):
    """Token counts; `completion_tokens` leaves out reasoning, `total_tokens` has it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
    reasoning_tokens: int
    num_sources_used: int
    cost_in_usd_ticks: int


class TopLogprob(Struct):
    """A likely token and its log probability; `bytes` is its UTF-8."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(Struct):
    """A token of the answer, its log probability and the likeliest ones at its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class Logprobs(Struct):
    """The log probabilities of the answer's tokens."""

    content: list[TokenLogprob]


class CalledFunction(Struct):
    """A function's name and its arguments as JSON text."""

    name: str
    arguments: str


class AnswerToolCall(Struct, omit_defaults=True):
    """A whole function call; `index` is there in streams only."""

    id: str
    function: CalledFunction
    type: Literal["function"] | UnsetType = UNSET
    index: int | UnsetType = UNSET


class AnswerMessage(Struct):
    """The model's turn."""

    role: Literal["assistant"]
    content: str
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnswerToolCall] | UnsetType = UNSET
    refusal: None = None


class Choice(Struct):
    """One answer among `n`."""

    index: int
    message: AnswerMessage
    finish_reason: FinishReasonName
    logprobs: Logprobs | UnsetType = UNSET


class ChatCompletion(Struct):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


class Delta(Struct):
    """What a chunk adds to an answer."""

    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnswerToolCall] | UnsetType = UNSET
    role: Literal["assistant"] | UnsetType = UNSET


class ChunkChoice(Struct):
    """The part of one answer in a chunk; `finish_reason` is there in its last one only."""

    index: int
    delta: Delta
    finish_reason: FinishReasonName | UnsetType = UNSET
    logprobs: Logprobs | UnsetType = UNSET


class ChatCompletionChunk(Struct):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | UnsetType = UNSET
