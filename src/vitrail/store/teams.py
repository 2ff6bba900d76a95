"""SQL of teams and their limits. Called by `service.teams` and for the limits of a key's team by `keys`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from vitrail.domain.keys import Team
from vitrail.domain.limits import Limits
from vitrail.store.schema import team_limits, teams
from vitrail.store.times import from_ms, to_ms


def insert_team(connection: Connection, *, team_id: str, name: str, now: datetime) -> None:
    """Add a team."""
    connection.execute(insert(teams).values(id=team_id, name=name, blocked=False, created_at_ms=to_ms(now)))


def lock_teams(connection: Connection) -> None:
    """Let no other process make a team until this transaction ends; on SQLite one that writes is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE teams IN SHARE ROW EXCLUSIVE MODE"))


def find_team(connection: Connection, reference: str) -> Team | None:
    """Return the team with this id, or the only one of this name."""
    rows = connection.execute(select(teams).where((teams.c.id == reference) | (teams.c.name == reference))).all()
    by_id = [row for row in rows if row.id == reference]
    found = by_id or rows
    return _team(found[0]) if len(found) == 1 else None


def list_teams(connection: Connection) -> tuple[Team, ...]:
    """Return every team, oldest first."""
    return tuple(_team(row) for row in connection.execute(select(teams).order_by(teams.c.created_at_ms, teams.c.id)))


def set_blocked(connection: Connection, team_id: str, *, blocked: bool) -> None:
    """Block or unblock a team."""
    connection.execute(update(teams).where(teams.c.id == team_id).values(blocked=blocked))


def find_team_limits(connection: Connection, team_id: str) -> Mapping[str, Limits]:
    """Return the limits that were set for a team, by model (`*` for every other one)."""
    rows = connection.execute(select(team_limits).where(team_limits.c.team_id == team_id))
    return {row.model: read_limits(row) for row in rows}


def set_team_limits(connection: Connection, team_id: str, model: str, limits: Limits) -> None:
    """Set the limits of a team for a model; none at all takes them away."""
    connection.execute(select(teams.c.id).where(teams.c.id == team_id).with_for_update(key_share=True))  # one at a time
    mine = (team_limits.c.team_id == team_id) & (team_limits.c.model == model)
    connection.execute(delete(team_limits).where(mine))
    if not limits.is_unlimited:
        connection.execute(
            insert(team_limits).values(
                team_id=team_id,
                model=model,
                **limit_columns(limits),
            )
        )


def limit_columns(limits: Limits) -> dict[str, int | None]:
    """Return limits as the columns of a key or of a team's limits."""
    return {
        "requests_per_second": limits.requests_per_second,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
    }


def read_limits(row: Row[Any]) -> Limits:
    """Return the limits of a row that has these columns."""
    return Limits(row.requests_per_second, row.requests_per_minute, row.tokens_per_minute)


def _team(row: Row[Any]) -> Team:
    return Team(
        id=row.id,
        name=row.name,
        blocked=row.blocked,
        created_at=from_ms(row.created_at_ms),
        postpaid_limit_ticks=row.postpaid_limit_ticks,
        soft_limit_ticks=row.soft_limit_ticks,
    )
