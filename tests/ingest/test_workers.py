"""Decode processes that die, hang, run out of memory or out of room (I30, M08)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from vitrail.domain.errors import InvalidArgument, Unavailable
from vitrail.domain.pictures import ImageFormat
from vitrail.ingest.decode_task import DecodeTask
from vitrail.ingest.workers import DecodeOptions, DecodeWorkers

# What the tests run in a decode process in place of decoding: the image's bytes say what happens to it.
HOOKS = """
import os, signal, time
from pathlib import Path
from vitrail.ingest.decode_worker import decode_in_worker

def decode(task):
    word, _, rest = task.data.partition(b" ")
    if word == b"crash":
        with open(rest.decode(), "a") as log:
            log.write(f"{os.getpid()}\\n")
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == b"crash-once":
        path = Path(rest.decode())
        if not path.exists():
            path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"
    if word == b"hang":
        time.sleep(60)
    if word == b"hoard":
        return len(bytearray(int(rest)))
    if word == b"pid":
        return os.getpid()
    if word == b"wait":
        Path(rest.decode() + ".here").touch()
        while not Path(rest.decode()).exists():
            time.sleep(0.01)
        return "done"
    return decode_in_worker(task)
"""


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module of hooks that decode processes can import too."""
    name = f"decode_hooks_{os.getpid()}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(HOOKS))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__(name)


def task(data: bytes) -> DecodeTask:
    """Return a task that carries a word for the hooks, or a PNG of one pixel."""
    return DecodeTask(data, ImageFormat.PNG, 1, 1, 1, 1, 1)


@asynccontextmanager
async def decoding(hooks: ModuleType | None = None, clock: Any = None, **options: Any) -> AsyncIterator[DecodeWorkers]:
    """Yield decode workers with these options and end them."""
    more = {"clock": clock} if clock else {}
    if hooks is not None:
        more["decode"] = hooks.decode
    workers = DecodeWorkers(DecodeOptions(**{"workers": 1, **options}), **more)
    try:
        yield workers
    finally:
        await workers.close()


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children() -> list[int]:
    """Return the ids of this process's decode processes."""
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


