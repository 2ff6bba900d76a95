"""The limits of a team, on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vitrail.domain.limits import Limits
from vitrail.domain.models import Model
from vitrail.service.teams import Teams
from vitrail.store.database import Database


def test_two_processes_may_set_the_same_limits_at_once(open_database_again: Callable[[], Database]) -> None:
    """Neither fails, there is one row at the end, and it is whole."""
    both = [Teams(open_database_again()) for _ in range(2)]
    team = both[0].create("acme")

    def limit(teams: Teams) -> None:
        for number in range(1, 101):
            teams.limit(team.id, "m", Limits(number, number, number), models=[Model("m", "fake", 1)])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(limit, both))
    assert both[0].list_limits(team.id) == {"m": Limits(100, 100, 100)}
