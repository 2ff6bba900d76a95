"""A usage report as a table, as bars in the terminal, or as JSON. Called by `usage`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.usage import (
    Aggregation,
    Dimension,
    Measure,
    Number,
    Series,
    TimeRange,
    TimeUnit,
    UsageQuery,
    UsageReport,
    Value,
    show_number,
)

_HEADS: dict[str, str] = {
    Measure.USD: "cost",
    Dimension.API_KEY: "API key",
    Dimension.TOKEN_TYPE: "token type",
    Dimension.REQUEST_IP: "address",
    Dimension.TEAM: "team",
}
_TIME_FORMATS = {
    TimeUnit.MONTH: "%Y-%m",
    TimeUnit.CALENDAR_WEEK: "%Y-%m-%d",
    TimeUnit.DAY: "%Y-%m-%d",
    TimeUnit.SECOND: "%Y-%m-%d %H:%M:%S",
}
_MARKS = (("█", "cyan"), ("▓", "magenta"), ("▒", "yellow"), ("░", "green"), ("#", "blue"), ("=", "red"))
_MOST_BARS = 400
_LEAST_CELLS = 10


def build_table(query: UsageQuery, report: UsageReport, total: UsageReport) -> Table:
    """Return a row for every group and bucket in which something was used, and the totals of all."""
    has_time = query.unit is not TimeUnit.NONE
    names = [*(["time"] if has_time else []), *(_HEADS.get(d, d) for d in query.group_by)]
    table = Table(show_footer=bool(names))
    for number, name in enumerate(names):
        table.add_column(name, "" if number else "total", overflow="fold")
    (sums,) = total.series[0].points
    for value, shown in zip(query.values, _format_point(query.values, sums), strict=True):
        table.add_column(_head(value), shown, justify="right", no_wrap=True)
    for at, start in enumerate(report.starts):
        for series in report.series:
            if any(series.points[at]) or not names:
                labels = [*([_format_time(start, query.unit)] if has_time else []), *series.labels]
                table.add_row(*labels, *_format_point(query.values, series.points[at]))
    return table


def draw_bars(console: Console, query: UsageQuery, report: UsageReport) -> None:
    """Print a bar of the first value for every bucket, stacked of its groups; for every group where time is one."""
    value = query.values[0]
    has_time = query.unit is not TimeUnit.NONE
    if has_time and query.group_by and not value.can_be_added:
        raise InvalidArgument(f"Bars of {_head(value)} cannot be stacked.", hint="Plot it with --unit none or no --by.")
    if (len(report.starts) if has_time else len(report.series)) > _MOST_BARS:
        raise InvalidArgument(
            f"These are more than {_MOST_BARS} bars.", hint="Choose a shorter range or a longer unit."
        )
    console.print(f"{_head(value)}, {_format_range(query.range)}")
    if not has_time:
        bars = [(_name(series), [series.points[0][0]]) for series in report.series]
    else:
        shown = _merge_small(report.series)
        if query.group_by:
            for (mark, style), (name, _) in zip(_MARKS, shown, strict=False):
                console.print(Text(f"{mark * 2} {name}", style=style))
        bars = [
            (_format_time(start, query.unit), [numbers[at] for _, numbers in shown])
            for at, start in enumerate(report.starts)
        ]
    _print_bars(console, value, bars)


def render_rows(query: UsageQuery, report: UsageReport, total: UsageReport) -> dict[str, object]:
    """Return a report as JSON's values: every bucket is there, cost in USD."""

    def numbers(point: Sequence[Number]) -> dict[str, float]:
        return {_key(v): show_number(v, n) for v, n in zip(query.values, point, strict=True)}

    return {
        "from": query.range.start.replace(tzinfo=query.range.zone).isoformat(),
        "to": query.range.end.replace(tzinfo=query.range.zone).isoformat(),
        "unit": query.unit,
        "series": [
            {
                "group": dict(zip(query.group_by, series.group, strict=True)),
                "labels": list(series.labels),
                "points": [
                    {"time": start.isoformat(), **numbers(point)}
                    for start, point in zip(report.starts, series.points, strict=True)
                ],
            }
            for series in report.series
        ],
        "total": numbers(total.series[0].points[0]),
        "limit_reached": report.limit_reached,
    }


def _print_bars(console: Console, value: Value, bars: Sequence[tuple[str, Sequence[Number]]]) -> None:
    """Print bars as long as the longest allows; what is not nothing is drawn as one mark at least."""
    sums = [sum(numbers) for _, numbers in bars]
    figures = [_format_number(value, number) for number in sums]
    most = max(sums, default=0)
    width = max((len(name) for name, _ in bars), default=0)
    room = max(_LEAST_CELLS, console.width - width - max(map(len, figures), default=0) - 3)
    for (name, numbers), figure in zip(bars, figures, strict=True):
        line, reached, drawn = Text(f"{name:<{width}}  "), Fraction(0), 0
        for number, (mark, style) in zip(numbers, _MARKS, strict=False):
            reached += number
            cells = math.ceil(reached * room / most) if most else 0
            line.append(mark * (cells - drawn), style=style)
            drawn = cells
        console.print(line.append(f" {figure}"), soft_wrap=True)


def _merge_small(series: Sequence[Series]) -> list[tuple[str, list[Number]]]:
    """Return the first values of series by name; beyond the marks that there are, the smaller ones are one."""
    named: list[tuple[str, list[Number]]] = [(_name(one), [point[0] for point in one.points]) for one in series]
    if len(named) <= len(_MARKS):
        return named
    kept, small = named[: len(_MARKS) - 1], named[len(_MARKS) - 1 :]
    sums: list[Number] = [sum(at) for at in zip(*(numbers for _, numbers in small), strict=True)]
    return [*kept, (f"{len(small)} others", sums)]


def _format_point(values: Sequence[Value], point: Sequence[Number]) -> list[str]:
    return [_format_number(value, number) for value, number in zip(values, point, strict=True)]


def _format_number(value: Value, number: Number) -> str:
    shown = show_number(value, number)
    if value.scale > 1:
        return f"${shown:,.6f}"
    return f"{shown:,.0f}" if shown == int(shown) else f"{shown:,.2f}"


def _format_time(start: datetime, unit: TimeUnit) -> str:
    return start.strftime(_TIME_FORMATS.get(unit, "%Y-%m-%d %H:%M"))


def _format_range(span: TimeRange) -> str:
    return f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}"


def _name(series: Series) -> str:
    return ", ".join(series.labels) or "all"


def _head(value: Value) -> str:
    return _with_aggregation(_HEADS.get(value.of, value.of), value, " ")


def _key(value: Value) -> str:
    return _with_aggregation("cost_usd" if value.of is Measure.USD else value.of, value, "_")


def _with_aggregation(name: str, value: Value, between: str) -> str:
    is_sum = value.aggregation in (Aggregation.SUM, Aggregation.NONE)
    return name if is_sum else f"{name}{between}{value.aggregation}"
