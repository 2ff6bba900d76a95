"""The real database: migrations, keys and settled completions, on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text

from vitrail.domain.completion import Usage
from vitrail.domain.errors import NotFound
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.completions import insert_settlements
from vitrail.store.database import Database, DatabaseOptions, DatabaseUnusable, open_database
from vitrail.store.schema import completions


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(DatabaseOptions(), data_dir=tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def keyring(database: Database) -> Keyring:
    return Keyring(database, KeyringOptions(cache_seconds=0), monotonic=lambda: 0.0)


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    """A second start finds the newest schema and the rows of the first."""
    first = open_database(DatabaseOptions(), data_dir=tmp_path)
    Keyring(first, KeyringOptions(), monotonic=lambda: 0.0).create(name="kept")
    first.close()
    second = open_database(DatabaseOptions(), data_dir=tmp_path)
    assert [k.name for k in Keyring(second, KeyringOptions(), monotonic=lambda: 0.0).list()] == ["kept"]
    second.close()


async def test_new_key_is_found_by_its_secret_alone(keyring: Keyring) -> None:
    """The secret finds the key; what is stored of it does not."""
    new = keyring.create(name="a")
    assert await keyring.find(new.secret) == keyring.list()[0]
    assert await keyring.find(new.key.redacted) is None


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    """Keys are hashed at rest: no file of the data directory holds the secret."""
    database = open_database(DatabaseOptions(), data_dir=tmp_path)
    new = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="a")
    database.close()
    assert not any(new.secret.encode() in path.read_bytes() for path in tmp_path.iterdir())


async def test_blocked_key_shows_as_blocked_and_back(keyring: Keyring) -> None:
    """Blocking and unblocking change what the next look-up finds."""
    new = keyring.create(name="a")
    keyring.block("a")
    found = await keyring.find(new.secret)
    keyring.block(new.key.id, blocked=False)
    again = await keyring.find(new.secret)
    assert found is not None and found.blocked
    assert again is not None and not again.blocked


async def test_deleted_key_is_gone(keyring: Keyring) -> None:
    """A deleted key is not found any more."""
    new = keyring.create(name="a")
    keyring.delete(new.key.redacted)
    assert await keyring.find(new.secret) is None


def test_unknown_or_ambiguous_key_is_named(keyring: Keyring) -> None:
    """Deleting by a name that two keys share deletes neither."""
    keyring.create(name="twin")
    keyring.create(name="twin")
    with pytest.raises(NotFound, match="2 API keys"):
        keyring.delete("twin")
    with pytest.raises(NotFound, match="no API key"):
        keyring.delete("other")
    assert len(keyring.list()) == 2


async def test_t06_sql_in_a_key_is_just_a_wrong_key(keyring: Keyring) -> None:
    """A key that is SQL is looked up as text."""
    keyring.create(name="a")
    assert await keyring.find("' OR 1=1 --") is None


async def test_found_key_is_remembered_for_its_time_only(database: Database) -> None:
    """A key that another process blocks may still be found unblocked within cache_seconds, after that not."""
    clock = [0.0]
    keyring = Keyring(database, KeyringOptions(cache_seconds=2), monotonic=lambda: clock[0])
    new = keyring.create(name="a")
    await keyring.find(new.secret)
    Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).block("a")
    clock[0] = 1.9
    early = await keyring.find(new.secret)
    clock[0] = 2.1
    late = await keyring.find(new.secret)
    assert early is not None and not early.blocked
    assert late is not None and late.blocked


def test_m12_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    """A file that is no database stops the start with one line, and keeps its bytes."""
    path = tmp_path / "vitrail.db"
    path.write_bytes(b"this is not a database, but it may be precious" * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match=r"vitrail\.db cannot be used.*not a database"):
        open_database(DatabaseOptions(), data_dir=tmp_path)
    assert path.read_bytes() == before


def test_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """A schema that this code does not know is not touched; the line says what to do."""
    opened = open_database(DatabaseOptions(), data_dir=tmp_path)
    opened.run(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    opened.close()
    with pytest.raises(DatabaseUnusable, match="newer Vitrail"):
        open_database(DatabaseOptions(), data_dir=tmp_path)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_text_is_refused(postgres, tmp_path, encoding):
    """Postgres made in the locale C may have another encoding than UTF8; what to do stands in the message."""
    with pytest.raises(DatabaseUnusable, match=f"has the encoding {encoding}"):
        open_database(DatabaseOptions(url=postgres(encoding)), data_dir=tmp_path)


def _settlement(keyring: Keyring) -> Settlement:
    key = keyring.create(name="a").key
    return Settlement(
        completion_id="c",
        request_id="r",
        team_id=key.team_id,
        api_key_id=key.id,
        endpoint="chat",
        model="m",
        status=CompletionStatus.FINISHED,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        usage=Usage(1, 512, 0, 3, 0),
        cost=Cost(text_ticks=7),
        client_ip=None,
    )


def test_a_completion_is_settled_once(database: Database, keyring: Keyring) -> None:
    """The same completion cannot be written a second time."""
    settlement = _settlement(keyring)
    assert database.run(lambda c: insert_settlements(c, [settlement])) == {"c"}
    assert database.run(lambda c: insert_settlements(c, [settlement])) == set()

    def count(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(completions)).scalar_one()

    assert database.run(count) == 1


async def test_what_need_not_survive_a_power_cut_is_not_waited_for(database: Database) -> None:
    """One transaction alone goes without a sync; the next on the same connection has it, and readers see both."""

    def create(name: str) -> Callable[[Connection], int]:
        def statement(connection: Connection) -> int:
            connection.execute(text(f"CREATE TABLE {name} (n INTEGER)"))
            return int(connection.execute(text("PRAGMA synchronous")).scalar_one())

        return statement

    full, normal = 2, 1
    assert await database.write(create("a")) == full
    assert await database.write(create("b"), is_synced=False) == normal
    assert await database.write(create("c")) == full
    assert await database.read(lambda c: c.execute(text("SELECT count(*) FROM a, b, c")).scalar()) == 0
