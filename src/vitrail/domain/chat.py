"""A chat request as values: messages, their content parts, sampling and the shape wanted of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vitrail.domain.pictures import ImageReference


class Role(StrEnum):
    """Who speaks a message; any order of roles is allowed."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text element of a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image element of a message, as the client referred to it."""

    reference: ImageReference


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function call that the assistant made; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: its role and its content parts in the order sent."""

    role: Role
    parts: tuple[TextPart | ImagePart, ...]
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one answer is drawn; None means that the engine's own default holds."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The answer has to be JSON; `schema` is JSON Schema text, or None for any object."""

    schema: str | None
    name: str | None = None
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is JSON Schema text."""

    name: str
    description: str
    parameters: str


class ToolMode(StrEnum):
    """Whether the model may, must or must not call a function."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The client's choice among its tools; `name` set means that this one has to be called."""

    mode: ToolMode
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A whole chat completion request, checked in itself but not yet against keys, models or images."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    n: int = 1
    response_format: JsonFormat | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    reasoning_effort: str | None = None
    user: str | None = None

    @property
    def image_references(self) -> tuple[ImageReference, ...]:
        """Return every image of the request, in the order sent."""
        return tuple(p.reference for m in self.messages for p in m.parts if isinstance(p, ImagePart))
