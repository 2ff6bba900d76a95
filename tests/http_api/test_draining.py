"""A server that was told to stop: what runs ends, what waits and what comes is told to go elsewhere, at once."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fixtures.serving import Serving
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.database import DatabaseOptions, open_database

CONFIG = """\
[slots]
generations = 1

[[models]]
id = "m"
engine = "scripted"
script = "script.yaml"
"""
SCRIPT = """\
rules:
  - {when: {text: endless}, chunks: [One, {text: ' two', delay_seconds: 3600}]}
  - {chunks: [One, {text: ' two', delay_seconds: 6}]}
"""
QUIET = "Starting m on the scripted engine ...\n"  # what a server prints that has nothing to complain about
STOPPING = {"code": "The service is currently unavailable", "error": "The server is stopping."}


@dataclass
class Served:
    """A server with one slot, and a client with its key; every request that is under way has its own connection."""

    server: Serving
    client: httpx2.AsyncClient

    def body(self, text: str, **fields: Any) -> dict[str, Any]:
        """Return a chat request."""
        return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}

    async def ask(self, text: str = "Hi", path: str = "/v1/chat/completions", **fields: Any) -> httpx2.Response:
        """Ask for an answer."""
        return await self.client.post(path, json=self.body(text, **fields))

    async def begin(self, text: str, **fields: Any) -> asyncio.Task[httpx2.Response]:
        """Ask, and return once a generation runs or waits that did not before."""
        before = await self.count()
        asked = asyncio.create_task(self.ask(text, **fields))
        async with asyncio.timeout(20):
            while True:
                await asyncio.sleep(0.02)
                if await self.count() > before:
                    return asked

    async def count(self) -> float:
        """Return how many generations run or wait."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("vitrail_slots{"))


@pytest.fixture
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """A running server, with 20 seconds to drain or those of the parameter."""
    (tmp_path / "vitrail.toml").write_text(CONFIG)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (tmp_path / "data").mkdir()
    database = open_database(DatabaseOptions(), data_dir=tmp_path / "data")
    secret = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="k").secret
    database.close()
    server = Serving(tmp_path, "", (f"--server-drain-seconds={getattr(request, 'param', 20)}",))
    await asyncio.to_thread(server.start)
    headers = {"authorization": f"Bearer {secret}"}
    base_url = f"http://127.0.0.1:{server.port}"
    try:
        async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=60, trust_env=False) as client:
            yield Served(server, client)
    finally:
        await asyncio.to_thread(server.end)


@asynccontextmanager
async def open_idle(served: Served) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Yield three connections on each of which a request was answered."""
    opened = [await asyncio.open_connection("127.0.0.1", served.server.port) for _ in range(3)]
    for reader, writer in opened:
        writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"}")
    yield opened
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()


def assert_refused(answer: bytes, body: dict[str, Any]) -> None:
    """An answer on a connection, which ends with it, says when to come back and what is the matter."""
    head, _, text = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"\r\nretry-after: 5\r\n" in head
    assert b"\r\nconnection: close" in head
    assert json.loads(text) == body


async def test_m16_a_drain(served: Served) -> None:
    """The running answer ends whole; who waits for a slot and who comes on an open connection is refused at once."""
    running = await served.begin("Hi", stream=True)
    waiting = await served.begin("Hi")
    async with open_idle(served) as idle:
        ending = asyncio.create_task(asyncio.to_thread(served.server.end))
        refused = await waiting
        for (_, writer), line in zip(idle, (b"GET /v1/models", b"POST /v1/messages", b"GET /readyz"), strict=True):
            writer.write(line + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        plain, anthropic, ready = [await reader.read() for reader, _ in idle]
    assert not running.done()
    assert (refused.status_code, refused.json(), refused.headers["connection"]) == (503, STOPPING, "close")
    assert_refused(plain, STOPPING)
    assert_refused(
        anthropic, {"type": "error", "error": {"type": "overloaded_error", "message": "The server is stopping."}}
    )
    assert ready.startswith(b"HTTP/1.1 503")
    assert b'"server":"draining"' in ready
    assert (await running).text.endswith("data: [DONE]\n\n")
    assert await ending == 0
    assert served.server.log.read_text() == QUIET


@pytest.mark.parametrize(("served", "signals"), [(1, 1), (20, 2)], indirect=["served"], ids=["limit", "second signal"])
async def test_m16_what_does_not_end_is_cut_in_words(served: Served, signals: int) -> None:
    """The stream ends with an error event; nothing of it looks like a fault of the server."""
    running = await served.begin("endless", stream=True)
    began = time.monotonic()
    assert served.server.process is not None
    for _ in range(signals - 1):
        served.server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
    ending = asyncio.create_task(asyncio.to_thread(served.server.end))
    answer = await running
    assert json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: ")) == STOPPING
    assert await ending == 0
    assert time.monotonic() - began < 20
    assert served.server.log.read_text() == QUIET


async def test_a_server_without_requests_ends_at_once(served: Served) -> None:
    """Also with connections that are kept open."""
    async with open_idle(served) as idle:
        began = time.monotonic()
        assert await asyncio.to_thread(served.server.end) == 0
        assert time.monotonic() - began < 20
        assert [await reader.read() for reader, _ in idle] == [b""] * 3


async def test_a_job_that_waits_for_a_slot_is_put_back(served: Served) -> None:
    """Not one attempt is counted, and another server may begin it at once."""
    running = await served.begin("Hi")
    await served.begin("Hi", deferred=True)
    await asyncio.to_thread(served.server.end)
    assert (await running).status_code == 200
    database = open_database(DatabaseOptions(), data_dir=served.server.folder / "data")
    rows = database.run_read(lambda c: c.exec_driver_sql("SELECT state, attempts, run_at_ms FROM jobs").all())
    database.close()
    assert [(state, attempts) for state, attempts, _ in rows] == [("pending", 0)]
    assert rows[0][2] <= time.time() * 1000
