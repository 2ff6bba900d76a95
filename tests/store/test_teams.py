"""The limits of a team, on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vitrail.domain.limits import Limits
from vitrail.domain.models import Model
from vitrail.service.keyring import Keyring, KeyringOptions
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


def test_processes_that_start_together_make_one_team_and_one_first_key(
    open_database_again: Callable[[], Database],
) -> None:
    """Each time one of them makes the key; keys of a new team that both make at once belong to one team."""
    keyrings = [Keyring(open_database_again(), KeyringOptions(), monotonic=lambda: 0.0) for _ in range(4)]
    teams = Teams(open_database_again())
    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda keyring: keyring.create_first(name="first"), keyrings))
        for number in range(20):
            made = pool.map(lambda keyring, name=f"team {number}": keyring.create(name="k", team=name), keyrings)
            assert len({new.key.team_id for new in made}) == 1
    assert sum(new is not None for new in first) == 1
    assert sorted(team.name for team in teams.list()) == sorted(["default", *(f"team {n}" for n in range(20))])
