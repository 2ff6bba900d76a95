"""SQL of settled completions: one row each, written once and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from vitrail.domain.settlement import Settlement
from vitrail.store.conflicts import insert_absent
from vitrail.store.schema import completions
from vitrail.store.times import to_ms


def insert_settlements(connection: Connection, settlements: Sequence[Settlement]) -> set[str]:
    """Write the usage of completions; return the ids of those that were not there yet."""
    return insert_absent(connection, completions, [_row(settlement) for settlement in settlements])


def _row(settlement: Settlement) -> dict[str, Any]:
    usage, cost = settlement.usage, settlement.cost
    return {
        "id": settlement.completion_id,
        "request_id": settlement.request_id,
        "team_id": settlement.team_id,
        "api_key_id": settlement.api_key_id,
        "endpoint": settlement.endpoint,
        "model": settlement.model,
        "status": settlement.status,
        "created_at_ms": to_ms(settlement.at),
        "text_tokens": usage.text_tokens,
        "image_tokens": usage.image_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "generated_images": settlement.generated_images,
        "cost_ticks": cost.total_ticks,
        "text_ticks": cost.text_ticks,
        "image_ticks": cost.image_ticks,
        "cached_ticks": cost.cached_ticks,
        "completion_ticks": cost.completion_ticks,
        "reasoning_ticks": cost.reasoning_ticks,
        "generated_image_ticks": cost.generated_image_ticks,
        "client_ip": settlement.client_ip,
    }
