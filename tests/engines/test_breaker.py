"""When another server is left alone, and when it is not."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.engines.other_server import DONE, FINE, delta
from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import TextPiece
from vitrail.engines.breaker import Breaker
from vitrail.engines.openai_client import Unreachable
from vitrail.engines.upstream import UpstreamEngine, UpstreamOptions


class Clock:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """A clock at 0."""
    return Clock()


@pytest.fixture
def breaker(clock):
    """A breaker that opens at the second failure, for ten seconds."""
    return Breaker(failures=2, pause_seconds=10, monotonic=clock)


def fail(breaker, times=1):
    """Let requests through that get no answer."""
    for _ in range(times):
        with pytest.raises(Unreachable), breaker.passage():
            raise Unreachable


def test_a_sign_of_life_between_failures_starts_the_count_again(breaker):
    """A piece of another answer, or a healthy probe."""
    for note in (breaker.note_life, breaker.note_probe):
        fail(breaker)
        note()
        fail(breaker)
        assert not breaker.is_open
        note()
    fail(breaker, 2)
    assert breaker.is_open


def test_a_piece_ends_the_pause_and_a_probe_does_not(breaker):
    """A server whose pages answer may still not generate; one that goes on with an answer does."""
    fail(breaker, 2)
    breaker.note_probe()
    assert breaker.is_open
    breaker.note_life()
    assert not breaker.is_open


def test_requests_from_before_do_not_make_the_pause_longer(breaker, clock):
    """They were sent when nobody knew, and may fail one after another for a long time."""
    with capture_logs() as lines:
        before = [breaker.passage() for _ in range(4)]
        for passage in before:
            passage.__enter__()
        for second, passage in enumerate(before):
            clock.now = float(second * 5)
            failure = Unreachable()
            assert not passage.__exit__(Unreachable, failure, None)
        clock.now = 16.0
    assert not breaker.is_open  # it opened at 5
    assert len(lines) == 1
    with breaker.passage() as is_trial:
        assert is_trial


def test_a_trial_that_fails_begins_another_pause(breaker, clock):
    """One request tries; all others wait until it is known."""
    fail(breaker, 2)
    clock.now = 10.0
    with pytest.raises(Unreachable), breaker.passage() as is_trial:
        assert is_trial
        with pytest.raises(Unavailable), breaker.passage():
            pass
        raise Unreachable
    assert breaker.is_open
    clock.now = 20.0
    with breaker.passage() as is_trial:
        assert is_trial
    with breaker.passage() as is_trial:
        assert not is_trial


@pytest.fixture
async def engine(server, clock):
    """An upstream engine with two retries, left alone after two requests."""
    options = UpstreamOptions(retries=2, retry_pause_seconds=0, breaker_failures=2)
    engine = UpstreamEngine(options, base_url=server.url, model="big-vlm", monotonic=clock)
    await engine.start()
    yield engine
    await engine.close()


async def test_requests_count_and_not_their_tries(server, engine, clock, ask, collect):
    """A request with its retries is one failure; the request that tries again is sent once."""
    server.answers = [["cut"]] * 7 + [FINE]
    for tries in (3, 6):
        assert not engine._breaker.is_open
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hi"))
        assert len(server.bodies) == tries
    assert engine._breaker.is_open
    clock.now = 10.0
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))
    assert len(server.bodies) == 7
    clock.now = 20.0
    assert (await collect(engine, ask("Hi")))[0] == TextPiece("Hello")


async def test_one_that_is_still_answering_keeps_the_server_in_use(server, engine, ask, collect):
    """While an answer goes on piece by piece, others that fail are no sign that the server is away."""
    may_go_on = asyncio.Event()
    server.answers = [[delta(content="a"), may_go_on, delta(content="b"), delta("stop"), DONE]]
    long = engine.generate(ask("Hi"), Sampling())
    await anext(long)
    server.answers = [["cut"]] * 6
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))
    may_go_on.set()
    assert await anext(long) == TextPiece("b")
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))
    assert not engine._breaker.is_open
    await long.aclose()


async def test_a_healthy_probe_between_failures_counts(server, engine, ask, collect):
    """Few requests, all of them slow, do not make a healthy server one that is left alone."""
    server.answers = [["cut"]] * 6
    for _ in range(2):
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hi"))
        assert (await engine.health()).ready
