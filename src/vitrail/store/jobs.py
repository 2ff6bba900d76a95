"""SQL of jobs: insert, claim under a lease, finish, hand over once, sweep. The same statements on SQLite and Postgres.

Every step is one statement that names the state and the lease it starts from, so of two callers one finds no row.
Knows nothing of what is in a job's parts and its outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update
from sqlalchemy import delete as sql_delete

from vitrail.domain.jobs import Job, JobState, Lease
from vitrail.store.schema import job_parts, jobs
from vitrail.store.times import from_ms, to_ms

_UNDER_WAY = (JobState.PENDING, JobState.RUNNING)
_ENDED = (JobState.FINISHED, JobState.FAILED)
_FARTHEST_AHEAD_MS = 3_600_000  # nothing is put off for longer: then the clock was set back, and the job is due


def insert_job(connection: Connection, job: Job, parts: Sequence[bytes]) -> None:
    """Add a pending job with what it is to run."""
    connection.execute(
        insert(jobs).values(
            id=job.id,
            team_id=job.team_id,
            api_key_id=job.api_key_id,
            endpoint=job.endpoint,
            request_id=job.request_id,
            client_ip=job.client_ip,
            model=job.model,
            size_bytes=job.size_bytes,
            state=JobState.PENDING,
            attempts=job.attempts,
            created_at_ms=to_ms(job.created_at),
            expires_at_ms=to_ms(job.expires_at),
            run_at_ms=to_ms(job.created_at),
        )
    )
    rows = [{"job_id": job.id, "position": position, "data": part} for position, part in enumerate(parts)]
    connection.execute(insert(job_parts), rows)


def count_under_way(connection: Connection, team_id: str, *, now: datetime) -> tuple[int, int]:
    """Return how many jobs of a team have not ended, and their bytes."""
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(jobs.c.size_bytes), 0)).where(
            jobs.c.team_id == team_id, jobs.c.state.in_(_UNDER_WAY), jobs.c.expires_at_ms > to_ms(now)
        )
    ).one()
    return int(row[0]), int(row[1])


def claim_job(connection: Connection, lease: Lease, *, now: datetime, but: Collection[str] = ()) -> Job | None:
    """Make the oldest due job running under `lease` and return it, one attempt more counted; None when none is due.

    Due is what is pending and not put off, and what is running under a lease that ran out, but for the ids in `but`.
    """
    now_ms = to_ms(now)
    is_due = or_(
        and_(
            jobs.c.state == JobState.PENDING,
            or_(jobs.c.run_at_ms <= now_ms, jobs.c.run_at_ms > now_ms + _FARTHEST_AHEAD_MS),
        ),
        and_(jobs.c.state == JobState.RUNNING, jobs.c.lease_until_ms <= now_ms),
    )
    next_id = (
        select(jobs.c.id)
        .where(is_due, jobs.c.expires_at_ms > now_ms, jobs.c.id.not_in(but))
        .order_by(jobs.c.created_at_ms, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # on Postgres; SQLite has one writer at a time
    )
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == next_id.scalar_subquery())
        .values(
            state=JobState.RUNNING,
            attempts=jobs.c.attempts + 1,
            lease_id=lease.id,
            lease_until_ms=to_ms(lease.until),
        )
        .returning(jobs)
    ).first()
    return _job(row) if row else None


def load_parts(connection: Connection, job_id: str) -> tuple[bytes, ...]:
    """Return what a job is to run, in order; nothing once it ended."""
    parts = select(job_parts.c.data).where(job_parts.c.job_id == job_id).order_by(job_parts.c.position)
    return tuple(connection.execute(parts).scalars())


def renew_lease(connection: Connection, job_id: str, lease: Lease) -> bool:
    """Let a lease end later; tell whether it was still held."""
    return _change(connection, _is_run_under(job_id, lease.id), lease_until_ms=to_ms(lease.until))


def finish_job(connection: Connection, job_id: str, lease_id: str, *, state: JobState, outcome: bytes) -> bool:
    """Keep the outcome of a running job and drop what it was to run; tell whether the lease was still held."""
    is_done = _change(
        connection,
        _is_run_under(job_id, lease_id),
        state=state,
        outcome=outcome,
        lease_id=None,
        lease_until_ms=None,
    )
    if is_done:
        connection.execute(sql_delete(job_parts).where(job_parts.c.job_id == job_id))
    return is_done


def put_off_job(connection: Connection, job_id: str, lease_id: str, *, run_at: datetime, attempts: int) -> bool:
    """Make a running job pending again, not to be run before `run_at`; tell whether the lease was still held."""
    return _change(
        connection,
        _is_run_under(job_id, lease_id),
        state=JobState.PENDING,
        attempts=attempts,
        run_at_ms=to_ms(run_at),
        lease_id=None,
        lease_until_ms=None,
    )


def find_state(connection: Connection, job_id: str, *, team_id: str, now: datetime) -> JobState | None:
    """Return the state of a team's job that has not expired."""
    state = connection.execute(
        select(jobs.c.state).where(jobs.c.id == job_id, jobs.c.team_id == team_id, jobs.c.expires_at_ms > to_ms(now))
    ).scalar()
    return JobState(state) if state else None


