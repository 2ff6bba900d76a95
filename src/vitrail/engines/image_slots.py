"""Wrap an image engine so that few generations run at once, few wait, and none waits long. Made by `app.py`."""

from __future__ import annotations

from vitrail.engines.base import Health
from vitrail.engines.image_base import DrawnImage, ImageEngine
from vitrail.engines.slots import SlotQueue, SlotsOptions


class ImageSlots:
    """An image engine with a bounded number of generations; a request takes one slot, whatever its `n`."""

    def __init__(self, engine: ImageEngine, options: SlotsOptions, *, generations: int = 1) -> None:
        self._engine = engine
        self._queue = SlotQueue(options, generations=generations)

    @property
    def running(self) -> int:
        """Return how many generations hold a slot."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a slot."""
        return self._queue.waiting

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

    async def draw(self, prompt: str, *, n: int, asker: str = "") -> tuple[DrawnImage, ...]:
        """Wait for a slot, then return the engine's images; raises Unavailable when there is no room to wait."""
        await self._queue.take(asker)
        try:
            return await self._engine.draw(prompt, n=n)
        finally:
            self._queue.give_back(asker)
