"""What can be asked about usage, and what the answer is: queries and series as values, with the rules between them.

An *item* is what is measured: a completion, or the part of it that is of one token type where a query groups by that.
Money is in ticks (1 USD = 10^10) until it is shown. Knows no SQL, no JSON and no table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

TICKS_PER_USD = 10**10


class TimeUnit(StrEnum):
    """How long a bucket is; calendar units are those of the query's zone, and none is one bucket for the range."""

    MONTH = "month"
    CALENDAR_WEEK = "calendar_week"  # from Monday
    DAY = "day"
    HOUR = "hour"
    QUARTER_HOUR = "quarter_hour"
    MINUTE = "minute"
    SECOND = "second"
    NONE = "none"


class Measure(StrEnum):
    """A number that every item has."""

    USD = "usd"  # what it cost
    TOKENS = "tokens"
    REQUESTS = "requests"  # 1
    IMAGES = "images"  # generated


class Dimension(StrEnum):
    """A name that every item has, by which items are grouped and filtered."""

    MODEL = "model"
    API_KEY = "apiKeyId"
    TOKEN_TYPE = "tokenType"
    ENDPOINT = "endpoint"
    REQUEST_IP = "requestIp"
    TEAM = "teamId"
    STATUS = "status"


class TokenType(StrEnum):
    """What the counts and the cost of a completion are made of."""

    PROMPT_TEXT = "prompt_text"  # not cached
    CACHED_PROMPT_TEXT = "cached_prompt_text"
    PROMPT_IMAGE = "prompt_image"
    COMPLETION = "completion"
    REASONING = "reasoning"
    GENERATED_IMAGE = "generated_image"
    UNSPLIT = "unsplit"  # cost of completions from before it was kept by token type


class Aggregation(StrEnum):
    """How the numbers of a bucket's items become one; none is the sum."""

    NONE = "none"
    SUM = "sum"
    AVG = "avg"
    VAR = "var"  # of the population
    STD = "std"
    MIN = "min"
    MAX = "max"
    P50 = "p50"  # a percentile is a number that an item has: the smallest with that share at or below it
    P90 = "p90"
    P99 = "p99"
    P999 = "p999"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"


_SHARES = {
    Aggregation.P50: Fraction(1, 2),
    Aggregation.P90: Fraction(9, 10),
    Aggregation.P99: Fraction(99, 100),
    Aggregation.P999: Fraction(999, 1000),
}
_SPREAD = frozenset({Aggregation.VAR, Aggregation.STD, Aggregation.COUNT_DISTINCT, *_SHARES})


class Fold(StrEnum):
    """How the database adds up a number, so that its results can be added up again."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Value:
    """One number of each data point; of a dimension only the different names can be counted."""

    of: Measure | Dimension
    aggregation: Aggregation

    @property
    def is_allowed(self) -> bool:
        """Tell whether there is such a number."""
        if self.of is Measure.REQUESTS:
            return self.aggregation in (Aggregation.NONE, Aggregation.SUM, Aggregation.COUNT)
        if isinstance(self.of, Dimension):
            return self.aggregation is Aggregation.COUNT_DISTINCT and self.of is not Dimension.TOKEN_TYPE
        return True

    @property
    def needs_spread(self) -> bool:
        """Tell whether it takes the items' own numbers and not only their sum, count, least and most."""
        return self.aggregation in _SPREAD

    @property
    def can_be_added(self) -> bool:
        """Tell whether the numbers of buckets add up to that of all."""
        return self.aggregation in (Aggregation.NONE, Aggregation.SUM, Aggregation.COUNT)

    @property
    def total(self) -> Total | None:
        """Return what the database adds up for it; None where the count of items says it, or only the spread does."""
        if not isinstance(self.of, Measure) or self.of is Measure.REQUESTS or self.needs_spread:
            return None
        match self.aggregation:
            case Aggregation.COUNT:
                return None
            case Aggregation.MIN:
                return Total(self.of, Fold.MIN)
            case Aggregation.MAX:
                return Total(self.of, Fold.MAX)
        return Total(self.of, Fold.SUM)

    @property
    def scale(self) -> int:
        """Return what a number of ticks is divided by to be in USD; 1 where it is not of ticks."""
        if self.of is not Measure.USD or self.aggregation in (Aggregation.COUNT, Aggregation.COUNT_DISTINCT):
            return 1
        return TICKS_PER_USD**2 if self.aggregation is Aggregation.VAR else TICKS_PER_USD


