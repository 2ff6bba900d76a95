"""What the llama engine makes of silence: who fails, who goes on, and when the child has to end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from tests.engines.other_server import FINE, delta
from tests.fixtures.freezing import freeze
from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece
from vitrail.engines.llama.engine import LlamaEngine
from vitrail.engines.llama.link import CALLS, Link
from vitrail.engines.llama.pace import ChildPace
from vitrail.engines.openai_client import OpenAIClient, Stalled

LONG = Sampling(max_tokens=4000)


@pytest.fixture
async def open_engine(tiny_vlm, llama_options):
    """Starts an engine with the tiny model and other options than usual."""
    engines = []

    async def open_one(engine_class=LlamaEngine, **options):
        engine = engine_class(llama_options.model_copy(update=options), tiny_vlm.gguf, tiny_vlm.mmproj)
        engines.append(engine)
        await engine.start()
        return engine

    yield open_one
    for engine in engines:
        await engine.close()


@pytest.fixture
async def open_link(server, llama_options):
    """Makes a link to a server that answers as it is told, in place of a child."""
    links = []

    def open_one(**options):
        child = SimpleNamespace(url=server.url.removesuffix("/v1"), key="secret")
        links.append(Link(child, llama_options.model_copy(update=options)))
        return links[-1]

    yield open_one
    for link in links:
        await link.close()


def find_children():
    """The llama.cpp processes that this process has started and that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, status = (folder / "cmdline").read_bytes().split(b"\0"), (folder / "stat").read_text()
        except OSError:
            continue
        if b"vitrail.engines.llama.child" in words and int(status.rpartition(") ")[2].split()[1]) == os.getpid():
            found.append(int(folder.name))
    return found


async def test_m05_a_stalled_answer_fails_alone(open_engine, ask, ask_for_long, collect):
    """M05 the idle limit fails the request with the recorded text; a child that tells its health is left alive."""
    engine = await open_engine(idle_seconds=0.0001)
    stream, pid = engine.generate(ask_for_long, LONG), engine.pid
    with pytest.raises(Unavailable) as caught:
        async for _ in stream:
            pass
    assert caught.value.message == "The service is currently unavailable." and caught.value.retry_after_seconds
    assert await engine.fetch_slots() and (engine.pid, engine.restarts) == (pid, 0)
    assert (await engine.health()).ready


async def test_m05_a_child_in_which_nothing_gets_on_is_killed(open_engine, ask, collect, until):
    """M05 no event of any answer within the longest limit: though it tells its health, the child is replaced."""
    engine = await open_engine(first_piece_seconds=0.001)
    pid = engine.pid
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hello"))

    async def is_another():
        return engine.pid not in (None, pid)

    await until(is_another)
    assert engine.restarts == 1


async def test_one_stream_may_stall_while_another_gets_on(server, open_link):
    """The child is stuck only when nothing came of any stream."""
    link = open_link(first_piece_seconds=0.5, idle_seconds=0.2)
    steady = [item for _ in range(40) for item in (delta(content="a"), "pause")]
    server.answers = [[*steady, *FINE], [delta(role="assistant"), "hang"]]
    steady_stream = link.stream(b"{}", views=0, top_logprobs=0)
    await anext(steady_stream)

    async def go_on():
        return [piece async for piece in steady_stream]

    going_on = asyncio.create_task(go_on())
    with pytest.raises(Stalled):
        async for _ in link.stream(b"{}", views=0, top_logprobs=0):
            pass
    assert not link.is_stuck
    assert isinstance((await going_on)[-1], FinishPiece)


async def test_views_that_are_due_give_every_stream_more_time(server, open_link):
    """While a picture is to be encoded no stream is given up, whoever sent it; a stream without an end in sight is."""
    link = open_link(first_piece_seconds=0.2, idle_seconds=0.2, view_seconds=0.1)
    late = [delta(role="assistant"), *["pause"] * 20, *FINE]
    server.answers = [late, late, [delta(role="assistant"), "hang"]]
    seen = [[piece async for piece in link.stream(b"{}", views=views, top_logprobs=0)] for views in (70, 140)]
    assert all(isinstance(pieces[-1], FinishPiece) for pieces in seen)
    with pytest.raises(Stalled):
        async for _ in link.stream(b"{}", views=2, top_logprobs=0):
            pass
    assert link.is_stuck


