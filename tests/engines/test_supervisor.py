"""How the supervisor restarts a child, with children and time that the test plays."""

from __future__ import annotations

import asyncio

import pytest

from vitrail.domain.errors import Unavailable
from vitrail.engines.llama.supervisor import RestartPauses, Supervisor, Watchdog

PAUSES = RestartPauses(first_seconds=1.0, longest_seconds=5.0, stable_seconds=60.0)


class PlayedChild:
    """A child that dies when it is killed."""

    def __init__(self, pid):
        self.pid = pid
        self._dead = asyncio.Event()

    def kill(self):
        self._dead.set()

    async def wait(self):
        await self._dead.wait()
        return -9


class Play:
    """Spawns children as listed, failures included, and notes the pauses."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.pauses = []
        self.spawned = asyncio.Queue()
        self.now = 0.0

    async def spawn(self):
        outcome = self.outcomes.pop(0)
        self.spawned.put_nowait(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def sleep(self, seconds):
        self.pauses.append(seconds)

    def supervisor(self):
        return Supervisor(self.spawn, PAUSES, sleep=self.sleep, monotonic=lambda: self.now)


async def is_current(supervisor, child):
    return supervisor.child is child


async def test_pauses_double_up_to_the_longest():
    """A child that keeps dying is started again after 1, 2, 4, 5, 5 seconds."""
    children = [PlayedChild(i) for i in range(6)]
    play = Play(*children)
    supervisor = play.supervisor()
    await supervisor.start()
    for child in children[:-1]:
        assert await play.spawned.get() is child
        child.kill()
    assert await play.spawned.get() is children[-1]
    assert (play.pauses, supervisor.restarts) == ([1.0, 2.0, 4.0, 5.0, 5.0], 5)
    await supervisor.close()


async def test_pauses_begin_anew_after_a_long_life():
    """A child that lived long enough costs the shortest pause again."""
    children = [PlayedChild(i) for i in range(4)]
    play = Play(*children)
    supervisor = play.supervisor()
    await supervisor.start()
    for child, lived_seconds in zip(children, (1, 1, 100), strict=False):
        assert await play.spawned.get() is child
        await asyncio.sleep(0)
        play.now += lived_seconds
        child.kill()
    await play.spawned.get()
    assert play.pauses == [1.0, 2.0, 1.0]
    await supervisor.close()


async def test_a_failed_restart_is_tried_again(until):
    """A restart that fails counts as another death."""
    first, last = PlayedChild(1), PlayedChild(2)
    play = Play(first, Unavailable("out of memory"), OSError("no process"), RuntimeError("can't start a thread"), last)
    supervisor = play.supervisor()
    await supervisor.start()
    first.kill()
    for _ in range(5):
        await play.spawned.get()
    await until(lambda: is_current(supervisor, last))
    assert play.pauses == [1.0, 2.0, 4.0, 5.0]
    await supervisor.close()


async def test_the_first_start_is_not_repeated():
    """A model that does not load the first time stops the start."""
    supervisor = Play(Unavailable("broken")).supervisor()
    with pytest.raises(Unavailable, match="broken"):
        await supervisor.start()
    await supervisor.close()


async def test_only_the_current_child_is_killed(until):
    """A late complaint about a child that is gone leaves its successor alone."""
    old, new = PlayedChild(1), PlayedChild(2)
    play = Play(old, new)
    supervisor = play.supervisor()
    await supervisor.start()
    supervisor.kill(old, reason="hung")
    await until(lambda: is_current(supervisor, new))
    supervisor.kill(old, reason="hung, said late")
    assert supervisor.child is new and not new._dead.is_set()
    await supervisor.close()


@pytest.mark.parametrize("is_silent", [True, False])
async def test_a_doubted_child_is_probed_at_once(until, is_silent):
    """One silence is then enough to kill it; one that answers goes on."""
    child, other, probes = PlayedChild(1), PlayedChild(2), []
    play = Play(child, other)

    async def probe():
        probes.append(supervisor.child)
        if is_silent and supervisor.child is child:
            raise Unavailable

    watchdog = Watchdog(probe, pause_seconds=3600.0)
    supervisor = Supervisor(play.spawn, PAUSES, watchdog=watchdog, sleep=play.sleep)
    await supervisor.start()
    await asyncio.sleep(0.01)
    supervisor.doubt(other)
    supervisor.doubt(child)
    await until(lambda: is_current(supervisor, other if is_silent else child))
    await until(lambda: has_probed(probes))
    supervisor.doubt(child)
    await asyncio.sleep(0.01)
    assert probes == [child] * (1 if is_silent else 2) and supervisor.restarts == int(is_silent)
    await supervisor.close()


async def has_probed(probes):
    return bool(probes)


@pytest.mark.parametrize("turns", range(5))
async def test_closing_while_the_child_dies_ends(turns):
    """However far the watch has come with the death, closing is not taken for the end of the probe."""
    child, other = PlayedChild(0), PlayedChild(1)
    play = Play(child, other)

    async def probe():
        await asyncio.Event().wait()

    watchdog = Watchdog(probe, pause_seconds=0.0)
    supervisor = Supervisor(play.spawn, PAUSES, watchdog=watchdog, sleep=lambda _: asyncio.Event().wait())
    await supervisor.start()
    await asyncio.sleep(0.01)
    child.kill()
    for _ in range(turns):
        await asyncio.sleep(0)
    closing = asyncio.create_task(supervisor.close())
    ended, _ = await asyncio.wait((closing,), timeout=20)
    closing.cancel()
    assert ended and play.outcomes == [other]
