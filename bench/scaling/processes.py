"""Programs that live for one measurement, and what they took of a core by the kernel's account.

Called by `measuring` and `store_costs`. Knows nothing of Vitrail.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import valkey

from tests.fixtures.serving import find_free_port

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 30.0
ROOT = Path(__file__).parents[2]


def core_seconds(pids: Sequence[int]) -> float:
    """Return what these processes took of one core so far, with all their threads."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # user and system, by proc(5)
    return ticks / _TICKS_PER_SECOND


def list_below(pid: int) -> list[int]:
    """Return every process that was started below this one."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *list_below(child)]
    return found


def find_below(words: str) -> int:
    """Return the one process below this program's that has these words in its command line."""
    (found,) = [
        p for p in list_below(os.getpid()) if words in Path(f"/proc/{p}/cmdline").read_text().replace("\0", " ")
    ]
    return found


@contextmanager
def run_postgres(folder: Path) -> Iterator[tuple[str, int]]:
    """Run a Postgres that waits for its disk, as in operation; give its URL and its first process."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    user = None if os.geteuid() else next(name for name in ("postgres", "nobody") if _is_user(name))
    folder.mkdir()
    if user:
        shutil.chown(folder, user)
    data, place = folder / "data", f"host={folder} user=vitrail dbname=postgres"
    made = [str(binaries / "initdb"), "-D", str(data), "-U", "vitrail", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run(made, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    command = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=200"]
    with _running([str(word) for word in command], folder, user, signal.SIGINT) as pid:
        _wait_for(lambda: psycopg.connect(place).close(), psycopg.OperationalError)
        yield f"postgresql+psycopg://vitrail@/postgres?host={folder}", pid


@contextmanager
def run_valkey(folder: Path) -> Iterator[tuple[str, int]]:
    """Run a Valkey or Redis; give its URL and its process."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    assert program, "neither Valkey nor Redis is installed"
    folder.mkdir()
    path = folder / "socket"
    with _running([program, "--port", "0", "--unixsocket", str(path), "--save", ""], folder, None) as pid:
        client = valkey.Valkey(unix_socket_path=str(path))
        _wait_for(client.ping, valkey.ConnectionError)
        client.connection_pool.disconnect()
        yield f"unix://{path}", pid


@contextmanager
def run_stand_in() -> Iterator[str]:
    """Run the upstream that costs nothing; give its address."""
    port = find_free_port()
    command = [sys.executable, "-m", "bench.scaling.stand_in", str(port)]
    with _running(command, ROOT, None):
        _wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close(), OSError)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(
    command: Sequence[str], folder: Path, user: str | None, stop: signal.Signals = signal.SIGTERM
) -> Iterator[int]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, user=user, stdout=quiet, stderr=quiet) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(stop)


def _wait_for(look: Callable[[], object], refused: type[Exception]) -> None:
    ends_at = time.monotonic() + _START_SECONDS
    while True:
        try:
            look()
            return
        except refused:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.05)


def _is_user(name: str) -> bool:
    return name in {entry.pw_name for entry in pwd.getpwall()}
