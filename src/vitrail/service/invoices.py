"""Tell what the month that runs will cost a team. Called by the management API, on the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection

from vitrail.domain.billing import month_of
from vitrail.domain.invoices import Invoice
from vitrail.store import invoices as sql
from vitrail.store.billing import read_funds
from vitrail.store.database import Database
from vitrail.store.times import to_ms


class Invoices:
    """Invoices of all teams: so far the preview of the month that runs."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def preview(self, team_id: str) -> Invoice:
        """Return the month so far; months are UTC."""
        now = self._now().astimezone(UTC)
        start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

        def read(connection: Connection) -> Invoice:
            return Invoice(
                year=now.year,
                month=now.month,
                lines=sql.sum_lines(connection, team_id, from_ms=to_ms(start), to_ms=to_ms(now) + 1),
                paid=sql.sum_paid(connection, team_id, month_of(now)),
                prepaid_left_ticks=read_funds(connection, team_id, now=now).prepaid_ticks,
            )

        return self._database.run_read(read)
