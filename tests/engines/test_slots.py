"""Bounded generations: who runs, who waits, who is refused, and that nothing is ever lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from vitrail.domain.chat import Sampling
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import Capabilities, FinishPiece, Health, Prompt, TextPiece
from vitrail.engines.slots import Slots, SlotsOptions


class GatedEngine:
    """Gives one piece, then waits until the test opens the gate."""

    capabilities = Capabilities(images=True)
    fingerprint = "gated"

    def __init__(self):
        self.gate = asyncio.Event()
        self.running = 0
        self.most = 0
        self.order = []
        self.closed = 0

    async def start(self):
        pass

    async def close(self):
        self.closed += 1

    async def health(self):
        return Health(ready=True)

    async def count_text_tokens(self, prompt):
        return 7

    async def tokenize(self, text):
        return ()

    async def generate(self, prompt, sampling):
        self.order.append(prompt.asker)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield TextPiece("one")
            await self.gate.wait()
            yield FinishPiece(FinishReason.STOP)
        finally:
            self.running -= 1


@pytest.fixture
def engine():
    """The wrapped engine."""
    return GatedEngine()


@pytest.fixture
def slots(engine):
    """Two slots and a queue of two."""
    return Slots(engine, SlotsOptions(generations=2, queue=2, wait_seconds=30, drain_seconds=0.01))


def asked_by(name):
    """A prompt of one asker."""
    return Prompt(messages=(), asker=name)


async def consume(slots, name):
    """Play a whole generation."""
    return [piece async for piece in slots.generate(asked_by(name), Sampling())]


async def start_all(slots, names):
    """Start a generation for each name, in order, and let each get as far as it can."""
    tasks = []
    for name in names:
        tasks.append(asyncio.create_task(consume(slots, name)))
        for _ in range(5):
            await asyncio.sleep(0)
    return tasks


async def test_runs_as_many_as_there_are_slots(slots, engine):
    """The third and fourth request wait while two run."""
    tasks = await start_all(slots, "abcd")
    assert (slots.running, slots.waiting, engine.order) == (2, 2, ["a", "b"])
    engine.gate.set()
    assert all(len(pieces) == 2 for pieces in await asyncio.gather(*tasks))
    assert (slots.running, slots.waiting, engine.most) == (0, 0, 2)


async def test_serves_in_the_order_of_asking(slots, engine):
    """Waiters get their slots first come, first served."""
    tasks = await start_all(slots, "abcd")
    engine.gate.set()
    await asyncio.gather(*tasks)
    assert engine.order == ["a", "b", "c", "d"]


async def test_refuses_at_once_when_the_queue_is_full(slots, engine):
    """The fifth request is refused with a time to come back, and the others are not disturbed."""
    tasks = await start_all(slots, "abcd")
    with pytest.raises(Unavailable) as caught:
        await consume(slots, "e")
    assert caught.value.retry_after_seconds >= 1
    engine.gate.set()
    await asyncio.gather(*tasks)
    assert "e" not in engine.order


async def test_refuses_who_waited_too_long(engine):
    """A request that finds no slot in time is refused and leaves the queue."""
    slots = Slots(engine, SlotsOptions(generations=1, wait_seconds=0.02))
    (first,) = await start_all(slots, "a")
    with pytest.raises(Unavailable):
        await consume(slots, "b")
    assert slots.waiting == 0
    engine.gate.set()
    await first


async def test_m02_a_cancelled_waiter_frees_its_place(slots, engine):
    """M02 a client gone while queued leaves room for another."""
    tasks = await start_all(slots, "abcd")
    tasks[2].cancel()
    await asyncio.gather(tasks[2], return_exceptions=True)
    assert slots.waiting == 1
    tasks += await start_all(slots, "e")
    engine.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert engine.order == ["a", "b", "d", "e"]


async def test_m03_closing_the_generator_frees_the_slot(slots, engine):
    """M03 a client gone mid-stream frees its slot for who waits, before the generator's close returns."""
    stream = slots.generate(asked_by("a"), Sampling())
    await anext(stream)
    await start_all(slots, "b")
    waiting = await start_all(slots, "c")
    assert slots.waiting == 1
    await stream.aclose()
    assert (slots.running, slots.waiting) == (2, 0)
    engine.gate.set()
    await asyncio.gather(*waiting)


async def test_a_slot_given_to_a_cancelled_waiter_is_passed_on(engine):
    """A slot that arrives in the very moment of cancellation is not lost."""
    slots = Slots(engine, SlotsOptions(generations=1))
    stream = slots.generate(asked_by("a"), Sampling())
    await anext(stream)
    second, third = await start_all(slots, "bc")
    await stream.aclose()  # hands the slot to the second, which has not run yet
    second.cancel()
    engine.gate.set()
    await asyncio.gather(second, third, return_exceptions=True)
    assert (engine.order, slots.running) == (["a", "c"], 0)


