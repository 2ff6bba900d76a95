"""Times, numbers and money as the management API writes them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from vitrail.domain.billing import TICKS_PER_CENT
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.limits import LARGEST_LIMIT, Limits
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


def parse_limits(qps: int | None, qpm: int | None, tpm: str | int | None) -> Limits:
    """Return rate limits; raises InvalidArgument for a number that is none."""
    tokens = None if tpm is None else parse_number(tpm, where="tpm")
    for name, number in (("qps", qps), ("qpm", qpm), ("tpm", tokens)):
        if number is not None and not 0 < number <= LARGEST_LIMIT:
            raise InvalidArgument(
                f"`{name}` is over 0 and below 2^31, not {number}.", hint="Leave it out for no limit."
            )
    return Limits(qps, qpm, tokens)


def parse_mask(text: str, *, known: Collection[str]) -> list[str]:
    """Return the names of a `fieldMask`, at least one; raises InvalidArgument for one that is not `known`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        seen = f"no field {unknown[0][:_LONGEST]!r}" if unknown else "nothing"
        raise InvalidArgument(f"`fieldMask` names {seen}.", hint=f"Fields: {', '.join(known)}.")
    return names


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
