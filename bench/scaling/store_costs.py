"""How many rows of usage a second one Postgres takes from the ledgers of several processes, and how large they get.

    python -m bench.scaling.store_costs URL TEAM SECONDS ASKERS 0|1    (one of those processes; prints its rows)

Called by `python -m bench.scaling --measure`. Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.scaling.processes import ROOT, run_postgres
from bench.scaling.recorded import LedgerCost
from vitrail.domain.completion import Usage
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement
from vitrail.service.accounts import Accounts
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.ledger import Ledger, LedgerOptions
from vitrail.service.teams import Teams
from vitrail.store.database import Database, DatabaseOptions, open_database

_PROCESSES, _ASKERS = 4, 64
_TICKS = 10**15


def measure_ledger(*, seconds: float, rounds: int) -> LedgerCost:
    """Return the most rows a second of several rounds, and their size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may be another user
        with run_postgres(folder / "postgres") as (url, _):
            database = open_database(DatabaseOptions(url=url), data_dir=folder)
            team = Teams(database).create("measured").id
            Accounts(database).top_up(team, _TICKS, by="bench")
            database.close()

            def most(askers: int, *, charge: bool) -> float:
                return max(_write_from_many(url, team, seconds, askers, charge=charge) for _ in range(rounds)) / seconds

            before = _read_sizes(url)
            rows = _write_from_many(url, team, seconds, 1, charge=False)
            table_bytes, log_bytes = (b - a for a, b in zip(before, _read_sizes(url), strict=True))
            return LedgerCost(
                rows_per_second=most(_ASKERS, charge=False),
                single_rows_per_second=most(1, charge=False),
                charged_rows_per_second=most(_ASKERS, charge=True),
                row_bytes=table_bytes / rows,
                log_bytes=log_bytes / rows,
            )


def _write_from_many(url: str, team: str, seconds: float, askers: int, *, charge: bool) -> int:
    """Return how many rows several processes wrote that began together."""
    words = [url, team, str(seconds), str(askers), str(int(charge))]
    command = [sys.executable, "-m", "bench.scaling.store_costs", *words]
    writers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(_PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    return sum(int(writer.communicate()[0]) for writer in writers)


def _read_sizes(url: str) -> tuple[int, int]:
    """Return the bytes of the rows with their indexes, and of the write-ahead log so far."""
    asked = "SELECT pg_total_relation_size('completions'), pg_current_wal_lsn() - '0/0'::pg_lsn"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        found = connection.execute(asked).fetchone()
    assert found
    return int(found[0]), int(found[1])


async def _write(database: Database, team: str, seconds: float, askers: int, billing: Billing) -> int:
    ledger = Ledger(database, LedgerOptions(), billing=billing)
    ends_at, written = time.monotonic() + seconds, 0

    async def go_on() -> None:
        nonlocal written
        while time.monotonic() < ends_at:
            await ledger.settle(_draw(team))
            written += 1

    await asyncio.gather(*(go_on() for _ in range(askers)))
    return written


def _draw(team: str) -> Settlement:
    return Settlement(
        completion_id=str(uuid.uuid4()),
        request_id=str(uuid.uuid4()),
        team_id=team,
        api_key_id=str(uuid.UUID(int=0)),
        endpoint="/v1/chat/completions",
        model="internvl3-8b",
        status=CompletionStatus.FINISHED,
        at=datetime.now(UTC),
        usage=Usage(60, 1024, completion_tokens=120),
        cost=Cost(text_ticks=60, image_ticks=1024, completion_ticks=120),
        client_ip="192.0.2.1",
    )


def main() -> None:
    """Write rows once told to begin, and tell how many there were."""
    url, team, seconds, askers, charge = sys.argv[1:]
    database = open_database(DatabaseOptions(url=url), data_dir=Path())
    billing = Billing(database, BillingOptions(charge=charge == "1"))
    print("ready", flush=True)
    sys.stdin.readline()
    print(asyncio.run(_write(database, team, float(seconds), int(askers), billing)))
    database.close()


if __name__ == "__main__":
    main()