async def until(condition: Callable[[], bool]) -> None:
    """Wait, at most ten seconds, until something outside this process is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.02)


async def test_a_picture_comes_back_with_its_digest(encode: Callable[..., bytes]) -> None:
    """A worker decodes in another process and returns pixels and their SHA-256."""
    data = encode(Image.new("RGB", (5, 3), "red"))
    async with decoding() as workers:
        decoded = await workers.decode(DecodeTask(data, ImageFormat.PNG, 1, 5, 3, 5, 3), digest="a")

    assert decoded.picture.rgb == b"\xff\0\0" * 15
    assert len(decoded.pixels_sha256) == 64


async def test_a_refusal_comes_through(encode: Callable[..., bytes]) -> None:
    """What the decoder refuses is refused with the same words here, and costs no worker."""
    data = encode(Image.new("RGB", (50, 30), "red"))[:-30]
    async with decoding() as workers:
        for _ in range(2):  # the second time too: a refusal by the decoder is no quarantine
            with pytest.raises(InvalidArgument, match="damaged or cut off"):
                await workers.decode(DecodeTask(data, ImageFormat.PNG, 1, 50, 30, 50, 30), digest="a")


async def test_I30_an_image_that_kills_its_worker_is_tried_twice(hooks: ModuleType, tmp_path: Path) -> None:
    """A crash is tried once more in a fresh process, then the image is refused; the next image is unharmed."""
    log = tmp_path / "crashes"
    async with decoding(hooks) as workers:
        with pytest.raises(InvalidArgument, match="limits of time and memory"):
            await workers.decode(task(b"crash " + str(log).encode()), digest="bad")
        assert isinstance(await workers.decode(task(b"pid"), digest="good"), int)

    pids = log.read_text().split()
    assert len(pids) == 2 == len(set(pids))


async def test_I30_a_killer_is_not_tried_again_for_a_while(hooks: ModuleType, tmp_path: Path) -> None:
    """The digest of an image that killed its worker is refused without a try, until its time is over."""
    log, now = tmp_path / "crashes", 1_000.0
    async with decoding(hooks, clock=lambda: now, quarantine_seconds=60) as workers:
        bad = task(b"crash " + str(log).encode())
        for _ in range(3):
            with pytest.raises(InvalidArgument):
                await workers.decode(bad, digest="bad")
        tries_within = len(log.read_text().split())
        now += 61
        with pytest.raises(InvalidArgument):
            await workers.decode(bad, digest="bad")

    assert tries_within == 2
    assert len(log.read_text().split()) == 4


async def test_I30_a_crash_that_does_not_repeat_is_forgiven(hooks: ModuleType, tmp_path: Path) -> None:
    """An image whose worker was killed from outside succeeds at the second try."""
    async with decoding(hooks) as workers:
        answer: Any = await workers.decode(task(b"crash-once " + str(tmp_path / "once").encode()), digest="a")

    assert answer == "survived"


async def test_I30_other_images_survive_a_crash(hooks: ModuleType, tmp_path: Path) -> None:
    """An image in another worker is decoded while its neighbour crashes."""
    gate = tmp_path / "gate"
    async with decoding(hooks, workers=2) as workers:
        waiting = asyncio.create_task(workers.decode(task(b"wait " + str(gate).encode()), digest="good"))
        await until((tmp_path / "gate.here").exists)
        with pytest.raises(InvalidArgument):
            await workers.decode(task(b"crash " + str(tmp_path / "log").encode()), digest="bad")
        gate.touch()
        answer: Any = await waiting

    assert answer == "done"


async def test_a_decode_that_takes_too_long_is_ended(hooks: ModuleType) -> None:
    """A worker over its deadline is killed, its image refused, and the next image decoded."""
    async with decoding(hooks, timeout_seconds=0.3) as workers:
        with pytest.raises(InvalidArgument, match="limits of time"):
            await workers.decode(task(b"hang"), digest="slow")
        assert isinstance(await workers.decode(task(b"pid"), digest="good"), int)


async def test_M08_memory_beyond_the_limit_is_refused(hooks: ModuleType) -> None:
    """A decode gets so much memory and no more."""
    async with decoding(hooks, memory_bytes=128 * 1024**2) as workers:
        answer: Any = await workers.decode(task(b"hoard 50000000"), digest="a")
        with pytest.raises(InvalidArgument, match="limits of time and memory"):
            await workers.decode(task(b"hoard 500000000"), digest="b")

    assert answer == 50_000_000


async def test_M08_a_picture_beyond_the_memory_is_refused(encode: Callable[..., bytes]) -> None:
    """A picture whose pixels do not fit into the limit is an argument that cannot be used."""
    data = encode(Image.new("L", (9_000, 9_000)))
    async with decoding(memory_bytes=64 * 1024**2) as workers:
        with pytest.raises(InvalidArgument):
            await workers.decode(DecodeTask(data, ImageFormat.PNG, 1, 9_000, 9_000, 448, 448), digest="a")


async def test_waiting_for_a_worker_has_an_end(hooks: ModuleType, tmp_path: Path) -> None:
    """When no worker becomes free in time, the server says that it is busy, and when to come back."""
    gate = tmp_path / "gate"
    async with decoding(hooks, queue_seconds=0.1) as workers:
        word = task(b"wait " + str(gate).encode())
        busy = [asyncio.create_task(workers.decode(word, digest=str(n))) for n in range(2)]
        await until((tmp_path / "gate.here").exists)
        with pytest.raises(Unavailable) as caught:
            await workers.decode(task(b"pid"), digest="late")
        gate.touch()
        await asyncio.gather(*busy)

    assert caught.value.retry_after_seconds


async def test_M02_a_client_that_leaves_gives_its_place_back(hooks: ModuleType, tmp_path: Path) -> None:
    """Cancelled decodes hold no place once their worker is done, and cost no worker."""
    gate = tmp_path / "gate"
    async with decoding(hooks) as workers:
        before: Any = await workers.decode(task(b"pid"), digest="a")
        leaving = [
            asyncio.create_task(workers.decode(task(b"wait " + str(gate).encode()), digest=str(n))) for n in range(5)
        ]
        await until((tmp_path / "gate.here").exists)
        for one in leaving:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        gate.touch()
        after: Any = await workers.decode(task(b"pid"), digest="b")

    assert before == after


async def test_idle_workers_killed_from_outside_are_replaced(hooks: ModuleType) -> None:
    """A pool that lost a process while idle is made anew, and its other processes end."""
    async with decoding(hooks, workers=2) as workers:
        first: Any = await workers.decode(task(b"pid"), digest="a")
        old = children()
        os.kill(first, signal.SIGKILL)
        await until(lambda: not is_running(first))
        waiting = [asyncio.create_task(workers.decode(task(b"pid"), digest=str(n))) for n in range(8)]
        pids: list[Any] = await asyncio.gather(*waiting)
        await until(lambda: len([pid for pid in children() if is_running(pid)]) <= 2)

    assert first in old
    assert first not in pids


async def test_closing_ends_every_process(hooks: ModuleType, tmp_path: Path) -> None:
    """After close no process is left, also not a busy one; who waited for it is told so, and so is who comes later."""
    workers = DecodeWorkers(DecodeOptions(workers=1), decode=hooks.decode)
    pid: Any = await workers.decode(task(b"pid"), digest="a")
    busy = asyncio.create_task(workers.decode(task(b"wait " + str(tmp_path / "never").encode()), digest="b"))
    await until((tmp_path / "never.here").exists)
    await workers.close()
    await workers.close()

    assert not is_running(pid)
    for late in (busy, workers.decode(task(b"pid"), digest="c")):
        with pytest.raises(Unavailable, match="shutting down"):
            await late


async def test_processes_that_cannot_start_are_our_own_fault(hooks: ModuleType) -> None:
    """When no process comes up, the server is unavailable; no image is blamed or put in quarantine."""
    async with decoding(hooks, memory_bytes=64 * 1024**2) as workers:
        workers._options = workers._options.model_copy(update={"memory_bytes": "not a number"})
        for _ in range(2):
            with pytest.raises(Unavailable):
                await workers.decode(task(b"pid"), digest="a")


async def test_workers_ignore_interrupts(hooks: ModuleType) -> None:
    """Ctrl-C goes to the whole process group; a worker leaves it to its parent."""
    async with decoding(hooks) as workers:
        pid: Any = await workers.decode(task(b"pid"), digest="a")
        os.kill(pid, signal.SIGINT)
        again: Any = await workers.decode(task(b"pid"), digest="b")

    assert pid == again


PARENT = """
import asyncio, os, sys
sys.path.insert(0, {folder!r})
import {hooks} as hooks
from vitrail.domain.pictures import ImageFormat
from vitrail.ingest.decode_task import DecodeTask
from vitrail.ingest.workers import DecodeOptions, DecodeWorkers

