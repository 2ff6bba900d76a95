"""What one completion used and cost: the row that is written to the ledger, exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vitrail.domain.billing import TICKS_PER_CENT
from vitrail.domain.completion import Usage
from vitrail.domain.models import Prices


class CompletionStatus(StrEnum):
    """How a completion ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"  # the client left
    FAILED = "failed"  # the engine failed after the first piece


@dataclass(frozen=True, slots=True)
class Cost:
    """What a completion costs, in ticks (1 USD = 10^10), by what was counted; the parts make up the total."""

    text_ticks: int = 0
    image_ticks: int = 0
    cached_ticks: int = 0
    completion_ticks: int = 0
    reasoning_ticks: int = 0
    generated_image_ticks: int = 0

    @property
    def total_ticks(self) -> int:
        """Return the sum of the parts."""
        return (
            self.text_ticks
            + self.image_ticks
            + self.cached_ticks
            + self.completion_ticks
            + self.reasoning_ticks
            + self.generated_image_ticks
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """The usage of one completion, with who asked, at which model, and its cost."""

    completion_id: str
    request_id: str
    team_id: str
    api_key_id: str
    endpoint: str
    model: str
    status: CompletionStatus
    at: datetime
    usage: Usage
    cost: Cost
    client_ip: str | None
    generated_images: int = 0


def count_images_cost(images: int, prices: Prices) -> Cost:
    """Return the cost of so many generated images."""
    return Cost(generated_image_ticks=images * prices.image * TICKS_PER_CENT)


def count_cost(usage: Usage, prices: Prices) -> Cost:
    """Return the cost of a completion: a price of 1 (a cent per 10^8 tokens) is one tick a token.

    Cached tokens are part of the text tokens and cost their own price; reasoning costs as completion.
    """
    cached_tokens = min(usage.cached_tokens, usage.text_tokens)
    return Cost(
        text_ticks=(usage.text_tokens - cached_tokens) * prices.prompt_text,
        image_ticks=usage.image_tokens * prices.prompt_image,
        cached_ticks=cached_tokens * prices.cached_prompt_text,
        completion_ticks=usage.completion_tokens * prices.completion_text,
        reasoning_ticks=usage.reasoning_tokens * prices.completion_text,
    )
