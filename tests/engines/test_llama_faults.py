"""The llama engine when its child dies, hangs or is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece
from vitrail.engines.llama.engine import LlamaEngine

LONG = Sampling(max_tokens=4000)
PARENT = """
import asyncio, os, signal, sys
from pathlib import Path
from vitrail.engines.llama.engine import LlamaEngine
from vitrail.engines.llama.options import LlamaOptions

async def main():
    engine = LlamaEngine(LlamaOptions(warmup=False, threads=1, context_tokens=512), Path(sys.argv[1]))
    await engine.start()
    print(engine.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def is_ready(engine):
    return (await engine.health()).ready


async def is_gone(engine, pid):
    return engine.pid != pid


async def test_m04_a_killed_child_fails_the_stream_and_comes_back(llama, ask, ask_for_long, collect, until):
    """M04 killed in mid-stream: every request in flight fails, health goes red, a new child takes over."""
    streams = [llama.generate(ask_for_long, LONG) for _ in range(2)]
    for stream in streams:
        await anext(stream)
    first = llama.pid
    os.kill(first, signal.SIGKILL)
    for stream in streams:
        with pytest.raises(Unavailable) as caught:
            async for _ in stream:
                pass
        assert caught.value.retry_after_seconds and caught.value.message == "The service is currently unavailable."
    await until(lambda: is_gone(llama, first))
    assert not (await llama.health()).ready
    with pytest.raises(Unavailable):
        await collect(llama, ask("Hello"))
    await until(lambda: is_ready(llama))
    assert isinstance((await collect(llama, ask("Hello")))[-1], FinishPiece)
    assert llama.restarts == 1


async def test_m05_a_hung_child_is_killed_and_replaced(tiny_vlm, llama_options, ask, collect, until):
    """M05 no token within the limit: the request fails, the child is killed, the next one answers."""
    impatient = llama_options.model_copy(update={"first_piece_seconds": 0.3})
    engine = LlamaEngine(impatient, tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()
    try:
        hung = engine.pid
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hello"))
        await until(lambda: is_gone(engine, hung))
        await until(lambda: is_ready(engine))
        assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)
    finally:
        await engine.close()


async def test_m05_a_child_that_hangs_within_an_answer_is_killed(tiny_vlm, llama_options, ask_for_long, until):
    """M05 the idle limit between tokens kills the child as well."""
    engine = LlamaEngine(llama_options.model_copy(update={"idle_seconds": 0.3}), tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()
    try:
        stream = engine.generate(ask_for_long, LONG)
        await anext(stream)
        hung = engine.pid
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            async for _ in stream:
                pass
        await until(lambda: is_gone(engine, hung))
    finally:
        await engine.close()


async def test_a_child_that_never_gets_ready_is_given_up(tiny_vlm, llama_options):
    """The start has a deadline, and leaves no process."""
    engine = LlamaEngine(llama_options.model_copy(update={"start_seconds": 0.001}), tiny_vlm.gguf)
    with pytest.raises(Unavailable, match="not ready within"):
        await engine.start()
    assert engine.pid is None


async def test_closing_ends_the_child(tiny_vlm, llama_options):
    """After close there is no child left."""
    engine = LlamaEngine(llama_options, tiny_vlm.gguf)
    await engine.start()
    child = engine.pid
    await engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


async def test_closing_in_mid_stream_fails_the_stream(llama, ask_for_long):
    """A stream that runs while the engine is closed ends with Unavailable."""
    stream = llama.generate(ask_for_long, LONG)
    await anext(stream)
    await llama.close()
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_m17_the_child_dies_with_its_parent(tiny_vlm, until):
    """M17 a parent that is killed leaves no child behind."""
    parent = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", PARENT, tiny_vlm.gguf], capture_output=True, text=True, check=False
    )
    child = Path("/proc") / parent.stdout.strip()

    async def is_dead():
        return not child.exists() or "State:\tZ" in (child / "status").read_text()

    await until(is_dead)


@pytest.mark.parametrize("unwanted", [signal.SIGINT, signal.SIGTERM])
async def test_m16_a_signal_to_the_whole_group_does_not_end_the_child(llama, ask, collect, unwanted):
    """M16 the parent decides when its child ends, so that streams may run out."""
    os.kill(llama.pid, unwanted)
    assert isinstance((await collect(llama, ask("Hello")))[-1], FinishPiece)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_key_is_nowhere_to_be_read(llama):
    """The child's key stands neither in its arguments nor in its environment."""
    key = llama.child_key.encode()
    process = Path("/proc") / str(llama.pid)
    assert key not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
