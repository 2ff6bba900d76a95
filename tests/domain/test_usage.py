"""What a usage query may say, and the arithmetic of its numbers."""

from __future__ import annotations

import statistics
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.usage import (
    Aggregation,
    Compares,
    Comparison,
    Dimension,
    IsOneOf,
    Measure,
    TimeUnit,
    Value,
    measure_spread,
    show_number,
)
from vitrail.domain.usage_names import (
    parse_dimension,
    parse_filter,
    parse_range,
    parse_unit,
    parse_value,
)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("model:facts-1", IsOneOf(Dimension.MODEL, ("facts-1",))),
        ("model:=facts-1", IsOneOf(Dimension.MODEL, ("facts-1",))),
        ("description: != facts-1", IsOneOf(Dimension.MODEL, ("facts-1",), True)),
        ("NOT model:facts-1", IsOneOf(Dimension.MODEL, ("facts-1",), True)),
        ("NOT model:!=facts-1", IsOneOf(Dimension.MODEL, ("facts-1",))),
        ("apiKeyId:in a, b", IsOneOf(Dimension.API_KEY, ("a", "b"))),
        ("api_key_id:a", IsOneOf(Dimension.API_KEY, ("a",))),
        ("requestIp:2001:db8::1", IsOneOf(Dimension.REQUEST_IP, ("2001:db8::1",))),
        ("requestIp:", IsOneOf(Dimension.REQUEST_IP, ("",))),
        ("model:index", IsOneOf(Dimension.MODEL, ("index",))),
        ("tokens:>=100", Compares(Measure.TOKENS, Comparison.AT_LEAST, 100)),
        ("NOT tokens:>100", Compares(Measure.TOKENS, Comparison.AT_MOST, 100)),
        ("usd:< 0.5", Compares(Measure.USD, Comparison.UNDER, 5 * 10**9)),
        ("images:3", Compares(Measure.IMAGES, Comparison.EQUAL, 3)),
    ],
)
def test_filter_is_read(text: str, condition: object) -> None:
    """A filter is a field, an operator where it is not equality, and a value; NOT turns it round."""
    assert parse_filter(text, where="") == condition


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model", "is not `field:value`"),
        ("colour:red", r"no filter 'colour'.*model"),
        ("requests:>1", "no filter"),
        ("model:>facts-1", "can be filtered with =, != or in"),
        ("model:~facts", "can be filtered with"),
        ("model:", "says no value"),
        ("tokens:many", "not a number"),
        ("tokens:>1.5", "not a whole number"),
        ("tokens:NaN", "not a whole number"),
        ("tokens:1e999", "not a whole number"),
        ("tokens:~5", "no operator"),
        ("tokens:in 1,2", "no operator"),
        ("usd:0.00000000001", "at most 10 decimals"),
        ("tokenType:text", r"no token type 'text'.*prompt_text"),
        ("model:a\x00", "a character that no name has"),
        ("model:in " + ",".join("x" * 501), "at most 500"),
    ],
)
def test_wrong_filter_is_refused_with_its_place(text: str, says: str) -> None:
    """The refusal says what is wrong with a filter and where it stands."""
    with pytest.raises(InvalidArgument, match=says) as refused:
        parse_filter(text, where="filters[0]")
    assert refused.value.where == "filters[0]"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("TIME_UNIT_DAY", TimeUnit.DAY),
        ("DAY", TimeUnit.DAY),
        ("quarter-hour", TimeUnit.QUARTER_HOUR),
        ("TIME_UNIT_CALENDAR_WEEK", TimeUnit.CALENDAR_WEEK),
        ("week", TimeUnit.CALENDAR_WEEK),
        ("none", TimeUnit.NONE),
    ],
)
def test_unit_is_read_with_and_without_its_prefix(text: str, unit: TimeUnit) -> None:
    """The wire's names and the command line's are the same unit."""
    assert parse_unit(text, where="") is unit


@pytest.mark.parametrize(
    ("name", "aggregation"),
    [("speed", "sum"), ("usd", "median"), ("requests", "p90"), ("model", "sum"), ("tokenType", "count_distinct")],
)
def test_value_without_meaning_is_refused(name: str, aggregation: str) -> None:
    """What cannot be measured so is refused, with what can."""
    with pytest.raises(InvalidArgument):
        parse_value(name, aggregation, where="values[0]")


def test_names_are_read_however_they_are_written() -> None:
    """Snake, camel and hyphens are one name."""
    assert {parse_dimension(n, where="") for n in ("api-key", "apiKeyId", "api_key_id")} == {Dimension.API_KEY}
    assert parse_value("cost", "AGGREGATION_SUM", where="") == Value(Measure.USD, Aggregation.SUM)


@pytest.mark.parametrize(
    ("start", "end", "zone"),
    [
        ("2025-01-01", "2025-01-02 00:00:00", "UTC"),
        ("2025-01-02 00:00:00", "2025-01-02 00:00:00", "UTC"),
        ("1800-01-01 00:00:00", "2025-01-02 00:00:00", "UTC"),
        ("2025-01-01 00:00:00", "9999-12-31 23:59:59", "UTC"),
        ("2025-01-01 00:00:00", "2025-01-02 00:00:00", "Europe/Atlantis"),
        ("2025-01-01 00:00:00", "2025-01-02 00:00:00", "../etc/passwd"),
        ("2025-01-01 00:00:00", "2025-01-02 00:00:00", "Europe"),
        ("2025-01-01 00:00:00", "2025-01-02 00:00:00", "a\x00b"),
    ],
)
def test_range_without_meaning_is_refused(start: str, end: str, zone: str) -> None:
    """A time in another form, an end that is not after the start, and a zone that is not there."""
    with pytest.raises(InvalidArgument):
        parse_range(start, end, zone, where="timeRange.")


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=60))
def test_spread_is_that_of_the_numbers_one_by_one(numbers: list[int]) -> None:
    """Variance, distinct count and percentiles of counted numbers are those of the list."""
    counts = Counter(numbers)
    ranked = sorted(numbers)
    assert measure_spread(Aggregation.VAR, counts) == statistics.pvariance(map(Fraction, numbers))
    assert measure_spread(Aggregation.COUNT_DISTINCT, counts) == len(set(numbers))
    assert measure_spread(Aggregation.P90, counts) == ranked[-(-9 * len(ranked) // 10) - 1]


def test_cost_is_shown_in_usd() -> None:
    """Ticks become USD, of a variance squared ones; a deviation is the root of it."""
    spread = measure_spread(Aggregation.VAR, Counter([10**10, 3 * 10**10]))
    assert show_number(Value(Measure.USD, Aggregation.SUM), 25 * 10**9) == 2.5
    assert show_number(Value(Measure.USD, Aggregation.VAR), spread) == 1.0
    assert show_number(Value(Measure.USD, Aggregation.STD), spread) == 1.0
    assert show_number(Value(Measure.USD, Aggregation.COUNT), 2) == 2
