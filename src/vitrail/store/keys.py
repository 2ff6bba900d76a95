"""SQL of teams and API keys. Called by `service.keyring`; never sees a key itself, only its digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy import delete as sql_delete

from vitrail.domain.keys import ApiKey
from vitrail.store.schema import api_keys, teams


def to_ms(moment: datetime) -> int:
    """Return an aware time as UTC milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """Return UTC milliseconds since 1970 as an aware time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def find_team(connection: Connection, name: str) -> str | None:
    """Return the id of the team called `name`."""
    return connection.execute(select(teams.c.id).where(teams.c.name == name)).scalar()


def insert_team(connection: Connection, *, team_id: str, name: str, now: datetime) -> None:
    """Add a team."""
    connection.execute(insert(teams).values(id=team_id, name=name, blocked=False, created_at_ms=to_ms(now)))


def count_keys(connection: Connection) -> int:
    """Return the number of keys of all teams."""
    return int(connection.execute(select(func.count()).select_from(api_keys)).scalar_one())


def insert_key(connection: Connection, key: ApiKey, *, key_hash: str) -> None:
    """Add a key under its digest."""
    connection.execute(
        insert(api_keys).values(
            id=key.id,
            team_id=key.team_id,
            user_id=key.user_id,
            name=key.name,
            key_hash=key_hash,
            redacted=key.redacted,
            acls=json.dumps(key.acls),
            blocked=key.blocked,
            disabled=key.disabled,
            created_at_ms=to_ms(key.created_at),
            modified_at_ms=to_ms(key.modified_at),
            modified_by=key.modified_by,
            expires_at_ms=to_ms(key.expires_at) if key.expires_at else None,
        )
    )


def find_key(connection: Connection, key_hash: str) -> ApiKey | None:
    """Return the key with this digest."""
    row = connection.execute(_KEYS.where(api_keys.c.key_hash == key_hash)).first()
    return _key(row) if row else None


def find_key_by_id(connection: Connection, key_id: str) -> ApiKey | None:
    """Return the key with this id."""
    row = connection.execute(_KEYS.where(api_keys.c.id == key_id)).first()
    return _key(row) if row else None


def list_keys(connection: Connection) -> tuple[ApiKey, ...]:
    """Return every key, oldest first."""
    return tuple(_key(row) for row in connection.execute(_KEYS.order_by(api_keys.c.created_at_ms, api_keys.c.id)))


def set_blocked(connection: Connection, key_id: str, *, blocked: bool, by: str, now: datetime) -> bool:
    """Block or unblock a key; tell whether there is such a key."""
    done = connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id)
        .values(blocked=blocked, modified_at_ms=to_ms(now), modified_by=by)
    )
    return done.rowcount == 1


def delete_key(connection: Connection, key_id: str) -> bool:
    """Delete a key; tell whether there was one."""
    return connection.execute(sql_delete(api_keys).where(api_keys.c.id == key_id)).rowcount == 1


_KEYS = select(api_keys, teams.c.blocked.label("team_blocked")).join(teams, teams.c.id == api_keys.c.team_id)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        team_id=row.team_id,
        user_id=row.user_id,
        redacted=row.redacted,
        acls=tuple(json.loads(row.acls)),
        created_at=from_ms(row.created_at_ms),
        modified_at=from_ms(row.modified_at_ms),
        modified_by=row.modified_by,
        blocked=row.blocked,
        disabled=row.disabled,
        expires_at=from_ms(row.expires_at_ms) if row.expires_at_ms is not None else None,
        team_blocked=row.team_blocked,
    )
