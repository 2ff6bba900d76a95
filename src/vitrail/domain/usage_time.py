"""Cut a range of time into the buckets of a zone's calendar, and find slots of equal length that none of them cuts.

The database groups by slot, which is a division; slots are then put into buckets. So days of 23 and 25 hours, half-hour
zones and months are all exact, and without such a change a slot is as long as the bucket itself.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vitrail.domain.usage import TimeRange, TimeUnit

_SECONDS = {TimeUnit.HOUR: 3600, TimeUnit.QUARTER_HOUR: 900, TimeUnit.MINUTE: 60, TimeUnit.SECOND: 1}


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a range. The first begins where its calendar unit does, which may be before the range."""

    starts: tuple[int, ...]  # UTC seconds since 1970, rising
    from_ms: int
    until_ms: int  # not in the range

    @property
    def origin_ms(self) -> int:
        """Return where slot 0 begins."""
        return self.starts[0] * 1000

    @property
    def slot_ms(self) -> int:
        """Return the longest length of slots of which each lies in one bucket."""
        first = self.starts[0]
        shared = math.gcd(*(start - first for start in self.starts))
        return shared * 1000 or max(1, self.until_ms - self.origin_ms)

    def find(self, slot: int, slot_ms: int) -> int:
        """Return the number of the bucket that a slot lies in."""
        return bisect_right(self.starts, (self.origin_ms + slot * slot_ms) // 1000) - 1


def plan_buckets(span: TimeRange, unit: TimeUnit, *, limit: int) -> Buckets | None:
    """Return the buckets of a range that has a length; None if there are more than `limit`."""
    start, end = _to_seconds(span.start, span), _to_seconds(span.end, span)
    starts: list[int] = []
    for at in _boundaries(span, unit, start):
        if at >= end and starts:
            break
        if starts and at <= start:
            starts[-1] = at
        elif not starts or at > starts[-1]:  # equal on a day that a zone left out
            starts.append(at)
        if len(starts) > limit:
            return None
    return Buckets(tuple(starts), start * 1000, end * 1000)


def _boundaries(span: TimeRange, unit: TimeUnit, start: int) -> Iterator[int]:
    """Yield where units begin, from that of the range's start on, without end but for `none`."""
    if unit is TimeUnit.NONE:
        yield start
    elif unit in _SECONDS:
        yield from _clock_boundaries(span, _SECONDS[unit], start)
    else:
        yield from (_to_seconds(day, span) for day in _calendar(span.start, unit))


def _calendar(moment: datetime, unit: TimeUnit) -> Iterator[datetime]:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit is TimeUnit.MONTH:
        day = day.replace(day=1)
    elif unit is TimeUnit.CALENDAR_WEEK:
        day -= timedelta(days=day.weekday())
    while True:
        yield day
        if unit is TimeUnit.MONTH:
            day = (day + timedelta(days=31)).replace(day=1)
        else:
            day += timedelta(days=7 if unit is TimeUnit.CALENDAR_WEEK else 1)


def _clock_boundaries(span: TimeRange, length: int, start: int) -> Iterator[int]:
    """Yield when a clock in the zone shows a full unit; an hour that comes twice is two."""
    at = start - (start + _offset(start, span)) % length
    while True:
        yield at
        at += length - (at + _offset(at, span)) % length


def _offset(at: int, span: TimeRange) -> int:
    offset = datetime.fromtimestamp(at, span.zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _to_seconds(moment: datetime, span: TimeRange) -> int:
    """Return when a clock in the zone first shows this; a time that it leaves out is when it leaves it out."""
    aware = moment.replace(tzinfo=span.zone, fold=0)
    return math.floor(aware.astimezone(UTC).timestamp())
