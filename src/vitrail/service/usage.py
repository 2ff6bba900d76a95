"""Answer what teams used: add up what the database found into dense series over the buckets of a zone's calendar.

Called by the management API and the command line, on the calling thread. The path of a query:
`plan_buckets` -> `sum_usage`, `spread_usage` -> cells -> the largest series -> labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.usage import (
    Aggregation,
    Dimension,
    Measure,
    Number,
    Series,
    Total,
    UsageQuery,
    UsageReport,
    Value,
    fold_numbers,
    measure_spread,
)
from vitrail.domain.usage_time import Buckets, plan_buckets
from vitrail.store import usage as sql
from vitrail.store.database import Database

Group = tuple[str, ...]
Rows = TypeVar("Rows")


class UsageOptions(BaseModel):
    """How much a question about usage may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: int = Field(100_000, ge=1, description="Most data points of one answer, all series together.")
    rows: int = Field(200_000, ge=1, description="Most rows that the database may find for one answer.")


class Usage:
    """What all teams used."""

    def __init__(self, database: Database, options: UsageOptions) -> None:
        self._database = database
        self._options = options

    def query(self, query: UsageQuery) -> UsageReport:
        """Answer a query; raises InvalidArgument where the answer would be longer than is allowed."""
        buckets = plan_buckets(query.range, query.unit, limit=self._options.points)
        if buckets is None:
            raise InvalidArgument(
                f"This range has more than {self._options.points:,} data points.",
                hint="Ask for a shorter one, or a longer time unit.",
            )
        return self._database.run_read(lambda connection: self._answer(connection, query, buckets))

    def _answer(self, connection: Connection, query: UsageQuery, buckets: Buckets) -> UsageReport:
        cells = self._gather(connection, query, buckets)
        if not query.group_by:
            cells.setdefault((), {})
        first = query.values[0]
        sizes = {group: sum(cell.measure(first) for cell in found.values()) for group, found in cells.items()}
        largest = sorted(cells, key=lambda group: (-sizes[group], group))
        kept = largest[: max(1, self._options.points // len(buckets.starts))]
        labels = _find_labels(connection, query.group_by, kept)
        return UsageReport(
            values=query.values,
            starts=tuple(datetime.fromtimestamp(start, query.range.zone) for start in buckets.starts),
            series=tuple(
                Series(group, labels[group], _fill(query.values, cells[group], len(buckets.starts))) for group in kept
            ),
            limit_reached=len(kept) < len(largest),
        )

    def _gather(self, connection: Connection, query: UsageQuery, buckets: Buckets) -> dict[Group, dict[int, _Cell]]:
        cells: dict[Group, dict[int, _Cell]] = {}
        limit = self._options.rows
        totals = tuple({value.total: None for value in query.values if value.total})

        def cell(group: Group, slot: int) -> _Cell:
            return cells.setdefault(group, {}).setdefault(buckets.find(slot), _Cell())

        for row in _within(sql.sum_usage(connection, query, buckets, totals, limit=limit), limit):
            cell(row.group, row.slot).add(row.items, zip(totals, row.numbers, strict=True))
        for of in dict.fromkeys(value.of for value in query.values if value.needs_spread):
            spreads: dict[tuple[int, Group], Counter[Any]] = {}  # many rows are of one slot and group
            for slot, group, found, items in _within(
                sql.spread_usage(connection, query, buckets, of, limit=limit), limit
            ):
                spread = spreads.get((slot, group))
                if spread is None:
                    spread = spreads[slot, group] = cell(group, slot).spreads.setdefault(of, Counter())
                spread[found] += items
        return cells


@dataclass(slots=True)
class _Cell:
    """What was found of one group in one bucket."""

    items: int = 0
    numbers: dict[Total, int] = field(default_factory=dict)
    spreads: dict[Measure | Dimension, Counter[Any]] = field(default_factory=dict)

    def add(self, items: int, numbers: Iterable[tuple[Total, int]]) -> None:
        """Add what was found in another slot."""
        self.items += items
        for total, number in numbers:
            known = self.numbers.get(total)
            self.numbers[total] = number if known is None else fold_numbers(total.fold, known, number)

    def measure(self, value: Value) -> Number:
        """Return the number of a value."""
        if value.needs_spread:
            return measure_spread(value.aggregation, self.spreads.get(value.of, Counter()))
        if value.total is None:
            return self.items
        number = self.numbers.get(value.total, 0)
        return Fraction(number, self.items or 1) if value.aggregation is Aggregation.AVG else number


def _fill(values: Sequence[Value], cells: Mapping[int, _Cell], buckets: int) -> tuple[tuple[Number, ...], ...]:
    """Return a data point for every bucket; without items its numbers are 0."""
    nothing = (0,) * len(values)
    return tuple(
        tuple(cells[at].measure(value) for value in values) if at in cells else nothing for at in range(buckets)
    )


def _find_labels(
    connection: Connection, dimensions: Sequence[Dimension], groups: Sequence[Group]
) -> dict[Group, tuple[str, ...]]:
    known = [
        sql.find_labels(connection, dimension, (group[at] for group in groups))
        for at, dimension in enumerate(dimensions)
    ]
    return {
        group: tuple(labels.get(name, name) or "unknown" for labels, name in zip(known, group, strict=True))
        for group in groups
    }


def _within(rows: Rows | None, limit: int) -> Rows:
    if rows is None:
        raise InvalidArgument(
            f"This takes more than {limit:,} rows of the database.",
            hint="Ask for a shorter range, fewer groups, or a longer time unit.",
        )
    return rows
