"""SQL of stored responses. Called by `service.responses`; knows nothing of what is in a response."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, literal, select
from sqlalchemy import delete as sql_delete

from vitrail.store.schema import responses
from vitrail.store.times import to_ms


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """A response as bytes; `previous_id` is the one that it goes on from."""

    id: str
    team_id: str
    previous_id: str | None
    created_at: datetime
    expires_at: datetime
    data: bytes


def insert_response(connection: Connection, row: ResponseRow) -> None:
    """Add a response."""
    connection.execute(
        insert(responses).values(
            id=row.id,
            team_id=row.team_id,
            previous_id=row.previous_id,
            created_at_ms=to_ms(row.created_at),
            expires_at_ms=to_ms(row.expires_at),
            size_bytes=len(row.data),
            data=row.data,
        )
    )


def find_response(connection: Connection, response_id: str, *, team_id: str, now: datetime) -> bytes | None:
    """Return a team's response that has not expired."""
    data: bytes | None = connection.execute(
        select(responses.c.data).where(
            responses.c.id == response_id, responses.c.team_id == team_id, responses.c.expires_at_ms > to_ms(now)
        )
    ).scalar()
    return data


def load_conversation(
    connection: Connection, response_id: str, *, team_id: str, now: datetime, limit_bytes: int
) -> tuple[tuple[bytes, ...], bool]:
    """Return a response and what it went on from, oldest first, and whether the beginning is among them.

    What would make it more than `limit_bytes` is not read.
    """
    is_theirs = (responses.c.team_id == team_id) & (responses.c.expires_at_ms > to_ms(now))
    newest = select(
        responses.c.id, responses.c.previous_id, responses.c.size_bytes.label("bytes_so_far"), literal(0).label("age")
    ).where(responses.c.id == response_id, is_theirs)
    chain = newest.cte("chain", recursive=True)
    chain = chain.union_all(
        select(
            responses.c.id, responses.c.previous_id, chain.c.bytes_so_far + responses.c.size_bytes, chain.c.age + 1
        ).where(responses.c.id == chain.c.previous_id, is_theirs, chain.c.bytes_so_far <= limit_bytes)
    )
    rows = connection.execute(
        select(responses.c.data, chain.c.previous_id)
        .join(chain, chain.c.id == responses.c.id)
        .where(chain.c.bytes_so_far <= limit_bytes)
        .order_by(chain.c.age.desc())
    ).all()
    return tuple(row.data for row in rows), bool(rows) and rows[0].previous_id is None


def delete_response(connection: Connection, response_id: str, *, team_id: str, now: datetime) -> bool:
    """Delete a team's response; tell whether there was one that had not expired."""
    return (
        connection.execute(
            sql_delete(responses).where(
                responses.c.id == response_id,
                responses.c.team_id == team_id,
                responses.c.expires_at_ms > to_ms(now),
            )
        ).rowcount
        == 1
    )


def count_stored_bytes(connection: Connection, team_id: str, *, now: datetime) -> int:
    """Return the bytes of a team's responses that have not expired."""
    return int(
        connection.execute(
            select(func.coalesce(func.sum(responses.c.size_bytes), 0)).where(
                responses.c.team_id == team_id, responses.c.expires_at_ms > to_ms(now)
            )
        ).scalar_one()
    )


def sweep_responses(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` responses that have expired; return how many."""
    some = select(responses.c.id).where(responses.c.expires_at_ms <= to_ms(now)).limit(limit)
    return connection.execute(sql_delete(responses).where(responses.c.id.in_(some))).rowcount
