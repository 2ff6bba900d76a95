"""How long answers took, over the rounds of a bench."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Ask = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Measured:
    """The answers of one way to ask, over all rounds."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Return answers a second."""
        return len(self.waits) / self.seconds

    @property
    def p50_ms(self) -> float:
        """Return the median time of an answer."""
        return statistics.median(self.waits) * 1000


async def measure(ask: Ask, met: Measured, *, clients: int, seconds: float) -> None:
    """Let `clients` clients ask one after the other for `seconds`."""
    started = time.perf_counter()

    async def go_on() -> None:
        while (began := time.perf_counter()) - started < seconds:
            await ask()
            met.waits.append(time.perf_counter() - began)

    await asyncio.gather(*(go_on() for _ in range(clients)))
    met.seconds += time.perf_counter() - started
