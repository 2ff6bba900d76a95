"""SQL of management keys. Called by `service.management_keys`; never sees a key itself, only its digest."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from vitrail.domain.keys import ManagementKey
from vitrail.store.schema import management_keys
from vitrail.store.times import from_ms, to_ms


def insert_key(connection: Connection, key: ManagementKey, *, key_hash: str) -> None:
    """Add a key under its digest."""
    connection.execute(
        insert(management_keys).values(
            id=key.id,
            team_id=key.team_id,
            name=key.name,
            key_hash=key_hash,
            redacted=key.redacted,
            blocked=key.blocked,
            created_at_ms=to_ms(key.created_at),
            expires_at_ms=to_ms(key.expires_at) if key.expires_at else None,
        )
    )


def find_key(connection: Connection, key_hash: str) -> ManagementKey | None:
    """Return the key with this digest."""
    row = connection.execute(select(management_keys).where(management_keys.c.key_hash == key_hash)).first()
    return _key(row) if row and hmac.compare_digest(row.key_hash, key_hash) else None


def list_keys(connection: Connection) -> tuple[ManagementKey, ...]:
    """Return every key, oldest first."""
    order = (management_keys.c.created_at_ms, management_keys.c.id)
    return tuple(_key(row) for row in connection.execute(select(management_keys).order_by(*order)))


def set_last_used(connection: Connection, key_id: str, *, at: datetime) -> None:
    """Write when a key was last used."""
    connection.execute(update(management_keys).where(management_keys.c.id == key_id).values(last_used_at_ms=to_ms(at)))


def delete_key(connection: Connection, key_id: str) -> bool:
    """Delete a key; tell whether there was one."""
    return connection.execute(delete(management_keys).where(management_keys.c.id == key_id)).rowcount == 1


def _key(row: Row[Any]) -> ManagementKey:
    return ManagementKey(
        id=row.id,
        team_id=row.team_id,
        name=row.name,
        redacted=row.redacted,
        created_at=from_ms(row.created_at_ms),
        blocked=row.blocked,
        expires_at=from_ms(row.expires_at_ms) if row.expires_at_ms is not None else None,
        last_used_at=from_ms(row.last_used_at_ms) if row.last_used_at_ms is not None else None,
    )
