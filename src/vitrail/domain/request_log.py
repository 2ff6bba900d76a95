"""What a scripted model was asked and how it answered, for tests to look at; never a key or a byte of an image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended."""

    RUNNING = "running"
    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "cancelled"  # the client left


@dataclass(frozen=True, slots=True)
class LoggedImage:
    """One image: the SHA-256 of the file and the upright size as sent, and the size fitted to its tiles."""

    sha256: str
    width_px: int
    height_px: int
    fitted_width_px: int
    fitted_height_px: int


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message of a request."""

    role: str
    text: str
    images: tuple[LoggedImage, ...] = ()
    tool_calls: tuple[str, ...] = ()  # names


@dataclass(frozen=True, slots=True)
class LoggedSampling:
    """The sampling that was asked for; None where the request was silent."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as it reached a scripted model, and what it got; `n` answers are as many requests.

    `rule` counts from 0 in the script; None where none held. `error` is the kind of failure, or the fault played.
    """

    number: int
    at: float  # Unix seconds
    model: str
    messages: tuple[LoggedMessage, ...]
    sampling: LoggedSampling
    digest: str
    tools: tuple[str, ...] = ()  # names
    schema: str | None = None
    rule: int | None = None
    recorded: bool = False
    outcome: Outcome = Outcome.RUNNING
    answer: str = ""
    answer_tool_calls: tuple[str, ...] = ()  # names
    error: str | None = None

    @property
    def images(self) -> tuple[LoggedImage, ...]:
        """Return every image of the request, in order."""
        return tuple(image for message in self.messages for image in message.images)

    @property
    def text(self) -> str:
        """Return the text of the last user message."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def system(self) -> str:
        """Return the text of all system and developer messages."""
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))
