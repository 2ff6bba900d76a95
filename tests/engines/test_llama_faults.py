"""The llama engine when its child dies, hangs or is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from tests.fixtures.freezing import freeze
from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece
from vitrail.engines.llama.engine import LlamaEngine

LONG = Sampling(max_tokens=4000)
TINY_VLM = Path(__file__).parent.parent / "fixtures" / "tiny_vlm.py"
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
        freeze(hung)
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hello"))
        await until(lambda: is_gone(engine, hung))
        await until(lambda: is_ready(engine))
        assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)
    finally:
        await engine.close()


async def test_m05_a_child_that_hangs_within_an_answer_is_killed(tiny_vlm, llama_options, ask_for_long, until):
    """M05 after the idle limit between tokens the child is asked for its health, and killed if it is silent then."""
    impatient = llama_options.model_copy(update={"idle_seconds": 0.3, "probe_seconds": 2.0})
    engine = LlamaEngine(impatient, tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()
    try:
        stream = engine.generate(ask_for_long, LONG)
        await anext(stream)
        hung = engine.pid
        freeze(hung)
        with pytest.raises(Unavailable):
            async for _ in stream:
                pass
        await until(lambda: is_gone(engine, hung))
    finally:
        await engine.close()


async def test_m05_a_child_that_hangs_while_nobody_asks_is_found_out(tiny_vlm, llama_options, ask, collect, until):
    """M05 health goes red at the first unanswered probe; after three the child is killed and another takes over."""
    engine = LlamaEngine(llama_options.model_copy(update={"probe_seconds": 0.2}), tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()
    try:
        hung = engine.pid
        freeze(hung)

        async def is_red():
            return not (await engine.health()).ready

        await until(is_red)
        assert engine.pid == hung and "does not answer" in (await engine.health()).detail
        await until(lambda: is_gone(engine, hung))
        await until(lambda: is_ready(engine))
        assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)
        assert engine.restarts == 1
    finally:
        await engine.close()


async def test_a_busy_child_is_not_taken_for_a_hung_one(tiny_vlm, llama_options, ask, collect):
    """Probes are answered while every slot generates."""
    options = llama_options.model_copy(update={"probe_seconds": 0.3})
    engine = LlamaEngine(options, tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()

    async def keep_busy():
        end = asyncio.get_running_loop().time() + 1.5
        while asyncio.get_running_loop().time() < end:
            await collect(engine, ask("Hello"), Sampling(max_tokens=200, temperature=0))

    try:
        await asyncio.gather(keep_busy(), keep_busy())
        assert (await engine.health()).ready and engine.restarts == 0
    finally:
        await engine.close()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
async def test_truncated_weights_are_named(tiny_vlm, llama_options, tmp_path, share):
    """A file that ends too early does not start, in a line that names it and says what llama.cpp found."""
    whole = tiny_vlm.gguf.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(share * len(whole))])
    engine = LlamaEngine(llama_options, cut)
    with pytest.raises(Unavailable, match=r"cut\.gguf.*(not within the file|not a readable GGUF|empty file)"):
        await engine.start()
    assert engine.pid is None
    await engine.close()


async def test_a_file_that_is_cut_short_while_in_use_is_told_as_the_cause(
    tiny_vlm, llama_options, tmp_path, ask, collect, until
):
    """The child maps the file, and reading what is gone kills it: the request gets 503, the log says why."""
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(whole := tiny_vlm.gguf.read_bytes())
    engine = LlamaEngine(llama_options.model_copy(update={"restart_first_seconds": 0.05}), gguf)
    with structlog.testing.capture_logs() as logs:
        await engine.start()
        try:
            os.truncate(gguf, len(whole) // 2)
            with pytest.raises(Unavailable):
                await collect(engine, ask("Hello"), LONG)

            async def is_told():
                causes = [log.get("cause", "") for log in logs]
                failed = [log["error"] for log in logs if log["event"] == "the engine process did not start"]
                return any("cut short" in cause for cause in causes) and any("model.gguf" in error for error in failed)

            await until(is_told)
            _swap(gguf, whole)
            await until(lambda: is_ready(engine))
        finally:
            await engine.close()


async def test_weights_that_are_truncated_meanwhile_keep_the_engine_down_until_they_are_whole(
    tiny_vlm, llama_options, tmp_path, ask, collect, until
):
    """A restart fails as long as the file is broken; health tells, and the engine is back by itself afterwards."""
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(whole := tiny_vlm.gguf.read_bytes())
    options = llama_options.model_copy(update={"restart_first_seconds": 0.05, "restart_longest_seconds": 0.1})
    engine = LlamaEngine(options, gguf)
    await engine.start()
    try:
        _swap(gguf, whole[: len(whole) // 2])
        os.kill(engine.pid, signal.SIGKILL)

        async def has_tried_twice():
            return engine.restarts >= 2

        await until(has_tried_twice)
        assert not (await engine.health()).ready
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hello"))
        _swap(gguf, whole)
        await until(lambda: is_ready(engine))
        assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)
    finally:
        await engine.close()


async def test_swapped_weights_change_the_fingerprint(tiny_vlm, llama_options, tmp_path, until):
    """Other weights under the same name are answered from after a restart, and the fingerprint says so."""
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(tiny_vlm.gguf.read_bytes())
    await asyncio.to_thread(subprocess.run, [sys.executable, TINY_VLM, tmp_path / "other", "--thinking"], check=True)
    engine = LlamaEngine(llama_options, gguf)
    await engine.start()
    try:
        before, first = engine.fingerprint, engine.pid
        _swap(gguf, (tmp_path / "other" / "tiny-lm.gguf").read_bytes())
        os.kill(first, signal.SIGKILL)
        await until(lambda: is_gone(engine, first))
        await until(lambda: is_ready(engine))
        assert engine.fingerprint != before
    finally:
        await engine.close()


def _swap(path, content):
    """Put another file in the place, as a download does."""
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


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
async def test_the_child_ends_first_when_memory_is_short(llama):
    """Linux is told to end the child, which is started again, rather than the server."""
    process = Path("/proc") / str(llama.pid)
    assert int((process / "oom_score_adj").read_text()) >= 500


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_key_is_nowhere_to_be_read(llama):
    """The child's key stands neither in its arguments nor in its environment."""
    key = llama.child_key.encode()
    process = Path("/proc") / str(llama.pid)
    assert key not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