async def main():
    workers = DecodeWorkers(DecodeOptions(workers=1), decode=hooks.decode)
    print(await workers.decode(DecodeTask(b"pid", ImageFormat.PNG, 1, 1, 1, 1, 1), digest="a"), flush=True)
    await asyncio.Event().wait()

print("imported", flush=True)
if __name__ == "__main__":
    asyncio.run(main())
"""


async def start_parent(hooks: ModuleType, folder: Path) -> asyncio.subprocess.Process:
    """Start a program that has one decode process and prints its id."""
    script = folder / "parent.py"
    script.write_text(PARENT.format(folder=str(folder), hooks=hooks.__name__))
    return await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)


async def test_workers_do_not_run_the_main_program_again(hooks: ModuleType, tmp_path: Path) -> None:
    """The program's main module is imported once: by the program."""
    parent = await start_parent(hooks, tmp_path)
    assert parent.stdout is not None
    first, second = await parent.stdout.readline(), await parent.stdout.readline()
    parent.kill()
    await parent.wait()

    assert first == b"imported\n"
    assert int(second) != parent.pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
async def test_workers_die_with_a_parent_that_was_killed(hooks: ModuleType, tmp_path: Path) -> None:
    """SIGKILL to the server leaves no decode process behind."""
    parent = await start_parent(hooks, tmp_path)
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"imported\n"
    worker = int(await parent.stdout.readline())
    assert is_running(worker)
    parent.kill()
    await parent.wait()

    await until(lambda: not is_running(worker))
