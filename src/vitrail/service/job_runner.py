"""Run deferred completions: claim a job under a lease, run it as any completion, keep its outcome. Started by `app.py`.

A job survives its runner: when the process dies, the lease runs out and another runner begins from the start; when the
process is told to stop, the job is put back at once. Only an attempt that came whole is settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from vitrail.domain.completion import Completion
from vitrail.domain.errors import Failure, InternalFailure, Stopping, Unavailable
from vitrail.domain.jobs import Job, JobState, Lease
from vitrail.service.admission import Admission
from vitrail.service.completion import Completions
from vitrail.service.deferred import DeferredOptions
from vitrail.service.job_format import pack_outcome, unpack_request
from vitrail.store import jobs as sql
from vitrail.store.database import Database
from vitrail.store.patience import DatabaseAway

_BACKOFF_FACTOR = 4
_RENEWALS_A_LEASE = 3
_SWEPT_AT_ONCE = 200  # so that no other writer waits long, and the database's own limit is not reached


class JobRunner:
    """Runs up to `runs` jobs at once; `paused` turns true when the server is told to stop and should begin no more."""

    def __init__(
        self,
        database: Database,
        completions: Completions,
        admission: Admission,
        options: DeferredOptions,
        *,
        new_id: Callable[[], str],
        monotonic: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._completions = completions
        self._admission = admission
        self._options = options
        self._new_id = new_id
        self._monotonic = monotonic
        self._now = now
        self._paused = paused
        self._running: set[str] = set()
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("vitrail.jobs")

    def start(self) -> None:
        """Begin to take jobs, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Put running jobs back and stop; safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    def wake(self) -> None:
        """Look for work now instead of at the next poll."""
        self._work.set()

    async def run_next(self) -> bool:
        """Run the oldest job that is due to its end; tell whether there was one."""
        claimed = await self._claim()
        if claimed is None:
            return False
        job, lease_id = claimed
        self._running.add(job.id)
        try:
            await self._run_leased(job, lease_id)
        finally:
            self._running.discard(job.id)
        return True

    async def sweep(self) -> int:
        """Delete jobs that expired longer than the grace ago, some at a time; return how many."""
        before, total = self._now() - timedelta(seconds=self._options.grace_seconds), 0
        statement = partial(sql.sweep_jobs, expired_before=before, limit=_SWEPT_AT_ONCE)
        while swept := await self._database.write(statement):
            total += swept
        return total

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._options.runs):
                group.create_task(self._run_for_ever())

    async def _run_for_ever(self) -> None:
        """Run jobs one after the other; pause where there is none, or after one that failed, which is logged."""
        while True:
            found = False
            self._work.clear()  # before looking, so that a job which comes meanwhile is not slept over
            try:
                found = not self._paused() and await self.run_next()
            except DatabaseAway:  # which the database itself logged, once
                pass
            except Exception as error:  # noqa: BLE001 - the outermost frame of the runner: it has to go on
                self._log.error("job runner failed", exc_info=error)
            if not found:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._options.poll_seconds):
                await self._work.wait()
        except TimeoutError:
            pass

    async def _claim(self) -> tuple[Job, str] | None:
        """Claim a job; one that was claimed while the runner was stopped is put back."""
        lease = self._lease()
        now, mine = self._now(), tuple(self._running)
        claim = asyncio.ensure_future(
            self._database.write(lambda connection: sql.claim_job(connection, lease, now=now, but=mine))
        )
        try:
            job = await asyncio.shield(claim)
        except asyncio.CancelledError:
            await asyncio.wait((claim,))
            if not claim.exception() and (job := claim.result()):
                await self._put_off(job, lease.id, self._now(), attempts=job.attempts - 1)
            raise
        return (job, lease.id) if job else None

    async def _run_leased(self, job: Job, lease_id: str) -> None:
        """Run a job for as long as its lease can be renewed; put it back when the runner is stopped."""
        attempt = asyncio.create_task(self._attempt(job, lease_id))
        renewal = asyncio.create_task(self._keep_lease(job, lease_id))
        try:
            await asyncio.wait((attempt, renewal), return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done():
                self._log.error("lease of a job lost", job=job.id)
        finally:
            is_stopped = not attempt.done() and not renewal.done()
            attempt.cancel()
            renewal.cancel()
            await asyncio.wait((attempt, renewal))
            if is_stopped:
                await self._put_off(job, lease_id, self._now(), attempts=job.attempts - 1)
        if not attempt.cancelled():
            attempt.result()

    async def _attempt(self, job: Job, lease_id: str) -> None:
        """Run a job once, and keep what came of it or put it off to the next attempt."""
        outcome = await self._find_outcome(job)
        if isinstance(outcome, Stopping):
            await self._put_off(job, lease_id, self._now(), attempts=job.attempts - 1)
        elif isinstance(outcome, Unavailable) and job.attempts < self._options.attempts:
            await self._put_off(job, lease_id, self._now() + self._backoff(job, outcome), attempts=job.attempts)
        else:
            await self._keep(job, lease_id, outcome)

    async def _find_outcome(self, job: Job) -> Completion | Failure:
        try:
            async with asyncio.timeout(self._options.attempt_seconds):
                return await self._complete(job)
        except Failure as failure:
            return failure
        except TimeoutError:
            return Unavailable(f"The completion took longer than {self._options.attempt_seconds:g} s.")
        except SQLAlchemyError as error:
            self._log.error("database failed a job", job=job.id, error=type(error).__name__)
            return Unavailable("The server's database failed.")
        except Exception as error:  # noqa: BLE001 - the outermost frame of a job: anything else is our own fault
            return self._admit_fault(job, error)

    async def _complete(self, job: Job) -> Completion:
        if job.attempts > self._options.attempts:
            raise Unavailable(f"The completion was begun {job.attempts - 1} times, and the server stopped each time.")
        grant = await self._admission.readmit(
            key_id=job.api_key_id, endpoint=job.endpoint, request_id=job.request_id, client_ip=job.client_ip
        )
        parts = await self._database.read(lambda connection: sql.load_parts(connection, job.id))
        request = await asyncio.to_thread(unpack_request, parts)
        del parts
        opened = await self._completions.open(request, grant, job_id=job.id, is_read_whole=True)
        del request
        return await opened.fold()

    async def _keep(self, job: Job, lease_id: str, outcome: Completion | Failure) -> None:
        """Write the outcome; while the database cannot be written, try for as long as the lease holds."""
        try:
            data = await asyncio.to_thread(pack_outcome, outcome)
        except ValueError as error:  # the engine's text has what UTF-8 cannot hold
            outcome = self._admit_fault(job, error)
            data = pack_outcome(outcome)
        state = JobState.FINISHED if isinstance(outcome, Completion) else JobState.FAILED
        while True:
            try:
                is_kept = await self._database.write(
                    lambda connection: sql.finish_job(connection, job.id, lease_id, state=state, outcome=data)
                )
            except (DatabaseAway, SQLAlchemyError) as error:
                self._log.error("outcome of a job not written", job=job.id, error=type(error).__name__)
                await asyncio.sleep(self._options.poll_seconds)
            else:
                self._log.info("job ended", job=job.id, state=state, attempts=job.attempts, is_kept=is_kept)
                return

    def _admit_fault(self, job: Job, error: Exception) -> InternalFailure:
        """Log our own fault, and return what the client learns of it."""
        self._log.error("job failed", job=job.id, request_id=job.request_id, exc_info=error)
        hint = f"Tell the operator of this server the request id {job.request_id}."
        return InternalFailure("Internal error.", hint=hint)

    async def _put_off(self, job: Job, lease_id: str, run_at: datetime, *, attempts: int) -> None:
        """Make a job pending again; if that cannot be written, its lease runs out instead."""
        try:
            await self._database.write(
                lambda connection: sql.put_off_job(connection, job.id, lease_id, run_at=run_at, attempts=attempts)
            )
        except (DatabaseAway, SQLAlchemyError) as error:
            self._log.error("job not put back", job=job.id, error=type(error).__name__)

    async def _keep_lease(self, job: Job, lease_id: str) -> None:
        """Renew a lease again and again; returns when it was lost, or could not be renewed before it ran out."""
        held_until = self._monotonic() + self._options.lease_seconds
        while self._monotonic() < held_until:
            await asyncio.sleep(self._options.lease_seconds / _RENEWALS_A_LEASE)
            lease, renewed_at = self._lease(lease_id), self._monotonic()
            try:
                if not await self._database.write(partial(sql.renew_lease, job_id=job.id, lease=lease)):
                    return
            except (DatabaseAway, SQLAlchemyError) as error:
                self._log.error("lease of a job not renewed", job=job.id, error=type(error).__name__)
            else:
                held_until = renewed_at + self._options.lease_seconds

    def _lease(self, lease_id: str | None = None) -> Lease:
        until = self._now() + timedelta(seconds=self._options.lease_seconds)
        return Lease(lease_id or self._new_id(), until)

    def _backoff(self, job: Job, failure: Unavailable) -> timedelta:
        """Return the pause before the next attempt: 4 times longer each time, and no shorter than was asked for."""
        grown = self._options.backoff_seconds * float(_BACKOFF_FACTOR) ** min(job.attempts - 1, 16)
        wanted = max(grown, failure.retry_after_seconds or 0.0)
        return timedelta(seconds=min(wanted, self._options.max_backoff_seconds))
