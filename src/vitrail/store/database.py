"""Open the database and run SQL on it off the event loop. Knows connections and migrations, nothing of any table."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import DatabaseError

from vitrail.domain.errors import Unavailable
from vitrail.store.patience import Patience

T = TypeVar("T")

_READS_ONLY = "vitrail_reads_only"
_IS_SYNCED = "vitrail_is_synced"
_MIGRATION_LOCK = 0x76697472  # "vitr"; any number that nobody else in the database locks


class DatabaseOptions(BaseModel):
    """Where keys, usage and jobs are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field("", description="SQLAlchemy URL; empty means the SQLite file vitrail.db in the data directory.")
    busy_seconds: float = Field(5.0, gt=0, description="How long a statement waits for another writer.")
    readers: int = Field(4, ge=1, description="Threads that read at the same time.")
    call_seconds: float = Field(
        10.0, gt=0, description="Longest wait for the database, in its queue and on Postgres; then requests get 503."
    )


class DatabaseUnusable(Unavailable):
    """The database cannot be opened."""


class Database:
    """An open database: many readers, and one writer at a time so that SQLite never meets itself.

    Every call raises DatabaseAway, in bounded time, where the database cannot be used.
    """

    def __init__(self, engine: Engine, *, readers: int, call_seconds: float) -> None:
        self._patience = Patience(call_seconds)
        self._engine = engine
        self._reading = engine.execution_options(**{_READS_ONLY: True})
        self._unsynced = engine.execution_options(**{_IS_SYNCED: False})
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="db-write")

    def run(self, statement: Callable[[Connection], T]) -> T:
        """Run `statement` in one transaction, on the calling thread; for the command line and operators' requests.

        On SQLite no other writer comes between its statements; on Postgres it has to lock what it reads to change.
        """
        return self._call(self._engine, statement, self._patience.until())

    def run_read(self, statement: Callable[[Connection], T]) -> T:
        """Run a reading `statement` on the calling thread."""
        return self._call(self._reading, statement, self._patience.until())

    async def read(self, statement: Callable[[Connection], T]) -> T:
        """Run a reading `statement` on a reader thread."""
        return await self._queue(self._readers, self._reading, statement)

    async def write(self, statement: Callable[[Connection], T], *, is_synced: bool = True) -> T:
        """Run a writing `statement` in one transaction on the writer thread.

        Not synced, SQLite leaves it to the operating system when the disk gets it (milliseconds earlier): the death of
        this process loses nothing, a power cut what was written last.
        """
        return await self._queue(self._writer, self._engine if is_synced else self._unsynced, statement)

    async def _queue(self, threads: ThreadPoolExecutor, engine: Engine, statement: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, self._call, engine, statement, self._patience.until())

    def _call(self, engine: Engine, statement: Callable[[Connection], T], until: float) -> T:
        with self._patience.spent(until), engine.begin() as connection:
            return statement(connection)

    def close(self) -> None:
        """Let running statements end, then close every connection; safe to call twice."""
        self._readers.shutdown()
        self._writer.shutdown()
        self._engine.dispose()


def database_url(options: DatabaseOptions, data_dir: Path) -> str:
    """Return the URL that is meant: the configured one, or the SQLite file in the data directory."""
    return options.url or f"sqlite:///{data_dir / 'vitrail.db'}"


def open_database(options: DatabaseOptions, *, data_dir: Path, call_seconds: float | None = None) -> Database:
    """Open the database and bring its schema to the newest version; raises DatabaseUnusable.

    `call_seconds` goes before the option of that name, but for the time that a connection may take.
    """
    url = database_url(options, data_dir)
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = _make_sqlite(url, options) if is_sqlite else _make_postgres(url, options)
    try:
        _prepare(engine, make_url(url).render_as_string(hide_password=True))
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, readers=options.readers, call_seconds=call_seconds or options.call_seconds)


def _make_sqlite(url: str, options: DatabaseOptions) -> Engine:
    engine = create_engine(url, connect_args={"timeout": options.busy_seconds, "check_same_thread": False})
    event.listen(engine, "connect", lambda connection, _record: _tune_sqlite(connection, options.busy_seconds))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_postgres(url: str, options: DatabaseOptions) -> Engine:
    connect_args = {"client_encoding": "utf8"}  # else a database of another one gives bytes for text
    engine = create_engine(url, connect_args=connect_args, pool_pre_ping=True, pool_timeout=options.call_seconds)
    if engine.driver == "psycopg":
        from vitrail.store.postgres import connect  # imported here, since the extra need not be installed

        event.listen(engine, "do_connect", lambda _d, _r, _a, args: connect(args, seconds=options.call_seconds))
    return engine


def _prepare(engine: Engine, shown: str) -> None:
    """Check the database and bring its schema to the newest version; raises DatabaseUnusable, which names it."""
    try:
        if engine.dialect.name == "postgresql":
            _check_encoding(engine, shown)
        upgrade_schema(engine)
    except CommandError as error:
        raise DatabaseUnusable(
            f"The database {shown} was made by a newer Vitrail.", hint="Run that one, or choose another --data-dir."
        ) from error
    except DatabaseError as error:
        raise DatabaseUnusable(
            f"The database {shown} cannot be used: {error.orig}.",
            hint="Nothing in it was changed; mend it, or choose another --data-dir.",
        ) from error


def _check_encoding(engine: Engine, shown: str) -> None:
    with engine.connect() as connection:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise DatabaseUnusable(
            f"The database {shown} has the encoding {encoding}, which cannot hold every text.",
            hint="Make one with createdb --encoding=UTF8 --template=template0.",
        )


def upgrade_schema(engine: Engine, revision: str = "head") -> None:
    """Run the migrations up to `revision`; processes that start together do it one after the other."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # on SQLite the transaction has the only write lock
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _tune_sqlite(connection: Any, busy_seconds: float) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own: `_begin_sqlite` does
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:  # SQLite itself does not wait for a process that makes the file just now
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; one that may write takes the lock at once, so what it reads stays true until it writes."""
    options = connection.get_execution_options()
    if options.get(_READS_ONLY, False):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options.get(_IS_SYNCED, True) else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
