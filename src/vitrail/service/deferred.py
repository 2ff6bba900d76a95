"""Deferred chat completions: accept now, hand the outcome over exactly once later. Called by the surfaces.

What is accepted is in the database before the client hears of it; `job_runner` runs it. Knows nothing of JSON or HTTP.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from vitrail.domain.chat import ChatRequest
from vitrail.domain.completion import Completion
from vitrail.domain.errors import Failure, InvalidArgument, NotFound, RateLimited
from vitrail.domain.jobs import Job, JobState, Lease
from vitrail.domain.keys import Grant
from vitrail.service.completion import Completions
from vitrail.service.job_format import pack_request, unpack_outcome
from vitrail.store import jobs as sql
from vitrail.store.database import Database
from vitrail.store.patience import DatabaseAway

_MIB = 1024 * 1024
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FULL_RETRY_SECONDS = 30.0


class DeferredOptions(BaseModel):
    """How much is deferred, how it is run, and how long it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: int = Field(
        2, ge=0, description="Deferred completions that this process runs at once; 0 leaves them to other processes."
    )
    keep_seconds: float = Field(
        86400.0, gt=0, description="How long a deferred completion can be fetched, counted from its request."
    )
    grace_seconds: float = Field(
        86400.0, ge=0, description="How much later an expired one is deleted, for the case that the clock was wrong."
    )
    request_bytes: int = Field(64 * _MIB, gt=0, description="Largest deferred request, text and images together.")
    team_jobs: int = Field(1000, ge=1, description="Deferred completions of one team that may be waiting or running.")
    team_bytes: int = Field(1024 * _MIB, gt=0, description="Bytes of one team's waiting and running requests.")
    attempts: int = Field(8, ge=1, description="How often one is begun before it counts as failed.")
    attempt_seconds: float = Field(3600.0, gt=0, description="Longest time that one attempt may take.")
    backoff_seconds: float = Field(
        5.0, gt=0, description="Pause before the second attempt; each next one is 4 times longer."
    )
    max_backoff_seconds: float = Field(300.0, gt=0, le=3600, description="Longest pause between attempts.")
    lease_seconds: float = Field(
        30.0, gt=0, le=3600, description="After a process died, how long until others run what it was running."
    )
    delivery_seconds: float = Field(
        300.0, gt=0, le=3600, description="Longest time that handing over one outcome may take."
    )
    poll_seconds: float = Field(1.0, gt=0, description="How often the database is asked for work by other processes.")
    sweep_seconds: float = Field(60.0, gt=0, description="How often expired ones are deleted.")


@dataclass(frozen=True, slots=True)
class Pending:
    """The deferred completion has not ended yet."""