async def test_an_engine_that_fails_frees_the_slot():
    """A generation that raises gives its slot back."""

    class Failing(GatedEngine):
        async def generate(self, prompt, sampling):
            raise Unavailable
            yield

    slots = Slots(Failing(), SlotsOptions(generations=1))
    for _ in range(3):
        with pytest.raises(Unavailable):
            await consume(slots, "a")
    assert slots.running == 0


async def test_the_default_number_is_the_engines(engine):
    """Without an option, as many run as the engine can do."""
    assert Slots(engine, SlotsOptions(), generations=3).generations == 3
    assert Slots(engine, SlotsOptions(generations=2), generations=3).generations == 2


async def test_closing_refuses_who_waits_and_lets_who_runs_end(engine):
    """M16 while draining, running generations end, waiting and new ones are refused, health is red."""
    slots = Slots(engine, SlotsOptions(generations=1, drain_seconds=30))
    running, waiting = await start_all(slots, "ab")
    closing = asyncio.create_task(slots.close())
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await consume(slots, "c")
    assert not (await slots.health()).ready and engine.closed == 0
    engine.gate.set()
    assert len(await running) == 2
    await closing
    assert engine.closed == 1


async def test_closing_does_not_wait_for_ever(slots, engine):
    """M16 the drain limit ends the wait for a generation that does not end."""
    tasks = await start_all(slots, "a")
    await slots.close()
    assert engine.closed == 1
    engine.gate.set()
    await asyncio.gather(*tasks)


async def test_passes_everything_else_through(slots):
    """Counts, health, capabilities and fingerprint are the engine's own."""
    assert await slots.count_text_tokens("a") == 7
    assert await slots.tokenize("a") == ()
    assert (slots.fingerprint, slots.capabilities.images) == ("gated", True)
    assert (await slots.health()).ready


@pytest.mark.parametrize("seed", range(20))
async def test_no_slot_is_ever_lost(engine, seed):
    """Whatever mixture of endings and cancellations, all slots are free at the end and never too many run."""
    chance = random.Random(seed)
    slots = Slots(engine, SlotsOptions(generations=3, queue=20, wait_seconds=30))
    engine.gate.set()
    tasks = [asyncio.create_task(consume(slots, str(index % 4))) for index in range(20)]
    for _ in range(15):
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        chance.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (slots.running, slots.waiting) == (0, 0) and engine.most <= 3


async def test_a_greedy_key_does_not_keep_the_others_waiting(engine):
    """Who asks once is next after twenty of somebody else's, and then the two take turns."""
    slots = Slots(engine, SlotsOptions(generations=1, queue=50))
    tasks = await start_all(slots, "gggggggggg" + "bb")
    engine.gate.set()
    await asyncio.gather(*tasks)
    assert "".join(engine.order) == "gbgb" + "gggggggg"


async def test_a_key_with_every_slot_gets_no_further_one_while_others_wait(engine):
    """Two slots of a greedy key: both that come free go to the two who have none."""
    slots = Slots(engine, SlotsOptions(generations=2, queue=50))
    streams = [slots.generate(asked_by("g"), Sampling()) for _ in range(2)]
    for stream in streams:
        await anext(stream)
    waiting = await start_all(slots, "ggbc")
    for stream in streams:
        await stream.aclose()
    for _ in range(5):
        await asyncio.sleep(0)
    assert engine.order[2:] == ["b", "c"]
    engine.gate.set()
    await asyncio.gather(*waiting)


async def test_a_full_queue_refuses_the_greedy_key_first(engine):
    """A newcomer takes the place of the newest request of whoever has most waiting."""
    slots = Slots(engine, SlotsOptions(generations=1, queue=3))
    running, *waiting = await start_all(slots, "gggg")
    (newcomer,) = await start_all(slots, "b")
    with pytest.raises(Unavailable):
        await waiting[-1]
    assert slots.waiting == 3 and not newcomer.done()
    engine.gate.set()
    await asyncio.gather(running, *waiting[:-1], newcomer)
    assert engine.order == ["g", "b", "g", "g"]


async def test_the_greedy_key_itself_finds_a_full_queue_full(engine):
    """Who has most waiting pushes nobody out."""
    slots = Slots(engine, SlotsOptions(generations=1, queue=3))
    tasks = await start_all(slots, "gggb")
    with pytest.raises(Unavailable):
        await consume(slots, "g")
    engine.gate.set()
    assert all(len(pieces) == 2 for pieces in await asyncio.gather(*tasks))
