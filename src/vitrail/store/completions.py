"""SQL of settled completions: one row each, written once and never changed."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from vitrail.domain.settlement import Settlement
from vitrail.store.keys import to_ms
from vitrail.store.schema import completions


def insert_settlement(connection: Connection, settlement: Settlement) -> None:
    """Write the usage of one completion; a second write of the same id is an IntegrityError."""
    usage = settlement.usage
    connection.execute(
        insert(completions).values(
            id=settlement.completion_id,
            request_id=settlement.request_id,
            team_id=settlement.team_id,
            api_key_id=settlement.api_key_id,
            endpoint=settlement.endpoint,
            model=settlement.model,
            status=settlement.status,
            created_at_ms=to_ms(settlement.at),
            text_tokens=usage.text_tokens,
            image_tokens=usage.image_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_ticks=settlement.cost_ticks,
            client_ip=settlement.client_ip,
        )
    )
