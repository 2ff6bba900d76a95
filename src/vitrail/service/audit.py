"""Recompute every balance from the ledger and tell where what is kept differs. Called by `vitrail credits audit`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from vitrail.store import billing as sql
from vitrail.store.database import Database
from vitrail.store.teams import list_teams


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is kept otherwise than the ledger has it."""

    team_id: str
    what: str
    kept_ticks: int
    ledger_ticks: int


def audit(database: Database) -> tuple[int, tuple[Difference, ...]]:
    """Return how many teams were looked at, and every difference; looks at one team at a time, under its lock."""
    teams = database.run_read(list_teams)
    found = [database.run(partial(_audit_team, team_id=team.id)) for team in teams]
    return len(teams), tuple(difference for differences in found for difference in differences)


def _audit_team(connection: Connection, team_id: str) -> list[Difference]:
    sql.lock_balance(connection, team_id)
    prepaid_ticks, month, postpaid_ticks = sql.find_balance(connection, team_id)
    total, of_month = sql.sum_entries(connection, team_id), sql.sum_month(connection, team_id, month)
    pairs = [
        ("prepaid credits", prepaid_ticks, total.prepaid_ticks),
        (f"postpaid debt of {month}", postpaid_ticks, -of_month.postpaid_ticks),
    ]
    left = dict(sql.sum_grants(connection, team_id))
    for grant in sql.list_grants(connection, team_id):
        pairs.append((f"credit grant {grant.id}", grant.left_ticks, left.pop(grant.id, 0)))
    pairs += [(f"credit grant {grant_id}, which is not there", 0, ticks) for grant_id, ticks in left.items()]
    differences = [Difference(team_id, what, kept, ledger) for what, kept, ledger in pairs if kept != ledger]
    for entry_id, cost_ticks, paid_ticks in sql.list_wrong_spends(connection, team_id):
        differences.append(Difference(team_id, f"cost of the completion of entry {entry_id}", cost_ticks, paid_ticks))
    return differences
