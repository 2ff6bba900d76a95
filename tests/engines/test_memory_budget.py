"""The tasks of a memory budget under many requests that come, leave, fail and are cancelled at any moment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from vitrail.domain.errors import Unavailable
from vitrail.engines.memory_book import Residency
from vitrail.engines.memory_budget import MemoryBudget

NEEDED = {"a": 3, "b": 4, "c": 6, "d": 10}
BUDGET = 10


class Memory:
    """What the models take of a machine's memory; loading and unloading take some turns of the loop, and may fail."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.loaded: set[str] = set()
        self.users: Counter[str] = Counter()
        self.answered = 0
        self.faults: list[str] = []
        self.budget = MemoryBudget(BUDGET, wait_seconds=30, queue=100)
        for name, needed_bytes in NEEDED.items():
            self.budget.add(name, needed_bytes, start=self.starter(name), stop=self.stopper(name))

    async def pause(self) -> None:
        """Let others run for some turns."""
        for _ in range(self.draw.randrange(5)):
            await asyncio.sleep(0)

    def check(self, holds: bool, what: str) -> None:
        """Note a fault where it is seen: nobody hears of what a task raises."""
        if not holds:
            self.faults.append(what)

    def starter(self, name):
        """Loads the model."""

        async def start() -> None:
            self.check(name not in self.loaded, f"{name} was loaded twice")
            self.loaded.add(name)
            self.check(sum(NEEDED[n] for n in self.loaded) <= BUDGET, f"{self.loaded} are over the budget")
            try:
                await self.pause()
                if self.draw.random() < 0.2:
                    raise Unavailable("The file is not whole.")
            except BaseException:
                self.loaded.remove(name)
                raise

        return start

    def stopper(self, name):
        """Unloads the model."""

        async def stop() -> None:
            self.check(not self.users[name], f"{name} was unloaded while in use")
            await self.pause()
            self.loaded.discard(name)

        return stop

    async def ask(self, name: str) -> None:
        """Use a model for some turns."""
        await self.pause()
        try:
            await self.budget.take(name)
        except Unavailable:
            return
        self.users[name] += 1
        try:
            await self.pause()
            self.check(name in self.loaded, f"{name} was used and not loaded")
            self.answered += 1
        finally:
            self.users[name] -= 1
            self.budget.release(name)


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_comes_the_budget_holds_and_everybody_gets_an_end(seed):
    """Answers, refusals and cancellations leave no user behind, and no byte once all is closed."""
    draw = random.Random(seed)
    memory = Memory(draw)
    asked = [asyncio.create_task(memory.ask(draw.choice("aabbccd"))) for _ in range(60)]
    for task in asked:
        if draw.random() < 0.3:
            await memory.pause()
            task.cancel()
    async with asyncio.timeout(20):
        results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
    assert memory.faults == []
    assert memory.answered and not memory.users.total()
    for name in NEEDED:
        assert memory.budget._book.users(name) == 0
    await asyncio.gather(*(memory.budget.close(name) for name in NEEDED))
    assert not memory.loaded and memory.budget.reserved_bytes == 0
    assert all(memory.budget.residency(name) is Residency.ABSENT for name in NEEDED)


async def test_when_too_many_wait_the_next_is_refused():
    """One waits, the queue is full, and the second is told to come back; the first gets in."""
    memory = Memory(random.Random(1))
    memory.draw.random = lambda: 1.0  # no start fails
    memory.budget._queue = 1
    await memory.budget.take("d")
    first = asyncio.create_task(memory.budget.take("a"))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await memory.budget.take("a")
    assert caught.value.retry_after_seconds == 15
    memory.budget.release("d")
    await first
    assert memory.loaded == {"a"}
