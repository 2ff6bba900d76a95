"""A response of the Responses API: a chat request that may go on from an earlier one, and its answer, kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from vitrail.domain.chat import ChatRequest
from vitrail.domain.completion import Completion


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """What a client asks for; `chat` has its own turns alone, without instructions and without what was said before."""

    chat: ChatRequest
    instructions: str | None = None
    previous_id: str | None = None
    store: bool = True
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it is kept: one team's, until it expires."""

    request: ResponseRequest
    completion: Completion = field(repr=False)
    completed_at: datetime
    expires_at: datetime

    @property
    def id(self) -> str:
        """Return the id, which is that of the completion."""
        return self.completion.head.id
