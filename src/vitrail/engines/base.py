"""The engine seam: a prepared prompt goes in, pieces of text come out.

An engine never sees a client's bytes or URLs: pictures arrive decoded, upright and bounded. Implementations are made by
`app.py` through `registry`; `slots.Slots` wraps any of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolCall, ToolChoice
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.perception import Perceived
from vitrail.domain.pictures import PreparedImage


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """A turn of the conversation with its pictures prepared, parts in the order sent."""

    role: Role
    parts: tuple[TextPart | PreparedImage, ...]
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """Return the text parts of the message, joined by line ends."""
        return "\n".join(p.text for p in self.parts if isinstance(p, TextPart))


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything that an engine is asked, but for the sampling.

    `asker` is an opaque name of whoever is behind the request; `slots` shares fairly by it, no engine looks at it.
    `is_read_whole`: nobody waits for single pieces, so an engine that saves by it may give fewer and longer ones.
    """

    messages: tuple[PromptMessage, ...]
    response_format: JsonFormat | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    reasoning_effort: str | None = None
    asker: str = ""
    is_read_whole: bool = False

    @property
    def images(self) -> tuple[PreparedImage, ...]:
        """Return every picture of the prompt, in order."""
        return tuple(p for m in self.messages for p in m.parts if isinstance(p, PreparedImage))


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Some text of the answer; `tokens` is how many tokens it counts as."""

    text: str
    tokens: int = 1
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """Some text of the model's reasoning, which is not part of the answer."""

    text: str
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """One whole function call."""

    call: ToolCall
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class FinishPiece:
    """The last piece: why it ended and, where the engine knows better, its own counts for the whole answer.

    `completion_tokens` leaves out reasoning. `engine_prompt_tokens` (what the engine really used, pictures included)
    goes to metrics and logs only; pictures are billed by the tile plan. `prompt_text_tokens`, the part of it that is no
    picture, is billed in place of what `count_text_tokens` estimated. `stop_sequence` is the one that ended the text,
    where the engine knows.
    """

    reason: FinishReason
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int = 0
    engine_prompt_tokens: int | None = None
    prompt_text_tokens: int | None = None
    stop_sequence: str | None = None


Piece = TextPiece | ReasoningPiece | ToolCallPiece | FinishPiece


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text as the engine's tokenizer cuts it; `text` may be part of a character, so bytes are kept."""

    id: int
    text: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; a request for more is refused before anything is generated.

    `picture_long_edge_px`: None means that it wants the tile plan's fitted picture; a number, that it wants the whole
    picture scaled down (never up) until its longer edge is at most that long.
    """

    images: bool
    logprobs: bool = False
    structured: bool = False
    tools: bool = False
    reasoning: bool = False
    perception: bool = False  # the engine is a Perceiver
    picture_long_edge_px: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the engine can take a request now; `detail` is for operators, never for clients."""

    ready: bool
    detail: str = ""


class Engine(Protocol):
    """What generates. `generate` ends with one FinishPiece; closing the generator cancels the generation.

    Raises `domain.errors.Unavailable` when the engine cannot answer now, `InvalidArgument` for what it refuses.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Return what this engine can do; constant once started."""
        ...

    @property
    def fingerprint(self) -> str:
        """Return text that changes when engine, weights or answer-changing settings change, and only then."""
        ...

    async def start(self) -> None:
        """Make the engine ready to generate, or raise Unavailable."""
        ...

    async def close(self) -> None:
        """End generations and free everything; safe to call twice."""
        ...

    async def health(self) -> Health:
        """Return whether a request could be taken now, without generating."""
        ...

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of the prompt's text, chat template included, pictures not counted."""
        ...

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return the tokens of plain text, no template and no special tokens added."""
        ...

    def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of one answer in order, the last one a FinishPiece."""
        ...


@runtime_checkable
class Perceiver(Protocol):
    """What an engine with `capabilities.perception` can do besides."""

    async def perceive(self, image: PreparedImage, *, asker: str = "") -> Perceived:
        """Return what is perceived in a picture, without a question; raises Unavailable."""
        ...


@runtime_checkable
class Restarting(Protocol):
    """An engine with a process of its own that is started again when it dies."""

    @property
    def restarts(self) -> int:
        """Return how often that was tried since the engine started."""
        ...
