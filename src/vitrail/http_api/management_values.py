"""Times, numbers and money as the management API writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from vitrail.domain.billing import TICKS_PER_CENT
from vitrail.domain.errors import InvalidArgument
from vitrail.http_api.wire_management import Money, MoneyAsked

_LONGEST = 40


def parse_instant(text: str | None, *, where: str) -> datetime | None:
    """Return an ISO 8601 time, in UTC if it names no zone; raises InvalidArgument."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # near the years 1 and 9999, UTC may be in another one
        raise InvalidArgument(
            f"`{where}` is no time: {text[:_LONGEST]!r}.", hint='Write "2027-01-31T00:00:00Z".'
        ) from error


def render_instant(moment: datetime) -> str:
    """Return a time as ISO 8601 in UTC, with `Z`; a time without a zone is in UTC already."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat().replace("+00:00", "Z")


def parse_number(value: str | int, *, where: str) -> int:
    """Return a 64-bit integer that may be written as a string; raises InvalidArgument."""
    text = str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise InvalidArgument(f"`{where}` is no whole number: {text[:_LONGEST]!r}.")
    return int(text)


def parse_money(asked: MoneyAsked, *, where: str) -> int:
    """Return an amount in ticks, given as cents or as ticks; raises InvalidArgument."""
    if asked.val is not None and asked.ticks is None:
        return parse_number(asked.val, where=f"{where}.val") * TICKS_PER_CENT
    if asked.ticks is not None and asked.val is None:
        return parse_number(asked.ticks, where=f"{where}.ticks")
    raise InvalidArgument(f"`{where}` needs `val` (USD cents) or `ticks` (10^8 to a cent), and not both.")


def render_money(ticks: int) -> Money:
    """Return an amount in cents, to the nearest, and exactly."""
    return Money(val=str((ticks + TICKS_PER_CENT // 2) // TICKS_PER_CENT), ticks=str(ticks))
