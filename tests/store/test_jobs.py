"""Jobs in a real database, SQLite and Postgres: claimed by one, finished once, taken once, swept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from vitrail.domain.jobs import Job, JobState, Lease
from vitrail.store import jobs as sql
from vitrail.store.database import Database
from vitrail.store.schema import job_parts, teams

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEAM = "10000000-0000-4000-8000-000000000000"
Open = Callable[[], Database]


@pytest.fixture
def database(open_database_again: Open) -> Database:
    """An open database with one team."""
    opened = open_database_again()
    opened.run(lambda c: c.execute(insert(teams).values(id=TEAM, name="t", blocked=False, created_at_ms=0)))
    return opened


def after(seconds: float) -> datetime:
    """Return a time after NOW."""
    return NOW + timedelta(seconds=seconds)


def add(database: Database, *, parts: tuple[bytes, ...] = (b"request",), **fields: Any) -> str:
    """Add a pending job and return its id."""
    job = Job(
        **{
            "id": str(uuid.uuid4()),
            "team_id": TEAM,
            "api_key_id": "k",
            "endpoint": "chat",
            "request_id": "r",
            "client_ip": None,
            "model": "m",
            "size_bytes": sum(map(len, parts)),
            "created_at": NOW,
            "expires_at": after(86400),
            **fields,
        }
    )
    database.run(lambda c: sql.insert_job(c, job, parts))
    return job.id


def claim(database: Database, *, now: datetime = NOW, lease_id: str = "mine", **fields: Any) -> Job | None:
    """Claim a job under a lease of 30 s."""
    lease = Lease(lease_id, now + timedelta(seconds=30))
    return database.run(lambda c: sql.claim_job(c, lease, now=now, **fields))


def finish(database: Database, job_id: str, lease_id: str = "mine") -> bool:
    """Finish a claimed job with the outcome b"done"."""
    return database.run(lambda c: sql.finish_job(c, job_id, lease_id, state=JobState.FINISHED, outcome=b"done"))


def take(database: Database, job_id: str, *, lease_id: str = "mine", now: datetime = NOW, team: str = TEAM) -> Any:
    """Take an outcome, to be handed over within 30 s."""
    lease = Lease(lease_id, now + timedelta(seconds=30))
    return database.run(lambda c: sql.take_outcome(c, job_id, lease, team_id=team, now=now))


def state(database: Database, job_id: str, *, team: str = TEAM, now: datetime = NOW) -> JobState | None:
    """Return what a client of a team would find."""
    return database.run(lambda c: sql.find_state(c, job_id, team_id=team, now=now))


def test_a_job_comes_back_as_it_was_stored(database: Database) -> None:
    """What was inserted is what a runner gets, one attempt counted, its parts in order."""
    job_id = add(database, parts=(b"request", b"\x00\xff" * 1000, b"third"), client_ip="::1")
    job = claim(database)
    assert job is not None
    assert (job.id, job.attempts, job.client_ip, job.expires_at) == (job_id, 1, "::1", after(86400))
    assert database.run(lambda c: sql.load_parts(c, job_id)) == (b"request", b"\x00\xff" * 1000, b"third")


def test_the_oldest_due_job_is_claimed_first(database: Database) -> None:
    """First come, first run."""
    second, first = add(database, created_at=after(-1)), add(database, created_at=after(-2))
    claimed = [claim(database), claim(database), claim(database)]
    assert [job and job.id for job in claimed] == [first, second, None]


def test_m15_a_job_under_a_lease_is_not_claimed_again(database: Database) -> None:
    """M15: while its lease holds, nobody else gets the job; a dead owner's lease runs out."""
    job_id = add(database)
    claim(database, lease_id="dead")
    early = claim(database, now=after(29), lease_id="next")
    late = claim(database, now=after(30), lease_id="next")
    assert early is None
    assert late is not None and (late.id, late.attempts) == (job_id, 2)


def test_m15_who_lost_the_lease_can_neither_renew_nor_finish_nor_put_off(database: Database) -> None:
    """M15: a runner that comes back late changes nothing."""
    job_id = add(database)
    claim(database, lease_id="late")
    claim(database, now=after(31), lease_id="next")
    late = Lease("late", after(100))
    assert not database.run(lambda c: sql.renew_lease(c, job_id, late))
    assert not finish(database, job_id, "late")
    assert not database.run(lambda c: sql.put_off_job(c, job_id, "late", run_at=NOW, attempts=0))
    assert finish(database, job_id, "next")


def test_a_renewed_lease_holds_longer(database: Database) -> None:
    """After a renewal the job stays with its runner past the first lease."""
    job_id = add(database)
    claim(database)
    assert database.run(lambda c: sql.renew_lease(c, job_id, Lease("mine", after(60))))
    assert claim(database, now=after(59), lease_id="other") is None


def test_a_runner_does_not_claim_what_it_runs_itself(database: Database) -> None:
    """A clock that was set forward makes a lease look over; the owner still does not run its job twice."""
    job_id = add(database)
    claim(database)
    assert claim(database, now=after(86000), but=(job_id,)) is None


def test_m13_a_job_that_was_put_off_before_the_clock_went_back_is_due(database: Database) -> None:
    """M13: nothing is put off by more than an hour, so a time far ahead comes from a wrong clock."""
    job_id = add(database)
    claim(database)
    database.run(lambda c: sql.put_off_job(c, job_id, "mine", run_at=after(60), attempts=1))
    assert claim(database, now=after(59)) is None
    assert claim(database, now=after(-86400)) is not None


