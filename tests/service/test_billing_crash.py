"""Fifty clients, and the server is killed in the middle: the ledger has what was delivered, and balances are exact."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from tests.fixtures.serving import Serving
from vitrail.service.accounts import Accounts
from vitrail.service.audit import audit
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions, ledger_entries

CLIENTS = 50
CONFIG = """\
[billing]
charge = true

[[models]]
id = "m"
engine = "scripted"
script = "script.yaml"

[models.prices]
prompt_text = 20000
completion_text = 100000
"""
SCRIPT = "rules: [{chunks: [One, {text: ' two', delay_seconds: 0.01}, {text: ' three', delay_seconds: 0.01}]}]\n"


@dataclass
class Seen:
    """What clients saw: completions that came whole, by id, and requests of which not everything came."""

    whole: Counter[str] = field(default_factory=Counter)
    cut: int = 0


async def ask_again_and_again(client: httpx2.AsyncClient, number: int, seen: Seen, stop: asyncio.Event) -> None:
    """Ask until told to stop: every second client with a stream, every tenth leaves after the first chunk."""
    body = {"model": "m", "messages": [{"role": "user", "content": f"client {number}"}], "stream": number % 2 == 0}
    while not stop.is_set():
        try:
            await (
                _read_stream(client, body, seen, leaves=number % 10 == 0)
                if body["stream"]
                else _ask(client, body, seen)
            )
        except httpx2.HTTPError:
            seen.cut += 1
            await asyncio.sleep(0.05)


async def _ask(client: httpx2.AsyncClient, body: dict[str, object], seen: Seen) -> None:
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    seen.whole[answer.json()["id"]] += 1


async def _read_stream(client: httpx2.AsyncClient, body: dict[str, object], seen: Seen, *, leaves: bool) -> None:
    completion_id = ""
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                seen.whole[completion_id] += 1
                return
            if line.startswith("data: "):
                completion_id = json.loads(line.removeprefix("data: "))["id"]
                if leaves:
                    break
    seen.cut += 1


async def _load(serving: Serving, secret: str) -> Seen:
    """Ask for a while, with a kill -9 and a new server in the middle."""
    seen, stop = Seen(), asyncio.Event()
    limits = httpx2.Limits(max_connections=CLIENTS)
    async with (
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{serving.port}",
            headers={"authorization": f"Bearer {secret}"},
            timeout=30,
            limits=limits,
            trust_env=False,
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        for number in range(CLIENTS):
            group.create_task(ask_again_and_again(client, number, seen, stop))
        await _wait_for(seen, 100)
        await asyncio.to_thread(serving.end, signal.SIGKILL)
        await asyncio.to_thread(serving.start)
        await _wait_for(seen, seen.whole.total() + 100)
        stop.set()
    return seen


async def _wait_for(seen: Seen, whole: int) -> None:
    async with asyncio.timeout(60):
        while seen.whole.total() < whole:  # noqa: ASYNC110 - fifty tasks change it
            await asyncio.sleep(0.02)


@pytest.mark.timeout(240)
async def test_after_a_kill_the_ledger_has_what_was_delivered(database_url: str, tmp_path: Path) -> None:
    """Every completion that a client has whole is in the ledger, none twice, none without its entry."""
    (tmp_path / "vitrail.toml").write_text(CONFIG)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    database = open_database(DatabaseOptions(url=database_url), data_dir=tmp_path)
    new = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="load")
    accounts, start_ticks = Accounts(database), 10**16
    accounts.give_credits(new.key.team_id, 10**6, by="test")
    accounts.top_up(new.key.team_id, start_ticks - 10**6, by="test")
    serving = Serving(tmp_path, database_url)
    await asyncio.to_thread(serving.start)
    try:
        seen = await _load(serving, new.secret)
    finally:
        await asyncio.to_thread(serving.end, signal.SIGTERM)
    rows, paid = _read(database)
    funds = accounts.show_funds(new.key.team_id)
    differences = audit(database)
    database.close()
    assert seen.whole.total() == len(seen.whole) >= 200
    assert set(seen.whole) <= set(rows)
    assert len(rows) - len(seen.whole) <= seen.cut
    assert paid == {completion_id: -cost for completion_id, cost in rows.items()}
    assert funds.available_ticks == start_ticks - sum(rows.values())
    assert differences == (1, ())


def _read(database: Database) -> tuple[dict[str, int], dict[str, int]]:
    """Return what each completion cost, and what its entry paid."""
    cost = select(completions.c.id, completions.c.cost_ticks)
    amount = ledger_entries.c.free_ticks + ledger_entries.c.prepaid_ticks + ledger_entries.c.postpaid_ticks
    paid = select(ledger_entries.c.completion_id, amount).where(ledger_entries.c.kind == "spend")
    rows = database.run_read(lambda c: [(r[0], r[1]) for r in c.execute(cost)])
    entries = database.run_read(lambda c: [(r[0], r[1]) for r in c.execute(paid)])
    assert len(dict(entries)) == len(entries)
    return dict(rows), dict(entries)
