"""What one completion used and cost: the row that is written to the ledger, exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vitrail.domain.completion import Usage
from vitrail.domain.models import Prices

TICKS_PER_CENT = 10**8


class CompletionStatus(StrEnum):
    """How a completion ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"  # the client left
    FAILED = "failed"  # the engine failed after the first piece


@dataclass(frozen=True, slots=True)
class Settlement:
    """The usage of one completion, with who asked, at which model, and its cost in ticks (1 USD = 10^10)."""

    completion_id: str
    request_id: str
    team_id: str
    api_key_id: str
    endpoint: str
    model: str
    status: CompletionStatus
    at: datetime
    usage: Usage
    cost_ticks: int
    client_ip: str | None


def count_images_cost_ticks(images: int, prices: Prices) -> int:
    """Return the cost of so many generated images in ticks."""
    return images * prices.image * TICKS_PER_CENT


def count_cost_ticks(usage: Usage, prices: Prices) -> int:
    """Return the cost of a completion in ticks: a price of 1 (a cent per 10^8 tokens) is one tick a token.

    Cached tokens are part of the text tokens and cost their own price; reasoning costs as completion.
    """
    text_tokens = usage.text_tokens - min(usage.cached_tokens, usage.text_tokens)
    cached_tokens = usage.text_tokens - text_tokens
    return (
        text_tokens * prices.prompt_text
        + cached_tokens * prices.cached_prompt_text
        + usage.image_tokens * prices.prompt_image
        + (usage.completion_tokens + usage.reasoning_tokens) * prices.completion_text
    )
