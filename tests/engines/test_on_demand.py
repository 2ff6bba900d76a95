"""Several llama.cpp models within a memory budget for one: real processes, of which one lives at a time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import aclosing, suppress

import pytest

from vitrail.domain.chat import JsonFormat, Sampling
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece
from vitrail.engines.llama.engine import LlamaEngine
from vitrail.engines.memory_budget import MemoryBudget
from vitrail.engines.on_demand import OnDemand

LONG = Sampling(max_tokens=4000)
MANY = JsonFormat('{"type": "array", "items": {"enum": [1, 2]}, "minItems": 150, "maxItems": 150}')
NEEDED = 100


class Pair:
    """Two models of the same size with a budget for one; `most` processes were seen alive at once."""

    def __init__(self, options, gguf, *, budget_bytes=NEEDED, wait_seconds=20.0, hold_seconds=0.05, clock=lambda: 0.0):
        self.clock = clock
        self.budget = MemoryBudget(budget_bytes, wait_seconds=wait_seconds, queue=8)
        self.a, self.b = (self._make(name, options, gguf, hold_seconds) for name in "ab")
        self.most = 0
        self._watching = asyncio.create_task(self._watch())

    def _make(self, name, options, gguf, hold_seconds):
        engine = LlamaEngine(options, gguf.with_name(f"{name}.gguf"))
        return OnDemand(
            engine,
            self.budget,
            name=name,
            needed_bytes=NEEDED,
            hold_seconds=hold_seconds,
            monotonic=lambda: self.clock(),
        )

    @property
    def loaded(self):
        """The names of the loaded models."""
        return "".join(name for name, engine in (("a", self.a), ("b", self.b)) if engine.is_loaded)

    async def _watch(self):
        while True:
            children = [engine.engine._supervisor.child for engine in (self.a, self.b)]
            self.most = max(self.most, sum(child is not None and child.is_alive for child in children))
            await asyncio.sleep(0.001)

    async def close(self):
        """Close both."""
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching
        await self.a.close()
        await self.b.close()


@pytest.fixture
async def open_pair(tiny_vlm, llama_options, tmp_path):
    """Makes and starts a pair; its files are copies of their own."""
    pairs = []
    for name in "ab":
        shutil.copy(tiny_vlm.gguf, tmp_path / f"{name}.gguf")

    async def open_one(**options):
        pair = Pair(llama_options, tmp_path / "x.gguf", **options)
        pairs.append(pair)
        await pair.a.start()
        await pair.b.start()
        return pair

    yield open_one
    for pair in pairs:
        await pair.close()


async def test_the_first_is_loaded_at_start_and_the_other_when_it_is_asked_for(open_pair, ask, collect):
    """A, B, A: every answer comes, and no two processes are alive at once."""
    pair = await open_pair()
    assert pair.loaded == "a"
    for name, engine in (("a", pair.a), ("b", pair.b), ("a", pair.a)):
        assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)
        assert pair.loaded == name
    assert (pair.a.loads, pair.a.unloads, pair.b.loads, pair.b.unloads, pair.most) == (2, 1, 1, 1, 1)


async def test_both_stay_where_the_budget_has_room_for_both(open_pair, ask, collect):
    """Nothing is unloaded without need."""
    pair = await open_pair(budget_bytes=2 * NEEDED)
    for engine in (pair.a, pair.b, pair.a):
        await collect(engine, ask("Hello"))
    assert (pair.loaded, pair.a.loads, pair.b.loads, pair.a.unloads) == ("ab", 1, 1, 0)


async def test_what_the_files_tell_is_known_without_loading(open_pair, ask, collect):
    """Fingerprint and capabilities are there before the first load and stay after it; unloaded is not unready."""
    pair = await open_pair()
    assert (pair.b.fingerprint, pair.b.capabilities) == (pair.a.fingerprint, pair.a.capabilities)
    assert pair.b.fingerprint.startswith("llama-") and pair.b.capabilities.structured
    assert (await pair.b.health()).ready and pair.b.loads == 0
    await collect(pair.b, ask("Hello"))
    assert (await pair.a.health()).ready and pair.a.fingerprint == pair.b.fingerprint


async def test_a_model_that_generates_is_never_stopped(open_pair, ask, collect):
    """The other one waits until the answer has come whole, and who comes after waits behind that one."""
    pair = await open_pair()
    async with aclosing(pair.a.generate(ask("Hello", response_format=MANY), LONG)) as stream:
        await anext(stream)
        pid, order = pair.a.engine.pid, []
        other = asyncio.create_task(collect(pair.b, ask("Hello")))
        other.add_done_callback(lambda _: order.append("b"))
        await asyncio.sleep(0)
        newcomer = asyncio.create_task(collect(pair.a, ask("Hello")))
        newcomer.add_done_callback(lambda _: order.append("a"))
        pieces = [piece async for piece in stream]
        assert isinstance(pieces[-1], FinishPiece) and len(pieces) > 100
        assert (pair.a.engine.pid, order) == (pid, [])
    await asyncio.gather(other, newcomer)
    assert (order, pair.most) == (["b", "a"], 1)


async def test_requests_that_come_together_start_the_model_once(open_pair, ask, collect):
    """Eight first requests, one load; and in a mix of both models every answer comes."""
    pair = await open_pair()
    await asyncio.gather(*(collect(pair.b, ask("Hello")) for _ in range(8)))
    assert pair.b.loads == 1
    answers = await asyncio.gather(*(collect(engine, ask("Hello")) for engine in (pair.a, pair.b) * 3))
    assert all(isinstance(answer[-1], FinishPiece) for answer in answers)
    assert pair.most == 1


async def test_who_waits_too_long_for_room_is_refused(open_pair, ask, ask_for_long, collect):
    """503 with a time to retry after; the one that generates goes on, and takes newcomers again."""
    pair = await open_pair(wait_seconds=0.2)
    async with aclosing(pair.a.generate(ask_for_long, LONG)) as stream:
        await anext(stream)
        with pytest.raises(Unavailable) as caught:
            await collect(pair.b, ask("Hello"))
        assert caught.value.retry_after_seconds == 1.0
        assert isinstance((await collect(pair.a, ask("Hello")))[-1], FinishPiece)
        await anext(stream)
    assert isinstance((await collect(pair.b, ask("Hello")))[-1], FinishPiece)


async def test_a_counted_prompt_keeps_its_model_until_the_answer_begins(open_pair, ask, collect):
    """The other model comes after the answer, not between the count and the answer: each is loaded once."""
    pair = await open_pair(hold_seconds=60)
    assert await pair.a.count_text_tokens(ask("Hello")) > 0
    other = asyncio.create_task(collect(pair.b, ask("Hello")))
    await asyncio.sleep(0.1)
    assert pair.loaded == "a"
    await collect(pair.a, ask("Hello"))
    await other
    assert (pair.a.loads, pair.b.loads, pair.loaded) == (1, 1, "b")


async def test_a_counted_prompt_that_is_never_asked_lets_the_model_go(open_pair, ask):
    """The hold ends by itself."""
    pair = await open_pair(hold_seconds=0.1)
    await pair.a.count_text_tokens(ask("Hello"))
    assert await pair.b.count_text_tokens(ask("Hello")) > 0
    assert len(await pair.b.tokenize("Hello")) > 0 and pair.loaded == "b"


async def test_a_start_that_fails_is_a_503_and_frees_the_room(open_pair, ask, collect, tmp_path):
    """Everybody who waits is told, health is red for a while, the other model comes back, and so does this one."""
    now = [0.0]
    pair = await open_pair(clock=lambda: now[0])
    whole = (tmp_path / "b.gguf").read_bytes()
    (tmp_path / "b.gguf").write_bytes(whole[: len(whole) // 2])
    refused = await asyncio.gather(*(collect(pair.b, ask("Hello")) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(failure, Unavailable) and failure.retry_after_seconds for failure in refused)
    assert all("b.gguf" not in failure.sentence for failure in refused)
    assert (pair.loaded, pair.budget.reserved_bytes) == ("", 0)
    assert not (await pair.b.health()).ready and (await pair.a.health()).ready
    assert isinstance((await collect(pair.a, ask("Hello")))[-1], FinishPiece)
    now[0] = 31.0
    assert (await pair.b.health()).ready
    (tmp_path / "b.gguf").write_bytes(whole)
    assert isinstance((await collect(pair.b, ask("Hello")))[-1], FinishPiece)


async def test_a_model_that_does_not_go_is_unready(open_pair, ask, collect, until, monkeypatch):
    """Unloading is a state of moments: one that stays in it is told by health, until it is over."""
    now, may_go = [0.0], asyncio.Event()
    pair = await open_pair(clock=lambda: now[0])
    close = pair.a.engine.close

    async def close_slowly():
        await may_go.wait()
        await close()

    monkeypatch.setattr(pair.a.engine, "close", close_slowly)
    waiting = asyncio.create_task(collect(pair.b, ask("Hello")))
    await until(lambda: is_state(pair, "a", "unloading"))
    await asyncio.sleep(0.01)
    assert (await pair.a.health()).ready
    now[0] = 31.0
    health = await pair.a.health()
    assert (health.ready, health.detail) == (False, "unloading for 31 s")
    may_go.set()
    assert isinstance((await waiting)[-1], FinishPiece) and (await pair.a.health()).ready


async def test_a_model_whose_end_fails_frees_the_room(open_pair, monkeypatch):
    """Closing tells the failure, and the other models have the memory."""
    pair = await open_pair()
    close = pair.a.engine.close

    async def fail():
        await close()
        raise OSError("no such process")

    monkeypatch.setattr(pair.a.engine, "close", fail)
    with pytest.raises(OSError, match="no such process"):
        await pair.a.close()
    assert pair.budget.reserved_bytes == 0
    monkeypatch.setattr(pair.a.engine, "close", close)


async def test_a_model_that_cannot_be_loaded_at_start_says_why(tiny_vlm, llama_options, tmp_path):
    """As without a budget; nothing is left reserved."""
    (tmp_path / "a.gguf").write_bytes(tiny_vlm.gguf.read_bytes()[:3000])
    pair = Pair(llama_options, tmp_path / "x.gguf")
    with pytest.raises(Unavailable, match=r"a\.gguf"):
        await pair.a.start()
    assert pair.budget.reserved_bytes == 0
    await pair.close()


async def test_cancelled_while_waiting_for_room(open_pair, ask, ask_for_long, collect):
    """Whoever leaves holds nothing: the model that generates takes newcomers, then makes room for the next."""
    pair = await open_pair()
    async with aclosing(pair.a.generate(ask_for_long, LONG)) as stream:
        await anext(stream)
        waiting = asyncio.create_task(collect(pair.b, ask("Hello")))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await collect(pair.a, ask("Hello"))
    assert pair.loaded == "a"
    await collect(pair.b, ask("Hello"))
    assert pair.loaded == "b"


async def test_cancelled_while_the_model_is_loaded(open_pair, ask, collect, until):
    """The load goes on without the one who asked, and nobody holds the model."""
    pair = await open_pair()
    waiting = asyncio.create_task(collect(pair.b, ask("Hello")))
    await until(lambda: is_state(pair, "b", "loading"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: is_state(pair, "b", "loaded"))
    await collect(pair.a, ask("Hello"))
    assert (pair.loaded, pair.b.loads, pair.b.unloads) == ("a", 1, 1)


async def test_m04_a_killed_child_keeps_its_room_and_comes_back(open_pair, ask, ask_for_long, collect, until):
    """M04 killed while it generates: the stream fails, health is red, then the same model answers again."""
    pair = await open_pair()
    stream = pair.a.generate(ask_for_long, LONG)
    await anext(stream)
    os.kill(pair.a.engine.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass

    async def is_ready():
        return (await pair.a.health()).ready

    async def is_red():
        return not await is_ready()

    await until(is_red)
    await until(is_ready)
    await collect(pair.a, ask("Hello"))
    assert (pair.a.loads, pair.a.restarts) == (1, 1)
    await collect(pair.b, ask("Hello"))
    assert (pair.loaded, pair.most) == ("b", 1)


async def test_closing_refuses_who_waits_and_leaves_no_process(open_pair, ask, ask_for_long, collect, until):
    """Also while the other model is just being loaded; closing twice is safe."""
    pair = await open_pair()
    stream = pair.a.generate(ask_for_long, LONG)
    await anext(stream)
    waiting = asyncio.create_task(collect(pair.b, ask("Hello")))
    await asyncio.sleep(0.01)
    await pair.b.close()
    with pytest.raises(Unavailable):
        await waiting
    await stream.aclose()
    with pytest.raises(Unavailable):
        await collect(pair.b, ask("Hello"))
    await pair.a.close()
    await pair.a.close()
    assert pair.budget.reserved_bytes == 0 and pair.a.engine.pid is None


async def test_closing_ends_a_load(open_pair, ask, collect, until):
    """The process that is just starting is gone, and who waited for it is told."""
    pair = await open_pair()
    waiting = asyncio.create_task(collect(pair.b, ask("Hello")))
    await until(lambda: is_state(pair, "b", "loading"))
    await pair.b.close()
    with pytest.raises(Unavailable):
        await waiting
    assert pair.budget.reserved_bytes == 0 and pair.b.engine.pid is None


async def is_state(pair, name, word):
    """Tell whether the model is in that state."""
    return pair.budget.residency(name).value == word
