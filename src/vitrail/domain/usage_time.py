"""Cut a range of time into the buckets of a zone's calendar, and say how a database can tell them by a division.

A run is a stretch of buckets of one length, such as the days between two changes of the clock, so days of 23 and 25
hours, half-hour zones and months are all exact. The database groups by slots; in a run each bucket is one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from vitrail.domain.usage import TimeRange, TimeUnit

_SECONDS = {TimeUnit.HOUR: 3600, TimeUnit.QUARTER_HOUR: 900, TimeUnit.MINUTE: 60, TimeUnit.SECOND: 1}


_MOST_RUNS = 24


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time in slots of one length, of which none lies in two buckets; `first` is its first slot."""

    first: int
    start_ms: int
    slot_ms: int


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a range. The first begins where its calendar unit does, which may be before the range."""

    starts: tuple[int, ...]  # UTC seconds since 1970, rising
    from_ms: int
    until_ms: int  # not in the range
    runs: tuple[Run, ...]

    def find(self, slot: int) -> int:
        """Return the number of the bucket that a slot lies in."""
        run = self.runs[bisect_right(self.runs, slot, key=lambda run: run.first) - 1]
        return bisect_right(self.starts, (run.start_ms + (slot - run.first) * run.slot_ms) // 1000) - 1


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
    return Buckets(tuple(starts), start * 1000, end * 1000, _plan_runs(starts, end))


def _plan_runs(starts: list[int], end: int) -> tuple[Run, ...]:
    """Return runs of equal buckets; where they would be many, one run of the longest slots that no bucket cuts."""
    first = starts[0]
    if len(starts) == 1:
        return (Run(0, first * 1000, max(1, end - first) * 1000),)
    lengths = [after - before for before, after in pairwise(starts)]
    changes = [at for at, length in enumerate(lengths) if at == 0 or length != lengths[at - 1]]
    if len(changes) > _MOST_RUNS:
        return (Run(0, first * 1000, math.gcd(*lengths) * 1000),)
    return tuple(Run(at, starts[at] * 1000, lengths[at] * 1000) for at in changes)


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
