"""Write what completions used, each exactly once; keep rows while the database cannot be written, up to a bound."""

from __future__ import annotations

from collections import deque

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from vitrail.domain.errors import Unavailable
from vitrail.domain.settlement import Settlement
from vitrail.store.completions import insert_settlement
from vitrail.store.database import Database


class LedgerOptions(BaseModel):
    """How usage survives a database that cannot be written for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spool_rows: int = Field(1000, ge=1, description="Unwritten usage rows kept in memory before requests are refused.")


class Ledger:
    """The usage of every completion. `settle` never raises: a row that cannot be written now waits in the spool."""

    def __init__(self, database: Database, options: LedgerOptions) -> None:
        self._database = database
        self._options = options
        self._spool: deque[Settlement] = deque()
        self._log = structlog.get_logger("vitrail.ledger")

    def check_room(self) -> None:
        """Raise Unavailable when so much usage is unwritten that no more may be produced."""
        if len(self._spool) >= self._options.spool_rows:
            raise Unavailable("The service is currently unavailable: usage cannot be recorded.", retry_after_seconds=10)

    async def settle(self, settlement: Settlement) -> None:
        """Write one completion's usage, with whatever was left unwritten before it."""
        self._spool.append(settlement)
        await self.flush()

    async def flush(self) -> None:
        """Write what is in the spool, oldest first."""
        rows = list(self._spool)
        try:
            await self._database.write(lambda connection: _insert_all(connection, rows))
        except SQLAlchemyError as error:
            self._log.error("usage not written", rows=len(rows), error=type(error).__name__)
            return
        for row in rows:
            if row in self._spool:
                self._spool.remove(row)


def _insert_all(connection: Connection, rows: list[Settlement]) -> None:
    for row in rows:
        try:
            with connection.begin_nested():
                insert_settlement(connection, row)
        except IntegrityError:
            continue  # written before, by a flush that ran beside this one
