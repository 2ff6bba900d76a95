"""Whether this server can answer now. Called by `/readyz`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sqlalchemy import Connection, text

from vitrail.engines.base import Health
from vitrail.store.database import Database
from vitrail.store.patience import DatabaseAway


class Part(Protocol):
    """What can be asked for its health; every engine is one."""

    async def health(self) -> Health:
        """Return whether a request could be taken now."""
        ...


class HealthReport:
    """Ask the database and every engine; `draining` turns true when the server is told to stop."""

    def __init__(self, engines: Mapping[str, Part], database: Database, *, draining: Callable[[], bool]) -> None:
        self._engines = engines
        self._database = database
        self._draining = draining

    @property
    def is_draining(self) -> bool:
        """Tell whether the server was told to stop, and takes nothing new."""
        return self._draining()

    async def ready(self) -> tuple[bool, dict[str, str]]:
        """Return whether every part is ready, and a word about each."""
        parts = {"server": "draining" if self._draining() else "ok", "database": await self._ask_database()}
        for model, engine in self._engines.items():
            health = await engine.health()
            parts[f"engine of {model}"] = "ok" if health.ready else "not ready"
        return all(word == "ok" for word in parts.values()), parts

    async def _ask_database(self) -> str:
        try:
            await self._database.read(_select_one)
        except DatabaseAway:
            return "not reachable"
        return "ok"


def _select_one(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
