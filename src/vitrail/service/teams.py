"""Teams: who owns keys and pays. Called by operators' surfaces, on the calling thread."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.domain.keys import ANY, Team
from vitrail.domain.limits import NO_LIMITS, Limits
from vitrail.domain.models import Model
from vitrail.service.catalog import find_model
from vitrail.store import teams as sql
from vitrail.store.database import Database

DEFAULT_TEAM = "default"
_LONGEST_NAME = 200


class Teams:
    """All teams. A `reference` is a team's id or name."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def create(self, name: str) -> Team:
        """Make a team; raises InvalidArgument for a name that is taken."""
        now = self._now()

        def insert(connection: Connection) -> Team:
            sql.lock_teams(connection)
            if sql.find_team(connection, name) is not None:
                raise InvalidArgument(f"There is a team called {name!r} already.")
            team_id = find_or_make_team(connection, name, now=now)
            return Team(id=team_id, name=name, blocked=False, created_at=now)

        return self._database.run(insert)

    def find(self, reference: str) -> Team:
        """Return a team; raises NotFound."""
        team = self._database.run_read(lambda connection: sql.find_team(connection, reference))
        if team is None:
            raise NotFound(f"There is no team {reference[:64]!r}.", hint="See `vitrail teams list`.")
        return team

    def list(self) -> tuple[Team, ...]:
        """Return every team, oldest first."""
        return self._database.run_read(sql.list_teams)

    def block(self, reference: str, *, blocked: bool = True) -> Team:
        """Block (or unblock) every key of a team; raises NotFound."""
        team = self.find(reference)
        self._database.run(lambda connection: sql.set_blocked(connection, team.id, blocked=blocked))
        return self.find(team.id)

    def limit(self, reference: str, name: str, limits: Limits, *, models: Sequence[Model]) -> str:
        """Set a team's rate limits for one of `models`, by id or alias (`*`: every other one); return its id.

        No limit at all leaves the model's own, and takes away those of a model that is no longer served. Raises
        UnknownModel, for limits under a name that no request counts under would limit nothing.
        """
        team = self.find(reference)

        def write(connection: Connection) -> str:
            is_served = any(model.answers_to(name) for model in models)
            is_row = limits.is_unlimited and name in sql.find_team_limits(connection, team.id)
            if name == ANY or (is_row and not is_served):
                sql.set_team_limits(connection, team.id, name, limits)
                return name
            model = find_model(models, name)
            for alias in model.aliases:  # rows of a time when one of them was the id
                sql.set_team_limits(connection, team.id, alias, NO_LIMITS)
            sql.set_team_limits(connection, team.id, model.id, limits)
            return model.id

        return self._database.run(write)

    def list_limits(self, reference: str) -> Mapping[str, Limits]:
        """Return the rate limits that were set for a team, by model."""
        team = self.find(reference)
        return self._database.run_read(lambda connection: sql.find_team_limits(connection, team.id))


def find_or_make_team(connection: Connection, reference: str, *, now: datetime) -> str:
    """Return the id of a team, made with that name if there is none."""
    team = sql.find_team(connection, reference)
    if team is None:
        sql.lock_teams(connection)
        team = sql.find_team(connection, reference)  # which another process may have made meanwhile
    if team is not None:
        return team.id
    if not reference.strip() or len(reference) > _LONGEST_NAME:
        raise InvalidArgument(f"A team's name has from 1 to {_LONGEST_NAME} characters.")
    team_id = str(uuid.uuid4())
    sql.insert_team(connection, team_id=team_id, name=reference, now=now)
    return team_id
