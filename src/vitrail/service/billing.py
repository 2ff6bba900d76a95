"""Let completions be paid: refuse whom nothing is left, hold what is being spent, charge in the ledger's transaction.

Called by `admission` before any work and by `ledger` when a completion is settled. What an operator does with money is
in `accounts`.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from vitrail.domain.billing import Amounts, EntryKind, Funds, LedgerEntry, plan_charge
from vitrail.domain.errors import OutOfCredits
from vitrail.domain.settlement import Settlement
from vitrail.store import billing as sql
from vitrail.store.database import Database

_SYSTEM = "vitrail"


class BillingOptions(BaseModel):
    """Whether teams pay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charge: bool = Field(
        False, description="Charge teams what answers cost, and refuse who has nothing left; usage is recorded always."
    )


class Billing:
    """The money of all teams, as far as requests need it."""

    def __init__(
        self,
        database: Database,
        options: BillingOptions,
        *,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._options = options
        self._new_id = new_id
        self._now = now
        self._held: Counter[str] = Counter()

    @property
    def is_charging(self) -> bool:
        """Tell whether teams pay."""
        return self._options.charge

    async def check_funds(self, team_id: str) -> None:
        """Raise OutOfCredits where a team has no more than what its running requests will cost."""
        if not self.is_charging:
            return
        now = self._now()
        funds = await self._database.read(lambda connection: sql.read_funds(connection, team_id, now=now))
        if funds.available_ticks <= self._held[team_id]:
            raise OutOfCredits(
                f"Your team {team_id} has either used all available credits or reached its monthly spending limit. "
                "To continue making API requests, please purchase more credits or raise your spending limit.",
                hint="An operator of this server can do both: see docs/accounts.md.",
            )

    def hold(self, team_id: str, ticks: int) -> None:
        """Count what a request that begins will cost at least; negative ticks let go of it."""
        self._held[team_id] += ticks
        if not self._held[team_id]:
            del self._held[team_id]

    def charge(self, connection: Connection, team_id: str, settlements: Sequence[Settlement]) -> None:
        """Write the entries that pay for completions of a team which were written in this transaction, so only once."""
        if not self.is_charging or not settlements:
            return
        now = self._now()
        funds = lock_funds(connection, team_id, now=now, new_id=self._new_id)
        entries = []
        for settlement in settlements:
            charge = plan_charge(settlement.cost.total_ticks, funds)
            funds = funds.after(charge)
            entry = LedgerEntry(
                id=self._new_id(),
                team_id=team_id,
                kind=EntryKind.SPEND,
                amounts=charge.amounts,
                month=funds.month,
                at=now,
                by=settlement.api_key_id,
                grants=charge.grants,
                completion_id=settlement.completion_id,
                request_id=settlement.request_id,
            )
            entries.append(entry)
        sql.insert_entries(connection, entries)


def lock_funds(connection: Connection, team_id: str, *, now: datetime, new_id: Callable[[], str]) -> Funds:
    """Return what a team has, locked; grants that expired are written off first."""
    funds = sql.lock_funds(connection, team_id, now=now)
    expired = [grant for grant in funds.grants if not grant.can_be_used(now)]
    for grant in expired:
        sql.insert_entry(
            connection,
            LedgerEntry(
                id=new_id(),
                team_id=team_id,
                kind=EntryKind.EXPIRY,
                amounts=Amounts(free_ticks=-grant.left_ticks),
                month=funds.month,
                at=now,
                by=_SYSTEM,
                grants={grant.id: -grant.left_ticks},
                note=grant.note,
            ),
        )
    return replace(funds, grants=tuple(grant for grant in funds.grants if grant not in expired))
