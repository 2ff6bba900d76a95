"""Wrap an engine so that few generations run at once, few wait, and none waits long; the rest is refused at once.

Made by `app.py` around every engine. Slots and places in the queue are shared fairly between askers (`fair_queue`).
Knows nothing of teams or prices.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Stopping, Unavailable
from vitrail.domain.perception import Perceived
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Capabilities, Engine, Health, Perceiver, Piece, Prompt, Token
from vitrail.engines.fair_queue import FairQueue


class SlotsOptions(BaseModel):
    """How many generations an engine runs and keeps waiting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generations: int | None = Field(None, ge=1, description="Generations at once; by default what the engine can do.")
    queue: int = Field(
        256, ge=0, description="Most requests that wait for a slot; then the keys with most waiting are refused."
    )
    wait_seconds: float = Field(30.0, gt=0, description="Longest wait for a slot; then the request is refused.")
    drain_seconds: float = Field(10.0, ge=0, description="Longest time that running generations get when closing.")


class Slots:
    """An engine with a bounded number of generations; `generations` holds unless the options say otherwise."""

    def __init__(self, engine: Engine, options: SlotsOptions, *, generations: int = 1) -> None:
        self._engine = engine
        self._queue = SlotQueue(options, generations=generations)

    @property
    def engine(self) -> Engine:
        """Return the engine inside."""
        return self._engine

    @property
    def running(self) -> int:
        """Return how many generations hold a slot."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a slot."""
        return self._queue.waiting

    @property
    def generations(self) -> int:
        """Return how many slots there are."""
        return self._queue.generations

    @property
    def capabilities(self) -> Capabilities:
        """Return what the engine can do."""
        return self._engine.capabilities

    @property
    def fingerprint(self) -> str:
        """Return the engine's fingerprint."""
        return self._engine.fingerprint

    async def start(self) -> None:
        """Start the engine."""
        await self._engine.start()

    def drain(self) -> None:
        """Refuse whoever waits for a slot, and from now on whoever would have to."""
        self._queue.drain()

    async def close(self) -> None:
        """Refuse whoever waits, let running generations end for a while, then close the engine."""
        await self._queue.close()
        await self._engine.close()

    async def health(self) -> Health:
        """Return the engine's health; not ready while closing."""
        return Health(ready=False, detail="closing") if self._queue.is_closing else await self._engine.health()

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return the engine's count; takes no slot."""
        return await self._engine.count_text_tokens(prompt)

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return the engine's tokens; takes no slot."""
        return await self._engine.tokenize(text)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Wait for a slot, then yield the engine's pieces; the slot is free again when the generator is closed.

        Raises Unavailable with a time to retry after when the queue is full or the wait too long.
        """
        await self._queue.take(prompt.asker)
        try:
            async with aclosing(self._engine.generate(prompt, sampling)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._queue.give_back(prompt.asker)

    async def perceive(self, image: PreparedImage, *, asker: str = "") -> Perceived:
        """Wait for a slot, then return what the engine perceives; only for one whose capabilities have perception."""
        engine = self._engine
        assert isinstance(engine, Perceiver)
        await self._queue.take(asker)
        try:
            return await engine.perceive(image, asker=asker)
        finally:
            self._queue.give_back(asker)


class SlotQueue:
    """A bounded number of slots to generate in, and a bounded queue before them, both shared fairly between askers."""

    def __init__(self, options: SlotsOptions, *, generations: int) -> None:
        self._options = options
        self._free = options.generations or generations
        self._generations = self._free
        self._waiters: FairQueue[asyncio.Future[None]] = FairQueue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._draining = False

    @property
    def running(self) -> int:
        """Return how many generations hold a slot."""
        return self._generations - self._free

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a slot."""
        return len(self._waiters)

    @property
    def generations(self) -> int:
        """Return how many slots there are."""
        return self._generations

    @property
    def is_closing(self) -> bool:
        """Tell whether no slot is given any more."""
        return self._closing

    def drain(self) -> None:
        """Refuse whoever waits, now and from now on: the server stops, and another one may have room."""
        self._draining = True
        for waiter in self._waiters.clear():
            self._refuse(waiter)

    async def close(self) -> None:
        """Refuse whoever waits, and let running generations end for a while."""
        self._closing = True
        self.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain_seconds):
                await self._idle.wait()

    async def take(self, asker: str) -> None:
        """Return holding a slot; whoever is cancelled or refused holds none."""
        if self._closing:
            raise self._refusal()
        if self._free and not self.waiting:
            self._free -= 1
            self._idle.clear()
            self._waiters.begin(asker)
            return
        if self._draining:
            raise self._refusal()
        self._make_room(asker)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.push(asker, waiter)
        try:
            async with asyncio.timeout(self._options.wait_seconds):
                await waiter
        except BaseException as failure:
            is_waiting = self._waiters.remove(asker, waiter)
            if not is_waiting and not waiter.cancelled() and waiter.exception() is None:
                self.give_back(asker)  # the slot came in the same moment as the cancellation
            if isinstance(failure, TimeoutError):
                raise self._refusal() from failure
            raise

    def give_back(self, asker: str) -> None:
        """Hand the slot to whoever is next, or keep it free."""
        self._waiters.end(asker)
        while (following := self._waiters.pop()) is not None:
            whose, waiter = following
            if not waiter.done():
                waiter.set_result(None)
                return
            self._waiters.end(whose)  # cancelled in this very moment
        self._free += 1
        if self._free == self._generations:
            self._idle.set()

    def _make_room(self, asker: str) -> None:
        """Return when one more may wait; raises Unavailable unless somebody else has more than their share waiting."""
        if self.waiting < self._options.queue:
            return
        waiter = self._waiters.make_room(asker)
        if waiter is None:
            raise self._refusal()
        self._refuse(waiter)

    def _refuse(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(self._refusal())

    def _refusal(self) -> Unavailable:
        """A refusal that tells to come back when about half the queue can have moved on, or another server is up."""
        if self._draining:
            return Stopping()
        return Unavailable(retry_after_seconds=max(1.0, round(self._options.wait_seconds / 2)))