def test_the_pace_counts_views_until_they_are_encoded():
    """Once, whether a piece came or the stream was given up; the longest silence begins with the first stream."""
    now = 0.0
    pace = ChildPace(longest_seconds=300.0, view_seconds=30.0, monotonic=lambda: now)
    now = 1000.0
    with pace.stream(7) as note_first, pace.stream(2):
        assert pace.more_seconds() == 9 * 30.0 and not pace.is_stuck
        now += 569.0
        assert not pace.is_stuck
        now += 1.0
        assert pace.is_stuck
        note_first()
        note_first()
        pace.note_event()
        assert pace.more_seconds() == 2 * 30.0 and not pace.is_stuck
    assert pace.more_seconds() == 0.0


async def test_a_stalled_count_leaves_the_child_to_the_watchdog(open_engine, ask, collect):
    """A small call that gets no answer fails; the process, which only stood still, goes on."""
    engine = await open_engine(call_seconds=2.0)
    pid = engine.pid
    freeze(pid)
    with pytest.raises(Unavailable):
        await engine.count_text_tokens(ask("Hello"))
    os.kill(pid, signal.SIGCONT)
    assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)
    assert (engine.pid, engine.restarts) == (pid, 0)


@pytest.fixture
async def slow_child(llama_options):
    """A link to a server that answers small calls when it is let, with the most that it was asked at once."""
    most, now, let = 0, 0, asyncio.Event()

    async def answer(request):
        nonlocal most, now
        now += 1
        most = max(most, now)
        try:
            await let.wait()
        finally:
            now -= 1
        return web.json_response({})

    async def tell_health(request):
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/tokenize", answer)
    app.router.add_get("/health", tell_health)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    child = SimpleNamespace(url=f"http://127.0.0.1:{runner.addresses[0][1]}", key="secret")
    link = Link(child, llama_options.model_copy(update={"call_seconds": 1.0}))
    yield SimpleNamespace(link=link, let=let.set, most=lambda: most)
    await link.close()
    await runner.cleanup()


async def test_few_calls_run_at_once_and_a_probe_waits_for_none(slow_child):
    """Calls take turns; who gets none within the limit of a call is told to come back."""
    calls = [asyncio.create_task(slow_child.link.call("POST", "/tokenize", {})) for _ in range(CALLS + 5)]
    await asyncio.sleep(0.2)
    assert slow_child.most() == CALLS
    await slow_child.link.probe()
    refused = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(failure, Unavailable) and failure.retry_after_seconds for failure in refused)
    slow_child.let()
    await asyncio.gather(*(slow_child.link.call("POST", "/tokenize", {}) for _ in range(CALLS + 5)))
    assert slow_child.most() == CALLS


class Unlucky(LlamaEngine):
    """An engine whose child is killed while a request is rendered, and back before that is done."""

    def _render_body(self, prompt, sampling, lend):
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while self.pid in (None, pid):
            pass
        return super()._render_body(prompt, sampling, lend)


async def test_a_request_that_is_rendered_while_the_child_restarts_is_refused(open_engine, ask, collect):
    """503 and a time to retry after, and never an error of our own: the connection it was to take is closed."""
    engine = await open_engine(Unlucky, restart_first_seconds=0.01)
    with pytest.raises(Unavailable) as caught:
        await collect(engine, ask("Hello"))
    assert caught.value.retry_after_seconds and (await engine.health()).ready


async def test_a_closed_client_is_unavailable(llama_options):
    """Whatever is asked of it."""
    client = OpenAIClient("http://127.0.0.1:9", key=None, patience=llama_options.patience)
    await client.close()
    with pytest.raises(Unavailable):
        await client.call("GET", "/health")
    with pytest.raises(Unavailable):
        await anext(client.stream_chat("/chat/completions", b"{}"))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc")
async def test_closing_while_the_earlier_connections_are_closed_leaves_no_process(open_engine, monkeypatch):
    """However far a restart has come, the process that it started ends with the engine."""
    engine, closing = await open_engine(restart_first_seconds=0.01), asyncio.Event()
    close = OpenAIClient.close

    async def close_slowly(client):
        closing.set()
        await asyncio.sleep(0.2)
        await close(client)

    monkeypatch.setattr(OpenAIClient, "close", close_slowly)
    os.kill(engine.pid, signal.SIGKILL)
    await closing.wait()
    await engine.close()
    assert not find_children()