@dataclass(frozen=True, slots=True)
class Total:
    """A number that the database adds up for each group and slot of time."""

    of: Measure
    fold: Fold


class Comparison(StrEnum):
    """How an item's number is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    OVER = ">"
    AT_LEAST = ">="
    UNDER = "<"
    AT_MOST = "<="

    @property
    def opposite(self) -> Comparison:
        """Return the comparison that is true where this one is not."""
        return _OPPOSITES[self]


_OPPOSITES = {
    Comparison.EQUAL: Comparison.NOT_EQUAL,
    Comparison.NOT_EQUAL: Comparison.EQUAL,
    Comparison.OVER: Comparison.AT_MOST,
    Comparison.AT_MOST: Comparison.OVER,
    Comparison.UNDER: Comparison.AT_LEAST,
    Comparison.AT_LEAST: Comparison.UNDER,
}


@dataclass(frozen=True, slots=True)
class IsOneOf:
    """Items whose name in a dimension is (or with `negated`: is not) one of these."""

    dimension: Dimension
    names: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Compares:
    """Items whose number compares so; USD is in ticks."""

    measure: Measure
    comparison: Comparison
    number: int


Condition = IsOneOf | Compares


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start` to before `end`, both as a clock in the zone shows them."""

    start: datetime
    end: datetime
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What is asked; without a team it is about all of them. Conditions must all hold."""

    range: TimeRange
    unit: TimeUnit
    values: tuple[Value, ...]
    group_by: tuple[Dimension, ...] = ()
    conditions: tuple[Condition, ...] = ()
    team_id: str | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the parts of completions that are items here."""
        chosen = tuple(kind for kind in TokenType if self._takes(kind))
        if Dimension.TOKEN_TYPE in self.group_by:
            return tuple(Part(kind, (kind,)) for kind in chosen)
        return (WHOLE,) if len(chosen) == len(TokenType) else (Part(None, chosen),)

    def _takes(self, kind: TokenType) -> bool:
        return all(
            (kind in condition.names) is not condition.negated
            for condition in self.conditions
            if isinstance(condition, IsOneOf) and condition.dimension is Dimension.TOKEN_TYPE
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of each completion: its counts and costs of these token types together, under the name of a group."""

    name: TokenType | None
    types: tuple[TokenType, ...]


WHOLE = Part(None, tuple(TokenType))


@dataclass(frozen=True, slots=True)
class Series:
    """The data points of one group, one for every bucket; `labels` are the group's names as people know them."""

    group: tuple[str, ...]
    labels: tuple[str, ...]
    points: tuple[tuple[Number, ...], ...]  # a point has a number for each value; USD is in ticks


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The answer: all series over the same buckets, that of the largest first value first."""

    values: tuple[Value, ...]
    starts: tuple[datetime, ...]  # of the buckets, in the zone of the query
    series: tuple[Series, ...]
    limit_reached: bool  # there are more series


Number = int | Fraction


def show_number(value: Value, number: Number) -> float:
    """Return a number of a data point in the unit that people read."""
    if value.aggregation is Aggregation.STD:  # is kept as variance, which is exact
        return float((Fraction(number) / value.scale**2) ** 0.5)
    return number / value.scale if isinstance(number, int) else float(number / value.scale)


def measure_spread(aggregation: Aggregation, counts: Mapping[int, int] | Mapping[str, int]) -> Number:
    """Return a number of how the items' own numbers are spread; `counts` tells how often each occurs."""
    if aggregation is Aggregation.COUNT_DISTINCT:
        return len(counts)
    numbers = sorted((int(number), count) for number, count in counts.items())
    items = sum(count for _, count in numbers)
    if not items:
        return 0
    if aggregation in _SHARES:
        return _percentile(numbers, math.ceil(_SHARES[aggregation] * items))
    total = sum(number * count for number, count in numbers)
    squares = sum(number * number * count for number, count in numbers)
    return Fraction(squares * items - total * total, items * items)


def _percentile(numbers: Iterable[tuple[int, int]], rank: int) -> int:
    seen, last = 0, 0
    for number, count in numbers:
        seen, last = seen + count, number
        if seen >= rank:
            break
    return last


def fold_numbers(fold: Fold, one: int, other: int) -> int:
    """Return what two results of the database are together."""
    match fold:
        case Fold.SUM:
            return one + other
        case Fold.MIN:
            return min(one, other)
        case Fold.MAX:
            return max(one, other)
    assert_never(fold)
