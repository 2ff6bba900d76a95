"""No interleaving of admit, settle, refund, top-up and expiry makes money appear or vanish, on either database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from vitrail.domain.billing import month_of
from vitrail.domain.completion import Usage
from vitrail.domain.errors import InvalidArgument, OutOfCredits
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement
from vitrail.service.accounts import Accounts
from vitrail.service.audit import audit
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.ledger import Ledger, LedgerOptions
from vitrail.service.teams import Teams
from vitrail.store.database import Database, DatabaseOptions, open_database

TICKS = st.integers(1, 1000)


def settlement(team_id: str, cost_ticks: int, at: datetime, completion_id: str | None = None) -> Settlement:
    """Return what a completion of that cost is settled as."""
    return Settlement(
        completion_id=completion_id or str(uuid.uuid4()),
        request_id=str(uuid.uuid4()),
        team_id=team_id,
        api_key_id="k",
        endpoint="chat",
        model="m",
        status=CompletionStatus.FINISHED,
        at=at,
        usage=Usage(1, 0),
        cost=Cost(text_ticks=cost_ticks),
        client_ip=None,
    )


class Money(RuleBasedStateMachine):
    """A model of two teams' money in plain integers beside the real thing; `databases` are two openings of one."""

    databases: tuple[Database, Database]
    settled = Bundle("settled")
    admitted = Bundle("admitted")

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 25, tzinfo=UTC)
        self.accounts = [Accounts(database, now=lambda: self.now) for database in self.databases]
        self.billing = [
            Billing(database, BillingOptions(charge=True), now=lambda: self.now) for database in self.databases
        ]
        self.held: dict[tuple[int, int], int] = {}  # (process, team) -> what its running requests will cost
        teams = Teams(self.databases[0])
        self.teams = [teams.create(str(uuid.uuid4())).id for _ in range(2)]
        self.given = dict.fromkeys(self.teams, 0)  # free credits that were ever given
        self.expiring: list[tuple[str, datetime]] = []
        self.bought = dict.fromkeys(self.teams, 0)
        self.spent = dict.fromkeys(self.teams, 0)

    @rule(team=st.integers(0, 1), process=st.integers(0, 1), ticks=TICKS)
    def top_up(self, team: int, process: int, ticks: int) -> None:
        self.accounts[process].top_up(self.teams[team], ticks, by="test")
        self.bought[self.teams[team]] += ticks

    @rule(team=st.integers(0, 1), process=st.integers(0, 1), ticks=TICKS, sign=st.sampled_from((1, -1)))
    def correct(self, team: int, process: int, ticks: int, sign: int) -> None:
        self.accounts[process].correct(self.teams[team], sign * ticks, by="test")
        self.bought[self.teams[team]] += sign * ticks

    @rule(team=st.integers(0, 1), process=st.integers(0, 1), ticks=TICKS, days=st.integers(1, 3) | st.none())
    def give(self, team: int, process: int, ticks: int, days: int | None) -> None:
        expires_at = self.now + timedelta(days=days) if days else None
        self.accounts[process].give_credits(self.teams[team], ticks, by="test", expires_at=expires_at)
        self.given[self.teams[team]] += ticks

    @rule(team=st.integers(0, 1), ticks=st.integers(0, 2000))
    def limit(self, team: int, ticks: int) -> None:
        self.accounts[0].limit(self.teams[team], hard_ticks=ticks)

    @rule(target=admitted, team=st.integers(0, 1), process=st.integers(0, 1), ticks=st.integers(1, 500))
    def admit(self, team: int, process: int, ticks: int) -> object:
        """Let a request begin where a team has more than what its running requests of that process will cost."""
        team_id, key = self.teams[team], (process, team)
        available = self.accounts[1 - process].show_funds(team_id).available_ticks
        try:
            asyncio.run(self.billing[process].check_funds(team_id))
        except OutOfCredits:
            assert available <= self.held.get(key, 0)
            return multiple()
        assert available > self.held.get(key, 0)
        self.billing[process].hold(team_id, ticks)
        self.held[key] = self.held.get(key, 0) + ticks
        return (process, team, ticks)

    @rule(target=settled, which=consumes(admitted), answer_ticks=st.integers(0, 500), is_whole=st.booleans())
    def end(self, which: tuple[int, int, int], answer_ticks: int, is_whole: bool) -> object:
        """Settle an admitted request with what it came to, or end it without a piece; then let go of what was held."""
        process, team, prompt_ticks = which
        self.billing[process].hold(self.teams[team], -prompt_ticks)
        self.held[process, team] -= prompt_ticks
        if not is_whole:
            return multiple()
        row = settlement(self.teams[team], prompt_ticks + answer_ticks, self.now)
        ledger = Ledger(self.databases[process], LedgerOptions(), billing=self.billing[process])
        asyncio.run(ledger.settle(row))
        self.spent[row.team_id] += row.cost.total_ticks
        return (row.completion_id, row.team_id, row.cost.total_ticks)

    @rule(
        target=settled,
        teams=st.lists(st.integers(0, 1), min_size=1, max_size=4),
        process=st.integers(0, 1),
        ticks=st.integers(0, 1500),
    )
    def settle(self, teams: list[int], process: int, ticks: int) -> object:
        """Several completions at once, each a second time by the other process."""
        rows = [settlement(self.teams[team], ticks, self.now) for team in teams]

        async def write() -> None:
            for number in (process, 1 - process):
                database = self.databases[number]
                billing = Billing(database, BillingOptions(charge=True), now=lambda: self.now)
                ledger = Ledger(database, LedgerOptions(), billing=billing)
                await asyncio.gather(*(ledger.settle(row) for row in rows))

        asyncio.run(write())
        for row in rows:
            self.spent[row.team_id] += ticks
        return multiple(*((row.completion_id, row.team_id, ticks) for row in rows))

    @rule(which=settled, process=st.integers(0, 1))
    def refund(self, which: tuple[str, str, int], process: int) -> None:
        completion_id, team_id, ticks = which
        try:
            self.accounts[process].refund(completion_id, by="test")
        except InvalidArgument:
            return  # refunded before
        self.spent[team_id] -= ticks

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule(process=st.integers(0, 1))
    def write_off(self, process: int) -> None:
        asyncio.run(self.accounts[process].write_off_expired())

    @invariant()
    def everything_is_accounted_for(self) -> None:
        """What came in is what is there, what was spent, and what expired; and the audit finds nothing."""
        for team_id in self.teams:
            entries = self.accounts[0].list_entries(team_id, limit=10_000)
            total = sum(entry.amounts.total_ticks for entry in entries)
            expired = -sum(entry.amounts.free_ticks for entry in entries if entry.kind == "expiry")
            assert total == self.bought[team_id] + self.given[team_id] - self.spent[team_id] - expired
            assert expired <= self.given[team_id]
            debt = sum(e.amounts.postpaid_ticks for e in entries if e.month == month_of(self.now))
            assert -debt == self.accounts[1].show_funds(team_id).postpaid_used_ticks
        assert audit(self.databases[1])[1] == ()


