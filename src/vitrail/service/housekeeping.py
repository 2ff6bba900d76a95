"""Do what has to be done again and again while the server runs: sweep, write down, try again. Started by `app.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from vitrail.store.patience import DatabaseAway


@dataclass(frozen=True, slots=True)
class Chore:
    """A step and how often it is taken; a chore `at_end` is also taken once more when the server stops."""

    name: str
    step: Callable[[], Awaitable[int]]
    every_seconds: float
    at_end: bool = False


class Housekeeping:
    """Takes the steps of all chores, each in its own time; a step that fails is logged and taken again."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = tuple(chores)
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("vitrail.housekeeping")

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and take the last steps; safe to call twice."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait((self._task,))
        self._task = None
        for chore in self._chores:
            if chore.at_end:
                await self._take(chore)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for chore in self._chores:
                group.create_task(self._repeat(chore))

    async def _repeat(self, chore: Chore) -> None:
        while True:
            await asyncio.sleep(chore.every_seconds)
            await self._take(chore)

    async def _take(self, chore: Chore) -> None:
        try:
            done = await chore.step()
        except DatabaseAway as error:  # why, the database itself logged, once
            self._log.error("chore put off", chore=chore.name, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the outermost frame of a chore: it has to go on
            self._log.error("chore failed", chore=chore.name, exc_info=error)
        else:
            if done:
                self._log.debug("chore done", chore=chore.name, count=done)
