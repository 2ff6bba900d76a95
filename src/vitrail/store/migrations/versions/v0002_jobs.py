"""Jobs of deferred completions. To be run before the new code is deployed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of jobs and of what they are to run."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("team_id", sa.String(36), sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("api_key_id", sa.String(36), nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("client_ip", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("run_at_ms", sa.BigInteger, nullable=False),
        sa.Column("lease_id", sa.String(36)),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("outcome", sa.LargeBinary),
    )
    op.create_index("ix_jobs_state_created", "jobs", ["state", "created_at_ms"])
    op.create_index("ix_jobs_team_state", "jobs", ["team_id", "state"])
    op.create_index("ix_jobs_expires_at_ms", "jobs", ["expires_at_ms"])
    op.create_table(
        "job_parts",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
