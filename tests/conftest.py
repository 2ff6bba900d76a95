"""The real parts that tests share: SQLite files, and throw-away servers of Postgres and Valkey (or Redis), a vLLM.

A server is started where its program is installed; tests that need it are skipped where it is not.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fixtures.postgres import run_postgres
from tests.fixtures.waiting import wait_until_ready
from tests.vllm.server import VllmServer
from vitrail.store.database import Database, DatabaseOptions, open_database

# No deadline: a busy machine is not a bug.
settings.register_profile("vitrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vitrail")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[..., str]]:
    """Return a maker of empty Postgres databases, of an encoding: each call gives the URL of another one."""
    with run_postgres() as server:
        yield server.make


@pytest.fixture(scope="session")
def valkey() -> Iterator[Callable[[], str]]:
    """Return a maker of empty Valkey databases: each call gives the URL of another one."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("Neither Valkey nor Redis is installed (no `valkey-server` or `redis-server` in PATH)")
    client = pytest.importorskip("valkey", reason="the client is not installed (pip install vitrail[valkey])")
    folder = Path(tempfile.mkdtemp(prefix="vitrail-valkey-"))
    path = folder / "socket"
    command = [program, "--port", "0", "--unixsocket", path, "--save", "", "--databases", "64", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    numbers = itertools.cycle(range(64))

    def make() -> str:
        number = next(numbers)
        with client.Valkey(unix_socket_path=str(path), db=number) as connection:
            connection.flushdb()
        return f"unix://{path}?db={number}"

    @contextmanager
    def connect() -> Iterator[None]:
        with client.Valkey(unix_socket_path=str(path)) as connection:
            connection.ping()
            yield

    try:
        wait_until_ready(connect, server, refused=client.ConnectionError)
        yield make
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """A running vLLM with the tiny model, for `make test-vllm`; starts in about a minute."""
    server = VllmServer(tmp_path_factory.mktemp("vllm"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


@pytest.fixture
def open_database_again(database_url: str, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Return an opener of the database; each call is as another process would open it."""
    opened: list[Database] = []

    def open_one() -> Database:
        opened.append(open_database(DatabaseOptions(url=database_url), data_dir=tmp_path))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()
