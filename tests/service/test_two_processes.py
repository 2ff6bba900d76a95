"""Two servers over one Postgres and one Valkey, behind a proxy: limits are exact, and a kill loses nothing."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from tests.fixtures.serving import Serving
from vitrail.service.accounts import Accounts
from vitrail.service.audit import audit
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions

CONFIG = """\
[billing]
charge = true

[deferred]
lease_seconds = 1
poll_seconds = 0.05

[[models]]
id = "limited"
engine = "scripted"
limits = { requests_per_minute = 40 }

[[models]]
id = "slow"
engine = "scripted"
script = "script.yaml"
prices = { prompt_text = 20000, completion_text = 100000 }
"""
SCRIPT = "rules: [{chunks: [One, {text: ' two', delay_seconds: 0.2}]}]\n"


class Proxy:
    """Hands every connection to the next server in turn, or to the other where that one is away."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        for _ in self._ports:
            self._turn += 1
            with suppress(OSError):
                inner = await asyncio.open_connection("127.0.0.1", self._ports[self._turn % len(self._ports)])
                break
        else:
            writer.close()
            return
        try:
            with suppress(OSError):
                await asyncio.gather(self._pump(reader, inner[1]), self._pump(inner[0], writer))
        finally:
            for end in (inner[1], writer):
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@dataclass
class Pair:
    """Two servers, a client that asks either, and the database behind them."""

    servers: list[Serving]
    client: httpx2.AsyncClient
    database: Database

    async def ask(self, model: str, **fields: Any) -> httpx2.Response:
        """Ask on a connection of its own; a server that goes away under it is not held against it."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
        return await self.client.post("/v1/chat/completions", json=body, headers={"connection": "close"})


@pytest.fixture
async def pair(tmp_path: Path, postgres: Callable[[], str], valkey: Callable[[], str]) -> AsyncIterator[Pair]:
    (tmp_path / "vitrail.toml").write_text(CONFIG)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    url = postgres()
    database = open_database(DatabaseOptions(url=url), data_dir=tmp_path)
    new = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="both")
    Accounts(database).top_up(new.key.team_id, 10**12, by="test")
    flags = (f"--rate-limits-url={valkey()}",)
    servers = [Serving(tmp_path, url, flags) for _ in range(2)]
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
    proxy = Proxy([server.port for server in servers])
    headers = {"authorization": f"Bearer {new.secret}"}
    try:
        async with httpx2.AsyncClient(
            base_url=await proxy.start(), headers=headers, timeout=30, trust_env=False
        ) as client:
            yield Pair(servers, client, database)
    finally:
        await proxy.close()
        await asyncio.gather(*(asyncio.to_thread(server.end) for server in servers))
        database.close()


@pytest.mark.timeout(180)
async def test_both_count_the_same_minute(pair: Pair) -> None:
    """A hundred and twenty requests at once over both servers: exactly forty are answered."""
    answers = await asyncio.gather(*(pair.ask("limited") for _ in range(120)))
    assert Counter(answer.status_code for answer in answers) == {200: 40, 429: 80}


@pytest.mark.timeout(180)
async def test_a_killed_server_loses_no_deferred_completion(pair: Pair) -> None:
    """Thirty are accepted by either, one server is killed, and the other hands each over once; each is paid once."""
    accepted = await asyncio.gather(*(pair.ask("slow", deferred=True) for _ in range(30)))
    ids = [answer.json()["request_id"] for answer in accepted]
    await asyncio.to_thread(pair.servers[0].end, signal.SIGKILL)
    fetched: Counter[str] = Counter()
    async with asyncio.timeout(60):
        while len(fetched) < len(ids):
            for request_id in ids:
                if request_id in fetched:
                    continue
                answer = await pair.client.get(
                    f"/v1/chat/deferred-completion/{request_id}", headers={"connection": "close"}
                )
                assert answer.status_code in (200, 202), answer.text
                fetched.update([answer.json()["id"]] if answer.status_code == 200 else [])
                if answer.status_code == 200:
                    assert answer.json()["id"] == request_id
            await asyncio.sleep(0.1)
    again = [await pair.client.get(f"/v1/chat/deferred-completion/{request_id}") for request_id in ids[:3]]
    rows = pair.database.run_read(lambda c: list(c.execute(select(completions.c.id)).scalars()))
    assert fetched == dict.fromkeys(ids, 1)
    assert [answer.status_code for answer in again] == [404] * 3
    assert sorted(rows) == sorted(ids)
    assert audit(pair.database) == (1, ())