@pytest.mark.timeout(300)
def test_money_neither_appears_nor_vanishes(database_url: str, tmp_path: Path) -> None:
    """Random histories of two teams, seen and changed by two processes."""
    opened = [open_database(DatabaseOptions(url=database_url), data_dir=tmp_path) for _ in range(2)]
    machine = type("Opened", (Money,), {"databases": tuple(opened)})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=12, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
        )
    finally:
        for database in opened:
            database.close()


async def test_settlements_of_many_at_once_are_each_charged_once(open_database_again: Callable[[], Database]) -> None:
    """Two processes settle the same two hundred completions of three teams in different orders at the same time."""
    databases = [open_database_again() for _ in range(2)]
    accounts, now = Accounts(databases[0]), datetime.now(UTC)
    teams = [Teams(databases[0]).create(f"team {number}").id for number in range(3)]
    for team_id in teams:
        accounts.give_credits(team_id, 50, by="test")
        accounts.top_up(team_id, 100, by="test")
    rows = [settlement(teams[number % 3], 7, now) for number in range(200)]
    ledgers = [Ledger(d, LedgerOptions(), billing=Billing(d, BillingOptions(charge=True))) for d in databases]
    await asyncio.gather(*(ledgers[0].settle(row) for row in rows), *(ledgers[1].settle(row) for row in reversed(rows)))
    spends = [e for team_id in teams for e in accounts.list_entries(team_id, limit=999) if e.kind == "spend"]
    assert sorted(e.completion_id or "" for e in spends) == sorted(row.completion_id for row in rows)
    assert {team_id: accounts.show_funds(team_id).available_ticks for team_id in teams} == {
        team_id: 150 - 7 * sum(row.team_id == team_id for row in rows) for team_id in teams
    }
    assert audit(databases[0]) == (3, ())


def test_the_audit_finds_what_was_changed_behind_the_ledger(open_database_again: Callable[[], Database]) -> None:
    """A balance, a grant and a completion that somebody edited are each named with both figures."""
    database = open_database_again()
    accounts, ledger = (
        Accounts(database),
        Ledger(database, LedgerOptions(), billing=Billing(database, BillingOptions(charge=True))),
    )
    team_id = Teams(database).create("t").id
    grant = accounts.give_credits(team_id, 50, by="test")
    accounts.top_up(team_id, 100, by="test")
    asyncio.run(ledger.settle(settlement(team_id, 70, datetime.now(UTC), "c-1")))
    assert audit(database) == (1, ())
    for statement in (
        "UPDATE balances SET prepaid_ticks = 81",
        f"UPDATE credit_grants SET left_ticks = 3 WHERE id = '{grant.id}'",
        "UPDATE completions SET cost_ticks = 71",
    ):
        database.run(lambda c, statement=statement: c.exec_driver_sql(statement))
    found = {(d.what.split(" of the")[0], d.kept_ticks, d.ledger_ticks) for d in audit(database)[1]}
    assert found == {("prepaid credits", 81, 80), (f"credit grant {grant.id}", 3, 0), ("cost", 71, 70)}
