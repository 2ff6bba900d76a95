"""The JSON of the older text routes: OpenAI's `POST /v1/completions`, Anthropic's `POST /v1/complete`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from vitrail.http_api.wire_chat import Penalty, StreamOptions, Temperature, TopP, TopPOrZero
from vitrail.http_api.wire_completion import FinishReasonName, Usage


class TextCompletionRequest(Struct):
    """The body of `POST /v1/completions`. Optional fields may be null; unknown fields are ignored."""

    model: str
    prompt: Annotated[str | list[str], Meta(description="One text; a list may have one element.")]
    echo: Annotated[bool, Meta(description="Whether the answer begins with the prompt.")] | None = None
    suffix: Annotated[str, Meta(description="Refused.")] | None = None
    best_of: Annotated[int, Meta(description="Refused when over 1.")] | None = None
    max_tokens: Annotated[int, Meta(extra_json_schema={"minimum": 1})] | None = None
    n: Annotated[int, Meta(extra_json_schema={"minimum": 1})] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = None
    stop: Annotated[str | list[str], Meta(description="Up to 4 texts before which the answer ends.")] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    user: str | None = None


class TextChoice(Struct):
    """One answer among `n`, or a part of one; the reason is there in its last part only."""

    index: int
    text: str
    finish_reason: FinishReasonName | UnsetType = UNSET
    logprobs: None = None


class TextCompletion(Struct):
    """A whole answer, or a part of a streamed one."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    system_fingerprint: str
    usage: Usage | UnsetType = UNSET


class CompleteRequest(Struct):
    """The body of `POST /v1/complete`."""

    model: str
    prompt: str
    max_tokens_to_sample: Annotated[int, Meta(extra_json_schema={"minimum": 1})]
    stop_sequences: list[str] | None = None
    temperature: Temperature | None = None
    top_p: TopPOrZero | None = None
    stream: Annotated[bool, Meta(description="Refused when true.")] | None = None


class CompleteAnswer(Struct):
    """A whole answer of `POST /v1/complete`."""

    type: Literal["completion"]
    id: str
    completion: str
    stop_reason: Literal["stop_sequence", "max_tokens"]
    stop: str | None
    model: str
