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
    Column("postpaid_limit_ticks", BigInteger, nullable=False, default=0),  # most debt of a month
    Column("soft_limit_ticks", BigInteger),  # set by the team itself, below that of the operator
)

# Limits of a team for one model, or for every model that has no row of its own ("*"); null is the model's own limit.
team_limits = Table(
    "team_limits",
    metadata,
    Column("team_id", String(36), ForeignKey("teams.id"), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("requests_per_second", Integer),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", BigInteger),
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
    Column("previous_hash", String(64), unique=True),  # of the secret before the last rotation, while it still works
    Column("previous_until_ms", BigInteger),
)

# Keys of the management API. No team: an operator's, for all teams.
management_keys = Table(
    "management_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("team_id", String(36), ForeignKey("teams.id")),
    Column("name", Text, nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("redacted", Text, nullable=False),
    Column("blocked", Boolean, nullable=False, default=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
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
    # What the cost is made of. All zero beside a cost: a row of before these columns.
    Column("text_ticks", BigInteger, nullable=False, default=0),
    Column("image_ticks", BigInteger, nullable=False, default=0),
    Column("cached_ticks", BigInteger, nullable=False, default=0),
    Column("completion_ticks", BigInteger, nullable=False, default=0),
    Column("reasoning_ticks", BigInteger, nullable=False, default=0),
    Column("generated_image_ticks", BigInteger, nullable=False, default=0),
    Column("generated_images", Integer, nullable=False, default=0),
    Index("ix_completions_team_created", "team_id", "created_at_ms"),
)

# Every movement of money, written once and never changed; what a team has is the sum of its rows.
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("team_id", String(36), ForeignKey("teams.id"), nullable=False),
    Column("kind", Text, nullable=False),  # an EntryKind
    Column("free_ticks", BigInteger, nullable=False),
    Column("prepaid_ticks", BigInteger, nullable=False),
    Column("postpaid_ticks", BigInteger, nullable=False),
    Column("postpaid_month", Integer, nullable=False),  # YYYYMM, UTC: whose debt it is; the month of the entry
    Column("grants", Text, nullable=False),  # JSON: credit grant -> its part of free_ticks
    Column("completion_id", String(36), unique=True),  # of a spend
    Column("refunds_id", String(36), unique=True),  # of a refund: the entry that it takes back
    Column("request_id", String(36)),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_ledger_entries_team_created", "team_id", "created_at_ms"),
)

# What the ledger sums up to, kept beside it so that admission need not add; `audit` compares the two.
balances = Table(
    "balances",
    metadata,
    Column("team_id", String(36), ForeignKey("teams.id"), primary_key=True),
    Column("prepaid_ticks", BigInteger, nullable=False),
    Column("postpaid_month", Integer, nullable=False),  # YYYYMM, UTC
    Column("postpaid_ticks", BigInteger, nullable=False),  # debt of that month
)

credit_grants = Table(
    "credit_grants",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("team_id", String(36), ForeignKey("teams.id"), nullable=False),
    Column("amount_ticks", BigInteger, nullable=False),
    Column("left_ticks", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("note", Text, nullable=False),
    Index("ix_credit_grants_team_left", "team_id", "left_ticks"),
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
