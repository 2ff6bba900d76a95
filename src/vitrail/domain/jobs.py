"""A job: the row that keeps the promise of a deferred completion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job is on its way; only these steps are taken: pending -> running -> finished or failed -> delivered."""

    PENDING = "pending"  # waits for a runner, or for its next attempt
    RUNNING = "running"  # a runner has a lease on it; once that ran out, any runner may claim it
    FINISHED = "finished"  # the completion is kept for the client
    FAILED = "failed"  # the failure is kept for the client
    DELIVERED = "delivered"  # the outcome was handed over and is gone


@dataclass(frozen=True, slots=True)
class Job:
    """Who asked for what and until when it is kept; `attempts` counts how often a runner began it."""

    id: str  # the request_id that the client polls with
    team_id: str
    api_key_id: str
    endpoint: str
    request_id: str  # of the HTTP request that was accepted
    client_ip: str | None
    model: str  # as the client named it
    size_bytes: int
    created_at: datetime
    expires_at: datetime
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job until a time; whoever comes with another id is refused."""

    id: str
    until: datetime
