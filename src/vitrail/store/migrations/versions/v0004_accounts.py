"""Money, limits and management keys. To be run before the new code is deployed.

The old code goes on working beside it: every new column of a table that it writes has a default.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COST_PARTS = (
    "text_ticks",
    "image_ticks",
    "cached_ticks",
    "completion_ticks",
    "reasoning_ticks",
    "generated_image_ticks",
)


def upgrade() -> None:
    """Add columns to teams, keys and completions; make the tables of accounts."""
    op.add_column("teams", sa.Column("postpaid_limit_ticks", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("teams", sa.Column("soft_limit_ticks", sa.BigInteger))
    with op.batch_alter_table("api_keys") as keys:
        keys.add_column(sa.Column("previous_hash", sa.String(64)))
        keys.add_column(sa.Column("previous_until_ms", sa.BigInteger))
        keys.create_unique_constraint("uq_api_keys_previous_hash", ["previous_hash"])
    for name in _COST_PARTS:
        op.add_column("completions", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("completions", sa.Column("generated_images", sa.Integer, nullable=False, server_default="0"))
    _create_keys_and_limits()
    _create_money()


def _create_keys_and_limits() -> None:
    op.create_table(
        "team_limits",
        sa.Column("team_id", sa.String(36), sa.ForeignKey("teams.id"), primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("requests_per_second", sa.Integer),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("tokens_per_minute", sa.BigInteger),
    )
    op.create_table(
        "management_keys",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("team_id", sa.String(36), sa.ForeignKey("teams.id")),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("redacted", sa.Text, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("last_used_at_ms", sa.BigInteger),
    )


def _create_money() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("team_id", sa.String(36), sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("free_ticks", sa.BigInteger, nullable=False),
        sa.Column("prepaid_ticks", sa.BigInteger, nullable=False),
        sa.Column("postpaid_ticks", sa.BigInteger, nullable=False),
        sa.Column("postpaid_month", sa.Integer, nullable=False),
        sa.Column("grants", sa.Text, nullable=False),
        sa.Column("completion_id", sa.String(36), unique=True),
        sa.Column("refunds_id", sa.String(36), unique=True),
        sa.Column("request_id", sa.String(36)),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_ledger_entries_team_created", "ledger_entries", ["team_id", "created_at_ms"])
    op.create_table(
        "balances",
        sa.Column("team_id", sa.String(36), sa.ForeignKey("teams.id"), primary_key=True),
        sa.Column("prepaid_ticks", sa.BigInteger, nullable=False),
        sa.Column("postpaid_month", sa.Integer, nullable=False),
        sa.Column("postpaid_ticks", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "credit_grants",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("team_id", sa.String(36), sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("amount_ticks", sa.BigInteger, nullable=False),
        sa.Column("left_ticks", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("ix_credit_grants_team_left", "credit_grants", ["team_id", "left_ticks"])
