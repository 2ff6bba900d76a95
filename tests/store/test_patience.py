"""A Postgres that hangs, stops or refuses: every call ends in time, as one failure, and the next one works again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.fixtures.postgres import PostgresServer, run_postgres
from vitrail.cli.database import opened_database
from vitrail.store.database import Database, DatabaseOptions, DatabaseUnusable, open_database
from vitrail.store.patience import DatabaseAway, Patience

CALL_SECONDS = 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A Postgres that these tests alone use."""
    with run_postgres() as running:
        yield running


@pytest.fixture
def database(server: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    """A database of it."""
    opened = open_database(DatabaseOptions(url=server.make(), call_seconds=CALL_SECONDS), data_dir=tmp_path)
    yield opened
    opened.close()


def ask(connection: Connection) -> int:
    """Read a number."""
    return int(connection.execute(text("SELECT 1")).scalar_one())


async def test_a_hung_server_holds_nobody_for_longer_than_the_limit(server: PostgresServer, database: Database):
    """Thirty readers and ten writers, more than there are threads, are all refused; afterwards all is well."""
    assert await database.read(ask) == 1
    began = time.monotonic()
    with server.hung():
        calls = [*(database.read(ask) for _ in range(30)), *(database.write(ask) for _ in range(10))]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        took_seconds = time.monotonic() - began
    assert {type(outcome) for outcome in outcomes} == {DatabaseAway}
    assert took_seconds < 3 * CALL_SECONDS
    assert [await database.read(ask), await database.write(ask), database.run(ask)] == [1, 1, 1]


def test_a_server_known_to_hang_is_asked_for_two_seconds_only():
    """And for the whole limit once it answered again."""
    patience = Patience(call_seconds=60)
    assert patience.until() - time.monotonic() > 50
    with pytest.raises(DatabaseAway), patience.spent(time.monotonic() + 0.01):
        time.sleep(0.02)
        raise OperationalError("SELECT 1", {}, Exception("out of time"))
    assert patience.until() - time.monotonic() <= 2
    with patience.spent(patience.until()):
        pass
    assert patience.until() - time.monotonic() > 50


def test_a_server_that_refuses_is_asked_for_the_whole_limit():
    """It did answer, if only with an error."""
    patience = Patience(call_seconds=60)
    with pytest.raises(DatabaseAway), patience.spent(patience.until()):
        raise OperationalError("SELECT 1", {}, Exception("starting up"))
    assert patience.until() - time.monotonic() > 50


async def test_a_statement_that_takes_too_long_is_given_up(database: Database):
    """The server is well, but the answer would come late."""
    began = time.monotonic()
    with pytest.raises(DatabaseAway, match="the database cannot be used right now"):
        await database.read(lambda connection: connection.execute(text("SELECT pg_sleep(60)")))
    assert time.monotonic() - began < 2 * CALL_SECONDS
    assert await database.read(ask) == 1


def test_a_command_may_take_longer_than_a_request(server: PostgresServer, tmp_path: Path):
    """An audit looks at every entry, and whoever waits for it can end it."""
    config = tmp_path / "vitrail.toml"
    config.write_text(f'[database]\nurl = "{server.make()}"\ncall_seconds = 1\n')
    with opened_database(tmp_path, config) as (opened, _):
        assert opened.run_read(lambda connection: connection.execute(text("SELECT 1 FROM pg_sleep(1.5)")).scalar()) == 1


async def test_closing_does_not_wait_for_a_hung_server(server: PostgresServer, tmp_path: Path):
    """What it was asked ends with its time."""
    opened = open_database(DatabaseOptions(url=server.make(), call_seconds=CALL_SECONDS), data_dir=tmp_path)
    with server.hung():
        call = asyncio.ensure_future(opened.read(ask))
        await asyncio.sleep(0)
        began = time.monotonic()
        await asyncio.to_thread(opened.close)
        assert time.monotonic() - began < 3 * CALL_SECONDS
        with pytest.raises(DatabaseAway):
            await call


async def test_a_restart_is_one_failure_and_then_nothing(server: PostgresServer, database: Database):
    """While it is down every way of asking says so; the first call after it is up is answered."""
    assert await database.read(ask) == 1
    server.stop()
    try:
        for call in (database.read(ask), database.write(ask), asyncio.to_thread(database.run, ask)):
            with pytest.raises(DatabaseAway):
                await call
    finally:
        server.start()
    assert [await database.read(ask), await database.write(ask), database.run_read(ask)] == [1, 1, 1]


async def test_a_connection_that_is_cut_under_a_statement_is_the_same_failure(database: Database):
    """As a server does that is told to stop, or one that fails over."""
    cut = text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(DatabaseAway):
        await database.read(lambda connection: connection.execute(cut))
    assert await database.read(ask) == 1


async def test_what_was_asked_wrongly_is_no_absence(database: Database):
    """A broken constraint is our own fault, and not tried again."""

    def insert_twice(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(text("INSERT INTO teams (id, name, created_at_ms, blocked) VALUES ('1', 'n', 0, false)"))

    with pytest.raises(IntegrityError):
        await database.write(insert_twice)


async def test_a_start_without_the_server_says_so(server: PostgresServer, tmp_path: Path):
    """Also where it takes connections and is silent."""
    url = server.make()
    began = time.monotonic()
    with server.hung(), pytest.raises(DatabaseUnusable, match="cannot be used"):
        open_database(DatabaseOptions(url=url, call_seconds=CALL_SECONDS), data_dir=tmp_path)
    assert time.monotonic() - began < 3 * CALL_SECONDS
