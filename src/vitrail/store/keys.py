"""SQL of API keys. Called by `service.keyring`; never sees a key itself, only its digest."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update
from sqlalchemy import delete as sql_delete

from vitrail.domain.keys import ApiKey
from vitrail.store.schema import api_keys, teams
from vitrail.store.teams import find_team_limits, limit_columns, read_limits
from vitrail.store.times import from_ms, to_ms


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
            **limit_columns(key.limits),
        )
    )


def find_key(connection: Connection, key_hash: str, *, now: datetime) -> ApiKey | None:
    """Return the key with this digest, or with the digest that a rotation left valid for a while."""
    is_previous = (api_keys.c.previous_hash == key_hash) & (api_keys.c.previous_until_ms > to_ms(now))
    row = connection.execute(_KEYS.where(or_(api_keys.c.key_hash == key_hash, is_previous))).first()
    if row is None or not any(hmac.compare_digest(key_hash, kept or "") for kept in (row.key_hash, row.previous_hash)):
        return None
    return replace(_key(row), team_limits=find_team_limits(connection, row.team_id))


def find_key_by_id(connection: Connection, key_id: str) -> ApiKey | None:
    """Return the key with this id."""
    row = connection.execute(_KEYS.where(api_keys.c.id == key_id)).first()
    return replace(_key(row), team_limits=find_team_limits(connection, row.team_id)) if row else None


def list_keys(
    connection: Connection,
    *,
    team_id: str | None = None,
    limit: int | None = None,
    after: tuple[int, str] | None = None,
) -> tuple[ApiKey, ...]:
    """Return the keys of a team, or of all, oldest first; `after` is (milliseconds, id) of the last one seen."""
    statement = _KEYS.order_by(api_keys.c.created_at_ms, api_keys.c.id).limit(limit)
    if team_id is not None:
        statement = statement.where(api_keys.c.team_id == team_id)
    if after is not None:
        at, key_id = after
        same = (api_keys.c.created_at_ms == at) & (api_keys.c.id > key_id)
        statement = statement.where(or_(api_keys.c.created_at_ms > at, same))
    return tuple(_key(row) for row in connection.execute(statement))


def update_key(connection: Connection, key: ApiKey) -> bool:
    """Write name, ACLs, states, expiry and limits of a key; tell whether there is such a key."""
    done = connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key.id)
        .values(
            name=key.name,
            acls=json.dumps(key.acls),
            blocked=key.blocked,
            disabled=key.disabled,
            expires_at_ms=to_ms(key.expires_at) if key.expires_at else None,
            modified_at_ms=to_ms(key.modified_at),
            modified_by=key.modified_by,
            **limit_columns(key.limits),
        )
    )
    return done.rowcount == 1


def rotate_key(connection: Connection, key: ApiKey, *, key_hash: str, previous_until: datetime) -> bool:
    """Give a key another secret; the one it had works until then. Tell whether there is such a key."""
    done = connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key.id)
        .values(
            previous_hash=api_keys.c.key_hash,
            previous_until_ms=to_ms(previous_until),
            key_hash=key_hash,
            redacted=key.redacted,
            modified_at_ms=to_ms(key.modified_at),
            modified_by=key.modified_by,
        )
    )
    return done.rowcount == 1


def write_last_used(connection: Connection, used_at: Mapping[str, datetime]) -> None:
    """Write when keys were last used; never an earlier time than is there."""
    for key_id, at in sorted(used_at.items()):
        is_newer = or_(api_keys.c.last_used_at_ms.is_(None), api_keys.c.last_used_at_ms < to_ms(at))
        connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_newer).values(last_used_at_ms=to_ms(at)))


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
        last_used_at=from_ms(row.last_used_at_ms) if row.last_used_at_ms is not None else None,
        limits=read_limits(row),
        team_blocked=row.team_blocked,
    )
