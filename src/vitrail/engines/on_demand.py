"""Wrap an engine that holds weights so that it is loaded when it is asked for, and may be unloaded when it is not.

Made by `app.py` inside the slots, where there is a memory budget. Knows nothing of other models: `memory_budget` does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Failure
from vitrail.engines.base import Capabilities, Engine, Health, Piece, Prompt, Token
from vitrail.engines.memory_book import Residency
from vitrail.engines.memory_budget import MemoryBudget

FAILED_SECONDS = 30.0  # how long a load that failed makes the model unready; then a request may find out anew
UNLOAD_SECONDS = 30.0  # a model that takes longer to be gone is unready: its memory is not free


class Reloadable(Engine, Protocol):
    """An engine that can be started again after it was closed; the llama engine is one."""

    @property
    def restarts(self) -> int:
        """Return how often its process was started again after it died."""
        ...

    async def inspect(self) -> None:
        """Learn what the files tell without loading them, `fingerprint` among it; raises Unavailable."""
        ...


class OnDemand:
    """The engine of the model `name`, loaded at the first request; its budget makes the room."""

    def __init__(
        self,
        engine: Reloadable,
        budget: MemoryBudget,
        *,
        name: str,
        needed_bytes: int,
        hold_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._budget = budget
        self._name = name
        self._hold_seconds = hold_seconds
        self._monotonic = monotonic
        self._failed_at: float | None = None
        self._stops_since: float | None = None
        self._holds: deque[asyncio.TimerHandle] = deque()
        budget.add(name, needed_bytes, start=self._start, stop=self._stop)

    @property
    def engine(self) -> Reloadable:
        """Return the engine inside."""
        return self._engine

    @property
    def capabilities(self) -> Capabilities:
        """Return what the engine can do: by its files before it was ever loaded, then as it said itself."""
        return self._engine.capabilities

    @property
    def fingerprint(self) -> str:
        """Return the engine's fingerprint, which its files tell."""
        return self._engine.fingerprint

    @property
    def restarts(self) -> int:
        """Return how often the engine's process was started again after it died."""
        return self._engine.restarts

    @property
    def is_loaded(self) -> bool:
        """Tell whether the model is in memory."""
        return self._budget.residency(self._name) is Residency.LOADED

    @property
    def loads(self) -> int:
        """Return how often the model was loaded."""
        return self._budget.loads(self._name)

    @property
    def unloads(self) -> int:
        """Return how often it was unloaded to make room."""
        return self._budget.unloads(self._name)

    async def start(self) -> None:
        """Read what the files tell, and load the model if there is room for it; raises Unavailable."""
        await self._engine.inspect()
        await self._budget.load_if_room(self._name)

    async def close(self) -> None:
        """Refuse whoever waits for the model, and unload it."""
        while self._holds:
            self._end_hold()
        await self._budget.close(self._name)

    async def health(self) -> Health:
        """Return the engine's health while it is loaded; else whether it could be, as far as that was tried."""
        if self.is_loaded:
            return await self._engine.health()
        residency, now = self._budget.residency(self._name).value, self._monotonic()
        if self._stops_since is not None and now - self._stops_since >= UNLOAD_SECONDS:
            return Health(ready=False, detail=f"{residency} for {now - self._stops_since:.0f} s")
        if self._failed_at is not None and now - self._failed_at < FAILED_SECONDS:
            return Health(ready=False, detail=f"{residency}; it could not be loaded a moment ago")
        return Health(ready=True, detail=residency)

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return the engine's count; the model then stays for a while, since an answer is likely to be asked for."""
        await self._budget.take(self._name)
        try:
            count = await self._engine.count_text_tokens(prompt)
        except BaseException:
            self._budget.release(self._name)
            raise
        self._holds.append(asyncio.get_running_loop().call_later(self._hold_seconds, self._end_hold))
        return count

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return the engine's tokens."""
        await self._budget.take(self._name)
        try:
            return await self._engine.tokenize(text)
        finally:
            self._budget.release(self._name)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Wait until the model is loaded, then yield the engine's pieces; it stays until the generator is closed."""
        if self._holds:
            self._holds.popleft().cancel()  # whoever counts is who asks: that use of the model becomes this one
        else:
            await self._budget.take(self._name)
        try:
            async with aclosing(self._engine.generate(prompt, sampling)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._budget.release(self._name)

    def _end_hold(self) -> None:
        self._holds.popleft().cancel()
        self._budget.release(self._name)

    async def _start(self) -> None:
        try:
            await self._engine.start()
        except (Failure, OSError):
            self._failed_at = self._monotonic()
            raise
        self._failed_at = None

    async def _stop(self) -> None:
        self._stops_since = self._monotonic()
        try:
            await self._engine.close()
        finally:
            self._stops_since = None
