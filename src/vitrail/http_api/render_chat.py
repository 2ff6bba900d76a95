"""Turn completions and chunks into the JSON of the xAI API. Called by the chat route."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, UnsetType

from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import Choice, Chunk, Completion, CompletionHead, TokenLogprob, Usage
from vitrail.http_api import wire_completion as wire

_encode = msgspec.json.encode


def render_completion(completion: Completion) -> bytes:
    """Return a whole chat completion as JSON."""
    head = completion.head
    return _encode(
        wire.ChatCompletion(
            id=head.id,
            object="chat.completion",
            created=head.created,
            model=head.model,
            choices=[_render_choice(choice) for choice in completion.choices],
            usage=render_usage(completion.usage),
            system_fingerprint=head.system_fingerprint,
        )
    )


class ChunkRenderer:
    """Renders the chunks of one stream in the dialect that the client asked for.

    Nothing said about usage: the role and the cumulative usage are on every chunk. `include_usage` true: both only
    once, the usage in one more chunk without choices. False: no usage at all.
    """

    def __init__(self, head: CompletionHead, *, include_usage: bool | None, prompt: Usage) -> None:
        self._head = head
        self._include_usage = include_usage
        self._usage = prompt
        self._called: dict[int, int] = {}  # choice -> function calls sent, for every choice that has begun

    def render(self, chunk: Chunk) -> bytes:
        """Return one chunk as JSON."""
        self._usage = chunk.usage
        choice = wire.ChunkChoice(
            index=chunk.index,
            delta=self._render_delta(chunk),
            finish_reason=chunk.finish_reason.value if chunk.finish_reason else UNSET,
            logprobs=_render_logprobs(chunk.logprobs),
        )
        return self._render([choice], chunk.usage if self._include_usage is None else None)

    def render_usage_chunk(self) -> bytes | None:
        """Return the extra last chunk with the usage, if the client asked for it."""
        return self._render([], self._usage) if self._include_usage else None

    def _render(self, choices: list[wire.ChunkChoice], usage: Usage | None) -> bytes:
        head = self._head
        return _encode(
            wire.ChatCompletionChunk(
                id=head.id,
                object="chat.completion.chunk",
                created=head.created,
                model=head.model,
                choices=choices,
                system_fingerprint=head.system_fingerprint,
                usage=UNSET if usage is None else render_usage(usage),
            )
        )

    def _render_delta(self, chunk: Chunk) -> wire.Delta:
        has_role = chunk.index not in self._called or self._include_usage is None
        called = self._called.get(chunk.index, 0)
        self._called[chunk.index] = called + len(chunk.tool_calls)
        return wire.Delta(
            content=chunk.text if chunk.text or has_role else UNSET,
            reasoning_content=chunk.reasoning or UNSET,
            tool_calls=_render_calls(chunk.tool_calls, first_index=called),
            role="assistant" if has_role else UNSET,
        )


def render_usage(usage: Usage) -> wire.Usage:
    """Return token counts in the form of the wire."""
    return wire.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=wire.PromptTokensDetails(
            text_tokens=usage.text_tokens,
            audio_tokens=0,
            image_tokens=usage.image_tokens,
            cached_tokens=usage.cached_tokens,
        ),
        completion_tokens_details=wire.CompletionTokensDetails(
            reasoning_tokens=usage.reasoning_tokens,
            audio_tokens=0,
            accepted_prediction_tokens=0,
            rejected_prediction_tokens=0,
        ),
        reasoning_tokens=usage.reasoning_tokens,
        num_sources_used=0,
        cost_in_usd_ticks=usage.cost_ticks,
    )


def _render_choice(choice: Choice) -> wire.Choice:
    return wire.Choice(
        index=choice.index,
        message=wire.AnswerMessage(
            role="assistant",
            content=choice.text,
            reasoning_content=choice.reasoning or UNSET,
            tool_calls=_render_calls(choice.tool_calls, first_index=None),
        ),
        finish_reason=choice.finish_reason.value,
        logprobs=_render_logprobs(choice.logprobs),
    )


def _render_calls(calls: tuple[ToolCall, ...], *, first_index: int | None) -> list[wire.AnswerToolCall] | UnsetType:
    """Return whole function calls, numbered from `first_index` in a stream."""
    if not calls:
        return UNSET
    return [
        wire.AnswerToolCall(
            id=call.id,
            function=wire.CalledFunction(name=call.name, arguments=call.arguments),
            type="function",
            index=UNSET if first_index is None else first_index + at,
        )
        for at, call in enumerate(calls)
    ]


def _render_logprobs(logprobs: tuple[TokenLogprob, ...]) -> wire.Logprobs | UnsetType:
    if not logprobs:
        return UNSET
    return wire.Logprobs(
        content=[
            wire.TokenLogprob(
                token=entry.token,
                logprob=entry.logprob,
                bytes=_utf8(entry.token),
                top_logprobs=_render_top(entry.top),
            )
            for entry in logprobs
        ]
    )


def _render_top(top: Iterable[tuple[str, float]]) -> list[wire.TopLogprob]:
    return [wire.TopLogprob(token=token, logprob=logprob, bytes=_utf8(token)) for token, logprob in top]


def _utf8(token: str) -> list[int]:
    return list(token.encode("utf-8", "replace"))
