"""The tables, as SQLAlchemy Core sees them; the migrations under `migrations/` make them.

Times are UTC milliseconds since 1970, money is integer ticks (1 USD = 10^10), ids are UUID text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

teams = Table(
    "teams",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("blocked", Boolean, nullable=False, default=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("team_id", String(36), ForeignKey("teams.id"), nullable=False),
    Column("user_id", String(36), nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("redacted", Text, nullable=False),
    Column("acls", Text, nullable=False),  # JSON list of strings
    Column("blocked", Boolean, nullable=False, default=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("modified_at_ms", BigInteger, nullable=False),
    Column("modified_by", Text, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
    Column("requests_per_second", Integer),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", BigInteger),
)

completions = Table(
    "completions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("request_id", String(36), nullable=False),
    Column("team_id", String(36), ForeignKey("teams.id"), nullable=False),
    Column("api_key_id", String(36), nullable=False),  # no foreign key: a deleted key leaves its usage behind
    Column("endpoint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("text_tokens", BigInteger, nullable=False),
    Column("image_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_ticks", BigInteger, nullable=False),
    Column("client_ip", Text),
    Index("ix_completions_team_created", "team_id", "created_at_ms"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("team_id", String(36), ForeignKey("teams.id"), nullable=False),
    Column("api_key_id", String(36), nullable=False),  # no foreign key: a job whose key was deleted fails by itself
    Column("endpoint", Text, nullable=False),
    Column("request_id", String(36), nullable=False),
    Column("client_ip", Text),
    Column("model", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # a JobState
    Column("attempts", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("run_at_ms", BigInteger, nullable=False),  # not to be run before
    Column("lease_id", String(36)),  # of the runner that runs it, or of the answer that is handing it over
    Column("lease_until_ms", BigInteger),
    Column("outcome", LargeBinary),  # completion or failure, until it was delivered
    Index("ix_jobs_state_created", "state", "created_at_ms"),
    Index("ix_jobs_team_state", "team_id", "state"),
    Index("ix_jobs_expires_at_ms", "expires_at_ms"),
)

# What a job is to run, until it ended. Apart from `jobs`, so that a renewed lease does not rewrite megabytes.
job_parts = Table(
    "job_parts",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0: the request; from 1 on: its images
    Column("data", LargeBinary, nullable=False),
)

responses = Table(
    "responses",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("team_id", String(36), ForeignKey("teams.id"), nullable=False),
    Column("previous_id", String(36)),  # no foreign key: a response may be deleted though others went on from it
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),  # request and completion
    Index("ix_responses_team_expires", "team_id", "expires_at_ms", "size_bytes"),
    Index("ix_responses_expires_at_ms", "expires_at_ms"),
)
