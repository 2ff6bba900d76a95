"""An answer as values: usage, chunks of a stream, and the chat completion they fold into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from vitrail.domain.chat import ToolCall


class FinishReason(StrEnum):
    """Why generation ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion and what they cost; `completion_tokens` leaves out reasoning, as on the wire."""

    text_tokens: int
    image_tokens: int
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_ticks: int = 0  # 1 USD = 10^10 ticks

    @property
    def prompt_tokens(self) -> int:
        """Return text plus image tokens."""
        return self.text_tokens + self.image_tokens

    @property
    def total_tokens(self) -> int:
        """Return prompt, completion and reasoning tokens together."""
        return self.prompt_tokens + self.completion_tokens + self.reasoning_tokens


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token's log probability, with the likeliest alternatives at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one choice of the answer, with the usage counted up to here."""

    index: int
    usage: Usage
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    stop_sequence: str | None = None  # the one that ended the text, where the engine tells


@dataclass(frozen=True, slots=True)
class Choice:
    """One whole answer among `n`."""

    index: int
    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    logprobs: tuple[TokenLogprob, ...]
    finish_reason: FinishReason
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class CompletionHead:
    """What is known before the first piece and stands on every chunk: id, time, resolved model, fingerprint."""

    id: str
    created: int  # Unix seconds
    model: str
    system_fingerprint: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole chat completion: the stream, folded."""

    head: CompletionHead
    choices: tuple[Choice, ...]
    usage: Usage


@dataclass(slots=True)
class _Gathered:
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: FinishReason = FinishReason.STOP
    stop_sequence: str | None = None


def fold_chunks(head: CompletionHead, chunks: Iterable[Chunk], *, prompt: Usage) -> Completion:
    """Fold all chunks of a stream into the completion they are parts of; `prompt` is the usage if there are none."""
    gathered: dict[int, _Gathered] = {}
    usage = prompt
    for chunk in chunks:
        choice = gathered.setdefault(chunk.index, _Gathered())
        choice.text.append(chunk.text)
        choice.reasoning.append(chunk.reasoning)
        choice.tool_calls.extend(chunk.tool_calls)
        choice.logprobs.extend(chunk.logprobs)
        choice.finish_reason = chunk.finish_reason or choice.finish_reason
        choice.stop_sequence = chunk.stop_sequence or choice.stop_sequence
        usage = chunk.usage
    return Completion(
        head=head,
        choices=tuple(
            Choice(
                index=index,
                text="".join(choice.text),
                reasoning="".join(choice.reasoning),
                tool_calls=tuple(choice.tool_calls),
                logprobs=tuple(choice.logprobs),
                finish_reason=choice.finish_reason,
                stop_sequence=choice.stop_sequence,
            )
            for index, choice in sorted(gathered.items())
        ),
        usage=usage,
    )
