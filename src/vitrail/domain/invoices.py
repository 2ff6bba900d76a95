"""What a team used in a month and which money pays for it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vitrail.domain.billing import Amounts
from vitrail.domain.models import Prices


class UnitType(StrEnum):
    """What is counted on a line."""

    PROMPT_TEXT = "prompt text tokens"
    CACHED_PROMPT_TEXT = "cached prompt text tokens"
    PROMPT_IMAGE = "prompt image tokens"
    COMPLETION = "completion tokens"
    REASONING = "reasoning tokens"
    GENERATED_IMAGE = "generated images"
    OLDER = "usage recorded before costs were split"

    def price(self, prices: Prices) -> int:
        """Return the price of a unit, in USD cents per 100 million tokens, or per image."""
        return {
            UnitType.PROMPT_TEXT: prices.prompt_text,
            UnitType.CACHED_PROMPT_TEXT: prices.cached_prompt_text,
            UnitType.PROMPT_IMAGE: prices.prompt_image,
            UnitType.COMPLETION: prices.completion_text,
            UnitType.REASONING: prices.completion_text,
            UnitType.GENERATED_IMAGE: prices.image,
        }.get(self, 0)


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What one model was used for: so many units, at what they cost when they were used."""

    model: str
    unit_type: UnitType
    units: int
    amount_ticks: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """A month so far. `paid` is by kind of money, below zero; what is neither free nor prepaid is to be invoiced."""

    year: int
    month: int
    lines: tuple[InvoiceLine, ...]
    paid: Amounts
    prepaid_left_ticks: int

    @property
    def total_ticks(self) -> int:
        """Return what everything cost."""
        return sum(line.amount_ticks for line in self.lines)
