"""What an operator does with the money of teams: give and sell credits, correct, refund, limit, look, audit.

Called by the command line and the management API. Everything runs on the calling thread. Money only ever moves by an
entry of the ledger.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from vitrail.domain.billing import Amounts, CreditGrant, EntryKind, Funds, LedgerEntry
from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.service.billing import lock_funds
from vitrail.store import billing as sql
from vitrail.store.database import Database

T = TypeVar("T")

_MOST_TICKS = 10**17  # 10 million USD: what is more is a slip


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """Most debt of a month: `hard_ticks` by the operator, `soft_ticks` by the team itself, None for no limit."""

    hard_ticks: int
    soft_ticks: int | None

    @property
    def effective_ticks(self) -> int:
        """Return the one that holds."""
        return self.hard_ticks if self.soft_ticks is None else min(self.hard_ticks, self.soft_ticks)


class Accounts:
    """The money of all teams. Amounts are ticks (1 USD = 10^10); `by` says who did it."""

    def __init__(
        self,
        database: Database,
        *,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._new_id = new_id
        self._now = now

    def show_funds(self, team_id: str) -> Funds:
        """Return what a team can spend now."""
        now = self._now()
        return self._database.run_read(lambda c: sql.read_funds(c, team_id, now=now))

    def give_credits(
        self, team_id: str, ticks: int, *, by: str, expires_at: datetime | None = None, note: str = ""
    ) -> CreditGrant:
        """Give free credits; raises InvalidArgument for an amount or an expiry that makes no sense."""
        _check_amount(ticks)
        now = self._now()
        if expires_at is not None and expires_at <= now:
            raise InvalidArgument("These credits would have expired already.", hint="Name a time that is to come.")
        grant = CreditGrant(self._new_id(), team_id, ticks, ticks, now, expires_at, note)

        def write(connection: Connection) -> CreditGrant:
            funds = lock_funds(connection, team_id, now=now, new_id=self._new_id)
            sql.insert_grant(connection, grant)
            amounts, parts = Amounts(free_ticks=ticks), {grant.id: ticks}
            entry = LedgerEntry(
                self._new_id(), team_id, EntryKind.GRANT, amounts, funds.month, now, by, grants=parts, note=note
            )
            sql.insert_entry(connection, entry)
            return grant

        return self._database.run(write)

    def top_up(self, team_id: str, ticks: int, *, by: str, note: str = "") -> LedgerEntry:
        """Sell prepaid credits."""
        _check_amount(ticks)
        return self._move_prepaid(team_id, ticks, EntryKind.PURCHASE, by=by, note=note)

    def correct(self, team_id: str, ticks: int, *, by: str, note: str = "") -> LedgerEntry:
        """Add to the prepaid credits, or take from them with negative ticks; they may fall below zero."""
        _check_amount(abs(ticks))
        return self._move_prepaid(team_id, ticks, EntryKind.MANUAL, by=by, note=note)

    def refund(self, reference: str, *, by: str, note: str = "", team_id: str | None = None) -> LedgerEntry:
        """Take back what a completion (of `team_id`, if named) cost, by the id of completion, request or entry.

        Raises NotFound, or InvalidArgument for what was refunded before. Each kind of money gets its own back; debt of
        a month that is over was invoiced, so it comes back as prepaid.
        """
        return self._database.run(lambda connection: self._refund(connection, reference, team_id, by=by, note=note))

    def limit(self, team_id: str, *, hard_ticks: int | None = None, soft_ticks: int | None = None) -> SpendingLimits:
        """Set the most debt of a month: of the operator, of the team itself, or both; raises InvalidArgument."""
        wanted = {"postpaid_limit_ticks": hard_ticks, "soft_limit_ticks": soft_ticks}
        changed = {name: ticks for name, ticks in wanted.items() if ticks is not None}
        for ticks in changed.values():
            if not 0 <= ticks <= _MOST_TICKS:
                raise InvalidArgument(f"A limit is from 0 to {_MOST_TICKS:,} ticks, not {ticks:,}.")
        if changed:
            self._database.run(lambda c: sql.set_limits(c, team_id, **changed))
        return self.show_limits(team_id)

    def lift_soft_limit(self, team_id: str) -> SpendingLimits:
        """Take away the limit that a team had set itself."""
        self._database.run(lambda c: sql.set_limits(c, team_id, soft_limit_ticks=None))
        return self.show_limits(team_id)

    def show_limits(self, team_id: str) -> SpendingLimits:
        """Return the limits of a team's debt."""
        return SpendingLimits(*self._database.run_read(lambda c: sql.find_limits(c, team_id)))

    def list_entries(
        self, team_id: str, *, limit: int = 100, before: tuple[int, str] | None = None, is_prepaid: bool = False
    ) -> tuple[LedgerEntry, ...]:
        """Return entries of a team, newest first; all, or those that changed its prepaid credits.

        `before` is (milliseconds, id) of the last one of the page before.
        """
        return self._database.run_read(
            lambda c: sql.list_entries(c, team_id, limit=limit, before=before, is_prepaid=is_prepaid)
        )

    def list_grants(self, team_id: str) -> tuple[CreditGrant, ...]:
        """Return every credit grant of a team, oldest first."""
        return self._database.run_read(lambda c: sql.list_grants(c, team_id))

    async def write_off_expired(self) -> int:
        """Write the entries of grants that have expired; return of how many teams."""
        now = self._now()
        teams = await self._database.read(lambda c: sql.list_expired_teams(c, now=now))
        for team_id in teams:
            await self._database.write(partial(lock_funds, team_id=team_id, now=now, new_id=self._new_id))
        return len(teams)

    def _move_prepaid(self, team_id: str, ticks: int, kind: EntryKind, *, by: str, note: str) -> LedgerEntry:
        now = self._now()

        def write(connection: Connection) -> LedgerEntry:
            funds = lock_funds(connection, team_id, now=now, new_id=self._new_id)
            amounts = Amounts(prepaid_ticks=ticks)
            entry = LedgerEntry(self._new_id(), team_id, kind, amounts, funds.month, now, by, note=note)
            sql.insert_entry(connection, entry)
            return entry

        return self._database.run(write)

    def _refund(
        self, connection: Connection, reference: str, team_id: str | None, *, by: str, note: str
    ) -> LedgerEntry:
        spend = sql.find_spend(connection, reference)
        if spend is None or team_id not in (None, spend.team_id):
            raise NotFound(
                f"No completion that was paid has the id {reference[:64]!r}.",
                hint="Use the completion's `id`, or the `x-request-id` of its answer.",
            )
        now = self._now()
        funds = lock_funds(connection, spend.team_id, now=now, new_id=self._new_id)
        amounts = -spend.amounts
        if spend.month != funds.month:
            amounts = Amounts(amounts.free_ticks, amounts.prepaid_ticks + amounts.postpaid_ticks, 0)
        entry = LedgerEntry(
            id=self._new_id(),
            team_id=spend.team_id,
            kind=EntryKind.REFUND,
            amounts=amounts,
            month=funds.month,
            at=now,
            by=by,
            grants={grant: -ticks for grant, ticks in spend.grants.items()},
            request_id=spend.request_id,
            refunds_id=spend.id,
            note=note,
        )
        if not sql.insert_entry(connection, entry):
            raise InvalidArgument(f"The completion {spend.completion_id} was refunded before.")
        return entry


def _check_amount(ticks: int) -> None:
    if not 0 < ticks <= _MOST_TICKS:
        raise InvalidArgument(f"An amount is over 0 and at most {_MOST_TICKS:,} ticks, not {ticks:,}.")
