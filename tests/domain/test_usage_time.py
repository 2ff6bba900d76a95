"""Buckets of time in zones: dense, in order, and cut by the calendar that people there have."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vitrail.domain.usage import TimeRange, TimeUnit
from vitrail.domain.usage_time import Buckets, plan_buckets

BERLIN = "Europe/Berlin"
ZONES = (
    "UTC",
    BERLIN,
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)


def plan(start: datetime, end: datetime, zone: str, unit: TimeUnit) -> Buckets:
    buckets = plan_buckets(TimeRange(start, end, ZoneInfo(zone)), unit, limit=100_000)
    assert buckets is not None
    return buckets


def hours(buckets: Buckets) -> list[float]:
    edges = [*buckets.starts, buckets.until_ms // 1000]
    return [(b - a) / 3600 for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        (BERLIN, datetime(2025, 3, 29), [24, 23, 24]),
        (BERLIN, datetime(2025, 10, 25), [24, 25, 24]),
        ("America/Sao_Paulo", datetime(2018, 11, 3), [24, 23, 24]),  # there is no midnight on the 4th
        ("Australia/Lord_Howe", datetime(2025, 4, 5), [24, 24.5, 24]),
        ("Asia/Kathmandu", datetime(2025, 4, 5), [24, 24, 24]),
    ],
)
def test_days_are_as_long_as_they_are(zone: str, day: datetime, expected: list[float]) -> None:
    """A day on which clocks change has 23, 25 or 24.5 hours."""
    assert hours(plan(day, day + timedelta(days=3), zone, TimeUnit.DAY)) == expected


def test_day_that_a_zone_left_out_has_no_bucket() -> None:
    """Samoa went from 29 to 31 December 2011."""
    zone = ZoneInfo("Pacific/Apia")
    buckets = plan(datetime(2011, 12, 29), datetime(2012, 1, 1), "Pacific/Apia", TimeUnit.DAY)
    assert [datetime.fromtimestamp(s, zone).day for s in buckets.starts] == [29, 31]


def test_hour_that_comes_twice_is_two_buckets() -> None:
    """The night with 25 hours has 25 buckets of an hour."""
    buckets = plan(datetime(2025, 10, 26), datetime(2025, 10, 27), BERLIN, TimeUnit.HOUR)
    assert hours(buckets) == [1] * 25


def test_hours_begin_where_the_clock_of_the_zone_is_full() -> None:
    """Kathmandu is 5:45 ahead, so its hours begin at a quarter past those of UTC."""
    (first, *_) = plan(datetime(2025, 1, 1), datetime(2025, 1, 2), "Asia/Kathmandu", TimeUnit.HOUR).starts
    assert datetime.fromtimestamp(first, UTC).minute == 15


@pytest.mark.parametrize(
    ("unit", "first", "count"),
    [
        (TimeUnit.MONTH, datetime(2025, 1, 1), 3),
        (TimeUnit.CALENDAR_WEEK, datetime(2025, 1, 13), 9),
        (TimeUnit.DAY, datetime(2025, 1, 15), 55),
        (TimeUnit.NONE, datetime(2025, 1, 15, 12, 30), 1),
    ],
)
def test_first_bucket_begins_where_its_calendar_unit_does(unit: TimeUnit, first: datetime, count: int) -> None:
    """A range that begins in the middle of a month is of the month's bucket; weeks begin on Monday."""
    buckets = plan(datetime(2025, 1, 15, 12, 30), datetime(2025, 3, 10, 7), BERLIN, unit)
    assert datetime.fromtimestamp(buckets.starts[0], ZoneInfo(BERLIN)).replace(tzinfo=None) == first
    assert len(buckets.starts) == count


def test_each_day_is_one_slot_whatever_its_length() -> None:
    """A month of days is one run, or three around a day of 23 hours."""
    quiet = plan(datetime(2025, 1, 1), datetime(2025, 2, 1), BERLIN, TimeUnit.DAY)
    spring = plan(datetime(2025, 3, 1), datetime(2025, 4, 2), BERLIN, TimeUnit.DAY)
    assert [run.slot_ms // 3_600_000 for run in quiet.runs] == [24]
    assert [(run.first, run.slot_ms // 3_600_000) for run in spring.runs] == [(0, 24), (29, 23), (30, 24)]


def test_many_lengths_are_one_run_of_shorter_slots() -> None:
    """Months of ten years are told by the hour, so that the statement stays short."""
    (run,) = plan(datetime(2015, 1, 1), datetime(2025, 1, 1), BERLIN, TimeUnit.MONTH).runs
    assert run.slot_ms == 3_600_000


def test_more_buckets_than_the_limit_are_none_at_all() -> None:
    """A year of seconds is not planned."""
    span = TimeRange(datetime(2025, 1, 1), datetime(2026, 1, 1), UTC)
    assert plan_buckets(span, TimeUnit.SECOND, limit=1000) is None


@given(
    start=st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)).map(lambda d: d.replace(microsecond=0)),
    length=st.integers(1, 100 * 86_400) | st.integers(1, 4000 * 86_400),
    zone=st.sampled_from(ZONES),
    unit=st.sampled_from([u for u in TimeUnit if u not in (TimeUnit.SECOND, TimeUnit.MINUTE)]),
    at=st.floats(0, 1, exclude_max=True),
)
def test_every_moment_is_in_the_bucket_around_it(
    start: datetime, length: int, zone: str, unit: TimeUnit, at: float
) -> None:
    """Whatever the zone and unit, a moment's slot leads to the last bucket that begins at or before it."""
    end = datetime.fromtimestamp(start.replace(tzinfo=ZoneInfo(zone)).timestamp() + length, ZoneInfo(zone))
    span = TimeRange(start, end.replace(tzinfo=None), ZoneInfo(zone))
    buckets = plan_buckets(span, unit, limit=10_000)
    assume(buckets is not None)
    if buckets.until_ms <= buckets.from_ms:
        return  # the clock went back within the range
    assert list(buckets.starts) == sorted(set(buckets.starts))
    assert buckets.starts[0] * 1000 <= buckets.from_ms
    moment_ms = buckets.from_ms + int(at * (buckets.until_ms - buckets.from_ms))
    run = [run for run in buckets.runs if run.start_ms <= moment_ms][-1]
    found = buckets.find(run.first + (moment_ms - run.start_ms) // run.slot_ms)
    assert buckets.starts[found] * 1000 <= moment_ms
    assert found + 1 == len(buckets.starts) or moment_ms < buckets.starts[found + 1] * 1000
