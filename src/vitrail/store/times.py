"""Times as the tables hold them: UTC milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime


def to_ms(moment: datetime) -> int:
    """Return an aware time as UTC milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """Return UTC milliseconds since 1970 as an aware time."""
    return datetime.fromtimestamp(ms / 1000, UTC)
