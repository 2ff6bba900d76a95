"""Turn completions and chunks into the messages of `xai_api.Chat`. Called by chat."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from xai_sdk.proto import chat_pb2, sample_pb2, usage_pb2

from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import Choice, Chunk, Completion, CompletionHead, FinishReason, TokenLogprob, Usage
from vitrail.grpc_api.call import Message

_FINISH_REASONS = {
    FinishReason.STOP: sample_pb2.REASON_STOP,
    FinishReason.LENGTH: sample_pb2.REASON_MAX_LEN,
    FinishReason.TOOL_CALLS: sample_pb2.REASON_TOOL_CALLS,
}


def render_completion(completion: Completion) -> Message:
    """Return a whole chat completion."""
    return chat_pb2.GetChatCompletionResponse(
        outputs=[_render_choice(choice) for choice in completion.choices],
        usage=render_usage(completion.usage),
        **_render_head(completion.head),
    )


def render_chunk(head: CompletionHead, chunk: Chunk) -> Message:
    """Return one chunk of a stream, with the usage up to it."""
    output = chat_pb2.CompletionOutputChunk(
        index=chunk.index,
        delta=chat_pb2.Delta(
            role=chat_pb2.ROLE_ASSISTANT,
            content=chunk.text,
            reasoning_content=chunk.reasoning,
            tool_calls=_render_calls(chunk.tool_calls),
        ),
        finish_reason=_FINISH_REASONS[chunk.finish_reason] if chunk.finish_reason else None,
        logprobs=_render_logprobs(chunk.logprobs),
    )
    return chat_pb2.GetChatCompletionChunk(outputs=[output], usage=render_usage(chunk.usage), **_render_head(head))


def render_usage(usage: Usage) -> Message:
    """Return token counts and cost."""
    return usage_pb2.SamplingUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_text_tokens=usage.text_tokens,
        prompt_image_tokens=usage.image_tokens,
        cached_prompt_text_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_in_usd_ticks=usage.cost_ticks or None,  # not there for models that cost nothing
    )


def _render_head(head: CompletionHead) -> dict[str, Message]:
    return {
        "id": head.id,
        "created": Timestamp(seconds=head.created),
        "model": head.model,
        "system_fingerprint": head.system_fingerprint,
    }


def _render_choice(choice: Choice) -> Message:
    return chat_pb2.CompletionOutput(
        index=choice.index,
        message=chat_pb2.CompletionMessage(
            role=chat_pb2.ROLE_ASSISTANT,
            content=choice.text,
            reasoning_content=choice.reasoning,
            tool_calls=_render_calls(choice.tool_calls),
        ),
        finish_reason=_FINISH_REASONS[choice.finish_reason],
        logprobs=_render_logprobs(choice.logprobs),
    )


def _render_calls(calls: Iterable[ToolCall]) -> list[Message]:
    return [
        chat_pb2.ToolCall(
            id=call.id,
            type=chat_pb2.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL,
            status=chat_pb2.TOOL_CALL_STATUS_COMPLETED,
            function=chat_pb2.FunctionCall(name=call.name, arguments=call.arguments),
        )
        for call in calls
    ]


def _render_logprobs(logprobs: tuple[TokenLogprob, ...]) -> Message | None:
    if not logprobs:
        return None
    return chat_pb2.LogProbs(
        content=[
            chat_pb2.LogProb(
                token=entry.token,
                logprob=entry.logprob,
                bytes=entry.token.encode("utf-8", "replace"),
                top_logprobs=[
                    chat_pb2.TopLogProb(token=token, logprob=logprob, bytes=token.encode("utf-8", "replace"))
                    for token, logprob in entry.top
                ],
            )
            for entry in logprobs
        ]
    )
