"""Write what completions used, each exactly once, and let them be paid in the same transaction.

Rows that cannot be written are kept, up to a bound, and tried again; what is left at the end outlasts the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from vitrail.domain.errors import Unavailable
from vitrail.domain.settlement import Settlement
from vitrail.service.billing import Billing
from vitrail.service.kept_usage import KeptUsage
from vitrail.store.completions import insert_settlements
from vitrail.store.database import Database
from vitrail.store.patience import DatabaseAway


class LedgerOptions(BaseModel):
    """How usage survives a database that cannot be written for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spool_rows: int = Field(1000, ge=1, description="Unwritten usage rows kept in memory before requests are refused.")


class Ledger:
    """The usage of every completion. `settle` never raises: a row that cannot be written now waits in the spool."""

    def __init__(
        self, database: Database, options: LedgerOptions, *, billing: Billing, kept: KeptUsage | None = None
    ) -> None:
        self._database = database
        self._kept = kept
        self._options = options
        self._billing = billing
        self._spool: dict[str, Settlement] = {}  # by completion, oldest first
        self._untried: set[str] = set()
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger("vitrail.ledger")

    def check_room(self) -> None:
        """Raise Unavailable when so much usage is unwritten that no more may be produced."""
        if len(self._spool) >= self._options.spool_rows:
            raise Unavailable("The service is currently unavailable: usage cannot be recorded.", retry_after_seconds=10)

    async def settle(self, settlement: Settlement) -> None:
        """Write one completion's usage, together with all that came while another was written."""
        self._spool[settlement.completion_id] = settlement
        self._untried.add(settlement.completion_id)
        async with self._turn:
            if settlement.completion_id in self._untried:
                await self._write_spool()

    async def start(self) -> None:
        """Take over what an earlier process could not write."""
        if self._kept is not None:
            rows = await asyncio.to_thread(self._kept.load)
            self._spool.update((row.completion_id, row) for row in rows)
            await self.flush()

    async def flush(self) -> int:
        """Write what could not be written before; return how many rows were."""
        async with self._turn:
            written = await self._write_spool()
        if written and not self._spool and self._kept is not None:
            await asyncio.to_thread(self._kept.clear)
        return written

    async def close(self) -> None:
        """Write what is left, to a file where the database does not take it."""
        await self.flush()
        if not self._spool or self._kept is None:
            return
        rows = tuple(self._spool.values())
        try:
            path = await asyncio.to_thread(self._kept.save, rows)
        except OSError as error:
            self._log.error("usage is lost", rows=len(rows), error=str(error))
        else:
            self._log.warning("usage is kept in a file until the next start", rows=len(rows), path=str(path))

    async def _write_spool(self) -> int:
        rows = tuple(self._spool.values())
        self._untried.clear()
        if not rows:
            return 0
        try:
            await self._database.write(
                lambda connection: self._write_all(connection, rows), is_synced=self._billing.is_charging
            )
        except (DatabaseAway, SQLAlchemyError) as error:
            self._log.error("usage not written", rows=len(rows), error=type(error).__name__)
            return 0
        for row in rows:
            del self._spool[row.completion_id]
        return len(rows)

    def _write_all(self, connection: Connection, rows: Sequence[Settlement]) -> None:
        """Write rows that are not there yet and charge for them, one team after the other.

        Processes that write at the same time lock teams in the same order, so none waits for another in a circle.
        """
        by_team: dict[str, list[Settlement]] = {}
        for row in sorted(rows, key=lambda row: (row.team_id, row.completion_id)):
            by_team.setdefault(row.team_id, []).append(row)
        for team_id, of_team in by_team.items():
            new_ids = insert_settlements(connection, of_team)
            self._billing.charge(connection, team_id, [row for row in of_team if row.completion_id in new_ids])
