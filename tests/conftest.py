"""The real parts that tests share: SQLite files, and throw-away servers of Postgres and Valkey (or Redis), a vLLM.

A server is started where its program is installed; tests that need it are skipped where it is not.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.vllm.server import VllmServer
from vitrail.store.database import Database, DatabaseOptions, open_database

# No deadline: a busy machine is not a bug.
settings.register_profile("vitrail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vitrail")

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[..., str]]:
    """Return a maker of empty Postgres databases, of an encoding: each call gives the URL of another one."""
    binaries = _find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (no `postgres` in PATH or /usr/lib/postgresql/*/bin)")
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (pip install vitrail[postgres])")
    folder = Path(tempfile.mkdtemp(prefix="vitrail-pg-"))
    user = _unprivileged_user()
    if user:
        shutil.chown(folder, user)
    quiet: dict[str, Any] = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    data = folder / "data"
    cluster = [binaries / "initdb", "-D", data, "-U", "vitrail", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run([*cluster, "--no-sync"], check=True, **quiet)
    options = ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen([binaries / "postgres", "-D", data, *options], **quiet)

    def connect() -> Any:
        return psycopg.connect(f"host={folder} user=vitrail dbname=postgres", autocommit=True)

    def make(encoding: str = "UTF8") -> str:
        name = f"test_{next(_NUMBERS)}"
        with connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")
        return f"postgresql+psycopg://vitrail@/{name}?host={folder}"

    try:
        _wait_until_ready(connect, server, refused=psycopg.OperationalError)
        yield make
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


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
        _wait_until_ready(connect, server, refused=client.ConnectionError)
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


def _find_binaries() -> Path | None:
    in_path = shutil.which("postgres")
    found = [Path(in_path).resolve()] if in_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    folders = [path.parent for path in found if (path.parent / "initdb").exists()]
    return folders[-1] if folders else None


def _unprivileged_user() -> str | None:
    """Return whom to be instead of root, as whom Postgres does not run; None to stay who we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _wait_until_ready(
    connect: Callable[[], AbstractContextManager[object]], server: subprocess.Popen[bytes], *, refused: type[Exception]
) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with connect():
                return
        except refused:
            assert server.poll() is None and time.monotonic() < deadline, f"{server.args} does not start"
            time.sleep(0.05)