class Deferred:
    """The promises that were made; `wake` tells the runner of this process that there is work."""

    def __init__(
        self,
        database: Database,
        completions: Completions,
        options: DeferredOptions,
        *,
        wake: Callable[[], None],
        new_id: Callable[[], str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._completions = completions
        self._options = options
        self._wake = wake
        self._new_id = new_id
        self._now = now

    async def accept(self, request: ChatRequest, grant: Grant) -> str:
        """Store the request with its images and return its id. Everything that can be refused is refused now.

        Raises what `Completions.check` does, RateLimited for a team with too many jobs, DatabaseAway.
        """
        await self._database.write(lambda connection: self._check_room(connection, grant.team_id, more_bytes=0))
        parts = await self._pack(request, grant)
        size_bytes = sum(map(len, parts))
        if size_bytes > self._options.request_bytes:
            raise InvalidArgument(
                f"A deferred request may have {self._options.request_bytes:,} bytes of text and images, "
                f"but this one has {size_bytes:,}.",
                hint="Send fewer or smaller images, or leave `deferred` out.",
            )
        job = self._job(request, grant, size_bytes)
        await self._database.write(lambda connection: self._insert(connection, job, parts))
        self._wake()
        return job.id

    async def take(self, request_id: str, grant: Grant) -> Pending | Delivery:
        """Return the outcome for handing over, to exactly one caller; or that there is none yet.

        Raises NotFound, with one text for an id that is unknown, malformed, another team's, expired or taken already.
        """
        now = self._now()
        job_id = request_id.lower()
        state = None
        if _REQUEST_ID.fullmatch(job_id):
            state = await self._database.read(
                lambda connection: sql.find_state(connection, job_id, team_id=grant.team_id, now=now)
            )
        if state in (JobState.PENDING, JobState.RUNNING):
            return Pending()
        delivery = None
        if state in (JobState.FINISHED, JobState.FAILED):
            taking = asyncio.ensure_future(self._hold(job_id, grant.team_id, now))
            try:
                delivery = await asyncio.shield(taking)
            except asyncio.CancelledError:  # the client has left, but the statement runs to its end
                await asyncio.shield(_put_back(taking))
                raise
        if delivery is None:
            raise NotFound(
                "There is no such deferred completion.",
                hint="The id is wrong or another team's, or the completion was fetched before (that works once), "
                f"or its {self._options.keep_seconds / 3600:g} hours are over.",
            )
        return delivery

    async def _hold(self, job_id: str, team_id: str, now: datetime) -> Delivery | None:
        """Return the outcome of an ended job under a new lease, or None where somebody else has it."""
        lease = Lease(self._new_id(), now + timedelta(seconds=self._options.delivery_seconds))
        outcome = await self._database.write(
            lambda connection: sql.take_outcome(connection, job_id, lease, team_id=team_id, now=now)
        )
        if outcome is None:
            return None
        return Delivery(
            outcome=await asyncio.to_thread(unpack_outcome, outcome),
            limit_seconds=self._options.delivery_seconds,
            job_id=job_id,
            lease_id=lease.id,
            database=self._database,
        )

    async def _pack(self, request: ChatRequest, grant: Grant) -> tuple[bytes, ...]:
        """Check and serialise. A function of its own, so that the images are held no longer than that."""
        checked = await self._completions.check(request, grant)
        checked.permit.leave()
        return await asyncio.to_thread(pack_request, request, checked.images)

    def _job(self, request: ChatRequest, grant: Grant, size_bytes: int) -> Job:
        now = self._now()
        return Job(
            id=self._new_id(),
            team_id=grant.team_id,
            api_key_id=grant.key.id,
            endpoint=grant.endpoint,
            request_id=grant.request_id,
            client_ip=grant.client_ip,
            model=request.model,
            size_bytes=size_bytes,
            created_at=now,
            expires_at=now + timedelta(seconds=self._options.keep_seconds),
        )

    def _insert(self, connection: Connection, job: Job, parts: Sequence[bytes]) -> None:
        self._check_room(connection, job.team_id, more_bytes=job.size_bytes)
        sql.insert_job(connection, job, parts)

    def _check_room(self, connection: Connection, team_id: str, *, more_bytes: int) -> None:
        """Raise RateLimited when a team has as much under way as it may."""
        jobs, size_bytes = sql.count_under_way(connection, team_id, now=self._now())
        hint = "Wait until some have ended."
        if jobs >= self._options.team_jobs:
            text = f"Your team has {jobs:,} deferred completions under way, the limit is {self._options.team_jobs:,}."
            raise RateLimited(text, hint=hint, retry_after_seconds=_FULL_RETRY_SECONDS)
        if size_bytes + more_bytes > self._options.team_bytes:
            text = f"The deferred requests of your team would have over {self._options.team_bytes:,} bytes together."
            raise RateLimited(text, hint=hint, retry_after_seconds=_FULL_RETRY_SECONDS)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outcome that one caller alone holds, for `limit_seconds`; it has to be confirmed or put back.

    Without either (the process died) it can be taken again once the limit is over.
    """

    outcome: Completion | Failure
    limit_seconds: float
    job_id: str
    lease_id: str
    database: Database = field(repr=False)

    async def confirm(self) -> None:
        """Drop the outcome: the client has it."""
        await self._write(lambda connection: sql.confirm_delivery(connection, self.job_id, self.lease_id))

    async def put_back(self) -> None:
        """Let the outcome be taken again: the client did not get it."""
        await self._write(lambda connection: sql.undo_take(connection, self.job_id, self.lease_id))

    async def _write(self, statement: Callable[[Connection], bool]) -> None:
        try:
            await self.database.write(statement)
        except (DatabaseAway, SQLAlchemyError) as error:  # the client was answered; all that is left is to say so
            log = structlog.get_logger("vitrail.deferred")
            log.error("delivery not recorded", job=self.job_id, error=type(error).__name__)


async def _put_back(taking: asyncio.Future[Delivery | None]) -> None:
    """Let an outcome be taken again whose taker left while the database was asked for it."""
    with suppress(Failure):
        if delivery := await taking:
            await delivery.put_back()