def test_finished_jobs_keep_no_request(database: Database) -> None:
    """Text and images are deleted as soon as the job has ended."""
    job_id = add(database, parts=(b"request", b"image"))
    claim(database)
    assert finish(database, job_id)
    assert database.run(lambda c: c.execute(select(func.count()).select_from(job_parts)).scalar()) == 0


def test_f01_another_team_finds_nothing(database: Database) -> None:
    """F01: neither state nor outcome are another team's to see."""
    job_id = add(database)
    assert state(database, job_id, team="other") is None
    claim(database)
    finish(database, job_id)
    assert take(database, job_id, team="other") is None
    assert take(database, job_id) == b"done"


def test_f04_an_outcome_is_taken_by_one(database: Database) -> None:
    """F04: the second taker gets nothing, while it is handed over and after it was."""
    job_id = add(database)
    claim(database)
    finish(database, job_id)
    assert [take(database, job_id, lease_id="a"), take(database, job_id, lease_id="b")] == [b"done", None]
    assert not database.run(lambda c: sql.confirm_delivery(c, job_id, "b"))
    assert database.run(lambda c: sql.confirm_delivery(c, job_id, "a"))
    assert take(database, job_id, now=after(3600)) is None
    assert state(database, job_id) is JobState.DELIVERED


def test_f06_an_outcome_that_was_not_handed_over_can_be_taken_again(database: Database) -> None:
    """F06: given back at once, or once the time for handing over is gone."""
    job_id = add(database)
    claim(database)
    finish(database, job_id)
    take(database, job_id, lease_id="a")
    assert database.run(lambda c: sql.undo_take(c, job_id, "a"))
    assert take(database, job_id, lease_id="b") == b"done"
    assert take(database, job_id, lease_id="c", now=after(29)) is None
    assert take(database, job_id, lease_id="c", now=after(30)) == b"done"


def test_f05_an_expired_job_is_neither_run_nor_handed_over(database: Database) -> None:
    """F05: past its time a job is gone for clients and runners alike, though its row is still there."""
    waiting = add(database, expires_at=after(10))
    assert claim(database, now=after(10)) is None
    claim(database)
    finish(database, waiting)
    assert take(database, waiting, now=after(10)) is None
    assert state(database, waiting, now=after(10)) is None


def test_the_sweep_takes_expired_rows_with_their_parts(database: Database) -> None:
    """Only what expired before the given time goes."""
    add(database, expires_at=after(10))
    kept = add(database, expires_at=after(20))
    assert database.run(lambda c: sql.sweep_jobs(c, expired_before=after(15), limit=9)) == 1
    assert database.run(lambda c: list(c.execute(select(job_parts.c.job_id)).scalars())) == [kept]


def test_the_sweep_takes_no_more_than_it_is_told(database: Database) -> None:
    """So that it is never long in one transaction."""
    for _ in range(3):
        add(database, expires_at=after(10))
    swept = [database.run(lambda c: sql.sweep_jobs(c, expired_before=after(15), limit=2)) for _ in range(3)]
    assert swept == [2, 1, 0]


def test_f09_jobs_under_way_are_counted_by_team(database: Database) -> None:
    """F09: pending and running ones count with their bytes; ended, expired and other teams' do not."""
    database.run(lambda c: c.execute(insert(teams).values(id="other", name="o", blocked=False, created_at_ms=0)))
    add(database, parts=(b"12345",))
    ended = claim(database)
    assert ended is not None
    finish(database, ended.id)
    add(database, parts=(b"1234",), team_id="other")
    add(database, parts=(b"123",), expires_at=NOW)
    add(database, parts=(b"12",))
    claim(database)
    add(database, parts=(b"1",))
    assert database.run(lambda c: sql.count_under_way(c, TEAM, now=NOW)) == (2, 3)


def test_m15_200_jobs_are_claimed_once_each_by_four_claimers(database: Database, open_database_again: Open) -> None:
    """M15: replicas that claim side by side, each over connections of its own, share the jobs out."""
    ids = {add(database) for _ in range(200)}
    replicas = [open_database_again() for _ in range(4)]

    def claim_all(replica: Database) -> list[str]:
        claimed = []
        while job := claim(replica, lease_id=str(uuid.uuid4())):
            claimed.append(job.id)
        return claimed

    with ThreadPoolExecutor(4) as threads:
        claimed = [job_id for found in threads.map(claim_all, replicas) for job_id in found]
    assert (len(claimed), set(claimed)) == (200, ids)


def test_f04_takers_side_by_side_get_one_outcome(database: Database, open_database_again: Open) -> None:
    """F04: of eight takers at one time, each of twenty outcomes goes to one."""
    replicas = [open_database_again() for _ in range(4)] * 2
    job_ids = [add(database) for _ in range(20)]
    for _ in job_ids:
        job = claim(database)
        assert job is not None
        finish(database, job.id)

    def take_all(replica: Database) -> list[str]:
        lease_id = str(uuid.uuid4())
        return [job_id for job_id in job_ids if take(replica, job_id, lease_id=lease_id)]

    with ThreadPoolExecutor(8) as threads:
        taken = [job_id for found in threads.map(take_all, replicas) for job_id in found]
    assert sorted(taken) == sorted(job_ids)
