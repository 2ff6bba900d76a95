"""A server whose Postgres hangs or restarts: 503 in bounded time, an end when told to, and nothing lost afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from tests.fixtures.postgres import PostgresServer, run_postgres
from tests.fixtures.serving import Serving
from vitrail.service.accounts import Accounts
from vitrail.service.audit import audit
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions

CONFIG = """\
[database]
call_seconds = 2

[server]
drain_seconds = 20

[billing]
charge = true

[keys]
cache_seconds = 0

[deferred]
lease_seconds = 1
poll_seconds = 0.05
backoff_seconds = 1

[[models]]
id = "m"
engine = "scripted"
script = "script.yaml"
prices = { prompt_text = 20000, completion_text = 100000 }
"""
SCRIPT = "rules: [{chunks: [One, {text: ' two', delay_seconds: 2}]}]\n"
PATIENT_SECONDS = 30.0  # several calls of two seconds, on a busy machine


@dataclass
class Served:
    """A server over a Postgres of its own, and a client that has its key."""

    postgres: PostgresServer
    server: Serving
    client: httpx2.AsyncClient
    database: Database

    async def ask(self, path: str = "/v1/chat/completions", **fields: Any) -> httpx2.Response:
        """Ask for an answer that takes two seconds."""
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
        return await self.client.post(path, json=body)

    async def ask_everything(self) -> list[httpx2.Response]:
        """Ask routes of all kinds at once: answers, jobs, stored answers and those for operators."""
        asked = [
            self.ask(),
            self.ask(deferred=True),
            self.client.get("/v1/chat/deferred-completion/00000000-0000-0000-0000-000000000000"),
            self.client.get("/v1/models"),
            self.client.get("/v1/responses/resp_1"),
            self.client.get("/management/auth/teams", headers={"authorization": "Bearer xai-token-nobody"}),
        ]
        return await asyncio.gather(*asked)


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres that these tests alone use."""
    with run_postgres() as running:
        yield running


@pytest.fixture
async def served(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[Served]:
    """A server that answered already."""
    (tmp_path / "vitrail.toml").write_text(CONFIG)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    url = postgres_server.make()
    database = open_database(DatabaseOptions(url=url), data_dir=tmp_path)
    new = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="k")
    Accounts(database).top_up(new.key.team_id, 10**12, by="test")
    server = Serving(tmp_path, url)
    await asyncio.to_thread(server.start)
    headers = {"authorization": f"Bearer {new.secret}"}
    base_url = f"http://127.0.0.1:{server.port}"
    try:
        async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=60, trust_env=False) as client:
            assert (await client.get("/v1/models")).status_code == 200
            yield Served(postgres_server, server, client, database)
    finally:
        await asyncio.to_thread(server.end)
        database.close()
    assert "Traceback" not in server.log.read_text()


def assert_away(answers: list[httpx2.Response]) -> None:
    """Every answer says that the database is away, and when to ask again."""
    assert [answer.status_code for answer in answers] == [503] * len(answers), [answer.text for answer in answers]
    assert all("the database cannot be used right now" in answer.json()["error"] for answer in answers)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)


async def test_a_hung_postgres_is_503_in_time_and_ends_with_it(served: Served) -> None:
    """Requests of every kind; the server is not ready, but alive; once Postgres goes on, all is as before."""
    began = time.monotonic()
    with served.postgres.hung():
        assert_away(await served.ask_everything())
        ready, alive = await served.client.get("/readyz"), await served.client.get("/livez")
    assert time.monotonic() - began < PATIENT_SECONDS
    assert (ready.status_code, ready.json()["parts"]["database"], alive.status_code) == (503, "not reachable", 200)
    assert (await served.client.get("/readyz")).status_code == 200
    assert (await served.ask()).status_code == 200


async def test_a_restart_of_postgres_is_503_and_then_nothing(served: Served) -> None:
    """Not one 500, while it is down and at the first request after it."""
    served.postgres.stop()
    try:
        assert_away(await served.ask_everything())
    finally:
        served.postgres.start()
    assert (await served.client.get("/v1/models")).status_code == 200
    assert (await served.ask()).status_code == 200


@pytest.mark.parametrize("away", ["hung", "restarted"])
async def test_an_answer_that_ends_while_postgres_is_away_is_paid_later(served: Served, away: str) -> None:
    """The client has its answer; the row and its charge are written once, when Postgres is back."""
    asked = asyncio.create_task(served.ask())
    await asyncio.sleep(1)  # it was admitted, and is in the middle of its two seconds
    if away == "hung":
        with served.postgres.hung():
            answer = await asked
    else:
        served.postgres.stop()
        try:
            answer = await asked
        finally:
            served.postgres.start()
    assert answer.status_code == 200
    async with asyncio.timeout(30):
        rows: list[str] = []
        while not rows:
            await asyncio.sleep(0.1)
            rows = await served.database.read(lambda c: list(c.execute(select(completions.c.id)).scalars()))
    assert rows == [answer.json()["id"]]
    assert audit(served.database) == (1, ())


async def test_what_could_not_be_written_before_the_end_is_written_after_the_next_start(served: Served) -> None:
    """It waits in a file of the data directory, and is paid once; the file goes when it is."""
    asked = asyncio.create_task(served.ask())
    await asyncio.sleep(1)
    with served.postgres.hung():
        answer = await asked
        assert await asyncio.to_thread(served.server.end) == 0
    kept = list((served.server.folder / "data").glob("unwritten-usage-*"))
    assert answer.status_code == 200 and len(kept) == 1
    assert kept[0].stat().st_mode & 0o077 == 0
    await asyncio.to_thread(served.server.start)
    rows = await served.database.read(lambda c: list(c.execute(select(completions.c.id)).scalars()))
    assert rows == [answer.json()["id"]]
    assert audit(served.database) == (1, ())
    assert not list((served.server.folder / "data").glob("unwritten-usage-*"))


@pytest.mark.timeout(180)
async def test_deferred_completions_outlast_a_restart_and_a_hang(served: Served) -> None:
    """Each is handed over once and paid once, whatever was lost or begun again meanwhile."""
    accepted = await asyncio.gather(*(served.ask(deferred=True) for _ in range(12)))
    ids = [answer.json()["request_id"] for answer in accepted]
    await asyncio.sleep(1)
    served.postgres.stop()
    served.postgres.start()
    await asyncio.sleep(1)
    with served.postgres.hung():
        await asyncio.sleep(3)
    fetched: Counter[str] = Counter()
    async with asyncio.timeout(90):
        while len(fetched) < len(ids):
            await asyncio.sleep(0.2)
            for request_id in [each for each in ids if each not in fetched]:
                answer = await served.client.get(f"/v1/chat/deferred-completion/{request_id}")
                assert answer.status_code in (200, 202, 503), answer.text
                fetched.update([answer.json()["id"]] if answer.status_code == 200 else [])
    rows = await served.database.read(lambda c: list(c.execute(select(completions.c.id)).scalars()))
    assert (fetched, sorted(rows)) == (dict.fromkeys(ids, 1), sorted(ids))
    assert audit(served.database) == (1, ())


async def test_a_server_whose_postgres_hangs_ends_when_told_to(served: Served) -> None:
    """Also with requests that wait for it, and with its last work undone."""
    with served.postgres.hung():
        asked = asyncio.create_task(served.ask_everything())
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await asyncio.to_thread(served.server.end)
        took_seconds = time.monotonic() - began
    assert took_seconds < 20
    assert_away(await asked)
