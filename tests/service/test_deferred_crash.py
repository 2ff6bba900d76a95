"""A process that is killed, or told to stop, in the middle of its jobs loses none and ends none twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from vitrail.app import Runtime, open_runtime
from vitrail.domain.chat import ChatRequest, Message, Role, TextPart
from vitrail.domain.completion import Completion
from vitrail.domain.jobs import JobState
from vitrail.domain.keys import Grant
from vitrail.service.deferred import Delivery, Pending
from vitrail.settings import Settings, load_settings
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions, jobs

# Three runs at once; the request whose text has a number over 3 never comes to its end in the first process.
CHILD = """
import asyncio, signal, sys
from vitrail.app import open_runtime
from vitrail.settings import load_settings

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_runtime(load_settings(flags=sys.argv[1:], environment={}, file=None)):
        await stop.wait()

asyncio.run(main())
"""
SLOW = "rules: [{when: {regex: 'job [4-9]'}, chunks: [One, {text: ' two', delay_seconds: 3600}]}, {text: Done.}]"
QUICK = "rules: [{text: Done.}]"
FLAGS = [
    "--data-dir",
    "data",
    "--deferred-runs",
    "3",
    "--deferred-lease-seconds",
    "1",
    "--deferred-poll-seconds",
    "0.05",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scripted server's settings, as the working folder."""
    (tmp_path / "vitrail.toml").write_text("[[models]]\nid = 'm'\nengine = 'scripted'\nscript = 'script.yaml'\n")
    (tmp_path / "script.yaml").write_text(SLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(folder: Path) -> Settings:
    """The settings that every process of the test has."""
    return load_settings(flags=FLAGS, environment={})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The database, seen from outside."""
    settings.data_dir.mkdir()
    opened = open_database(DatabaseOptions(), data_dir=settings.data_dir)
    yield opened
    opened.close()


@pytest.fixture
def start_child(folder: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a starter of processes that run jobs until they are told to stop."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        started.append(subprocess.Popen([sys.executable, "-c", CHILD, *FLAGS], cwd=folder, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


async def accept_jobs(settings: Settings) -> tuple[list[str], Grant]:
    """Accept nine requests in a process that runs none, which ends."""
    idle = settings.model_copy(update={"deferred": settings.deferred.model_copy(update={"runs": 0})})
    async with open_runtime(idle) as runtime:
        grant = Grant(key=runtime.keyring.create(name="k").key, endpoint="chat", request_id="r")
        return [await runtime.services.deferred.accept(ask(number), grant) for number in range(1, 10)], grant


def ask(number: int) -> ChatRequest:
    """Return a request that the script knows by its number."""
    return ChatRequest(model="m", messages=(Message(role=Role.USER, parts=(TextPart(f"job {number}"),)),))


def count_states(database: Database) -> Counter[str]:
    """Return how many jobs are in each state."""
    return Counter(database.run(lambda c: list(c.execute(select(jobs.c.state)).scalars())))


def wait_for(database: Database, states: dict[JobState, int]) -> None:
    """Wait until the jobs are in these states."""
    deadline = time.monotonic() + 30
    while count_states(database) != Counter({state.value: number for state, number in states.items()}):
        assert time.monotonic() < deadline, count_states(database)
        time.sleep(0.02)


async def fetch(runtime: Runtime, request_id: str, grant: Grant) -> Any:
    """Wait for an outcome and take it."""
    taken: Pending | Delivery = Pending()
    while isinstance(taken, Pending):
        await asyncio.sleep(0.02)
        taken = await runtime.services.deferred.take(request_id, grant)
    assert isinstance(taken, Delivery)
    await taken.confirm()
    return taken.outcome


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_m14_m16_m17_no_job_is_lost_and_none_ends_twice(
    settings: Settings,
    folder: Path,
    database: Database,
    start_child: Callable[[], subprocess.Popen[bytes]],
    end: signal.Signals,
) -> None:
    """M14, M16, M17: of nine jobs three were done, three ran, three waited; the next start ends the six.

    SIGKILL leaves the running ones to their lease; SIGTERM puts them back at once, and the process ends with 0.
    """
    ids, grant = await accept_jobs(settings)
    child = start_child()
    wait_for(database, {JobState.FINISHED: 3, JobState.RUNNING: 3, JobState.PENDING: 3})
    child.send_signal(end)
    code = child.wait(30)
    if end == signal.SIGTERM:
        assert (code, count_states(database)) == (0, Counter(finished=3, pending=6))
    (folder / "script.yaml").write_text(QUICK)
    async with open_runtime(settings) as runtime, asyncio.timeout(30):
        outcomes = [await fetch(runtime, request_id, grant) for request_id in ids]
    assert all(isinstance(outcome, Completion) and outcome.choices[0].text == "Done." for outcome in outcomes)
    assert [outcome.head.id for outcome in outcomes] == ids
    assert count_states(database) == Counter(delivered=9)
    billed = database.run(lambda c: list(c.execute(select(completions.c.id, completions.c.status))))
    assert sorted(billed) == sorted((request_id, "finished") for request_id in ids)
    assert database.run(lambda c: c.execute(select(func.max(jobs.c.attempts))).scalar()) == (1 if end == 15 else 2)


async def test_a_server_deletes_what_is_long_over(settings: Settings, database: Database) -> None:
    """Also one that leaves the running to other processes."""
    brief = {"runs": 0, "keep_seconds": 1.0, "grace_seconds": 0.0, "sweep_seconds": 0.05}
    sweeping = settings.model_copy(update={"deferred": settings.deferred.model_copy(update=brief)})
    async with open_runtime(sweeping) as runtime:
        grant = Grant(key=runtime.keyring.create(name="k").key, endpoint="chat", request_id="r")
        await runtime.services.deferred.accept(ask(1), grant)
        assert count_states(database) == Counter(pending=1)
        await asyncio.to_thread(wait_for, database, {})