def take_outcome(connection: Connection, job_id: str, lease: Lease, *, team_id: str, now: datetime) -> bytes | None:
    """Return the outcome of an ended job for the holder of `lease` alone; None for everybody else, until it ends."""
    now_ms = to_ms(now)
    outcome: bytes | None = connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job_id,
            jobs.c.team_id == team_id,
            jobs.c.state.in_(_ENDED),
            jobs.c.expires_at_ms > now_ms,
            or_(jobs.c.lease_until_ms.is_(None), jobs.c.lease_until_ms <= now_ms),
        )
        .values(lease_id=lease.id, lease_until_ms=to_ms(lease.until))
        .returning(jobs.c.outcome)
    ).scalar()
    return outcome


def confirm_delivery(connection: Connection, job_id: str, lease_id: str) -> bool:
    """Drop an outcome that was handed over; tell whether the lease was still held."""
    return _change(
        connection,
        and_(jobs.c.id == job_id, jobs.c.lease_id == lease_id, jobs.c.state.in_(_ENDED)),
        state=JobState.DELIVERED,
        outcome=None,
        lease_id=None,
        lease_until_ms=None,
    )


def undo_take(connection: Connection, job_id: str, lease_id: str) -> bool:
    """Let an outcome be taken again that was not handed over whole; tell whether the lease was still held."""
    is_mine = and_(jobs.c.id == job_id, jobs.c.lease_id == lease_id, jobs.c.state.in_(_ENDED))
    return _change(connection, is_mine, lease_id=None, lease_until_ms=None)


def sweep_jobs(connection: Connection, *, expired_before: datetime, limit: int) -> int:
    """Delete up to `limit` jobs that expired before a time, whatever their state; return how many."""
    some = select(jobs.c.id).where(jobs.c.expires_at_ms < to_ms(expired_before)).limit(limit)
    return connection.execute(sql_delete(jobs).where(jobs.c.id.in_(some))).rowcount


def _is_run_under(job_id: str, lease_id: str) -> ColumnElement[bool]:
    return and_(jobs.c.id == job_id, jobs.c.lease_id == lease_id, jobs.c.state == JobState.RUNNING)


def _change(connection: Connection, which: ColumnElement[bool], **values: Any) -> bool:
    return connection.execute(update(jobs).where(which).values(**values)).rowcount == 1


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        team_id=row.team_id,
        api_key_id=row.api_key_id,
        endpoint=row.endpoint,
        request_id=row.request_id,
        client_ip=row.client_ip,
        model=row.model,
        size_bytes=row.size_bytes,
        created_at=from_ms(row.created_at_ms),
        expires_at=from_ms(row.expires_at_ms),
        attempts=row.attempts,
    )
