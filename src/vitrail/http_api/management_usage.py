"""`POST /management/v1/billing/teams/{team_id}/usage`: what a team used, as dense series in the API's JSON."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.usage import Dimension, UsageQuery, UsageReport, Value, show_number
from vitrail.domain.usage_names import parse_dimension, parse_filter, parse_range, parse_unit, parse_value
from vitrail.http_api.exchange import ManagedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.management_values import render_instant

_ASKED = "analyticsRequest"
_MOST_VALUES = 20
_MOST_FILTERS = 40
# Enums may be sent as the numbers that they have in protobuf.
_UNITS = ("invalid", "month", "calendar_week", "day", "hour", "quarter_hour", "minute", "second", "none")
_AGGREGATIONS = (
    *("none", "sum", "avg", "var", "std", "min", "max", "p50", "p90", "p99", "p999", "count", "count_distinct"),
)


class TimeRangeAsked(Struct, rename="camel"):
    """From and before which time, as clocks in the zone show it."""

    start_time: Annotated[str, Meta(description="YYYY-MM-DD HH:MM:SS")]
    end_time: Annotated[str, Meta(description="YYYY-MM-DD HH:MM:SS, not part of the range.")]
    timezone: Annotated[str, Meta(description="IANA name; empty is UTC.")] = ""


class ValueAsked(Struct, rename="camel"):
    """A number of each data point."""

    name: Annotated[str, Meta(description="`usd`, `tokens`, `requests`, `images` or a field to count.")]
    aggregation: Annotated[str | int, Meta(description="`AGGREGATION_SUM` and others; none is the sum.")] = "none"


class AnalyticsRequest(Struct, rename="camel"):
    """What is asked; filters are all to hold."""

    time_range: TimeRangeAsked
    time_unit: Annotated[str | int, Meta(description="`TIME_UNIT_DAY` and others.")]
    values: list[ValueAsked]
    group_by: list[str] | None = None
    filters: Annotated[list[str], Meta(description="`[NOT] field:[op]value`")] | None = None


class UsageAsked(Struct, rename="camel"):
    """The body of a usage query."""

    analytics_request: AnalyticsRequest


class DataPoint(Struct, rename="camel"):
    """The values of one bucket, in the order in which they were asked."""

    timestamp: Annotated[str, Meta(description="When the bucket begins, UTC.")]
    values: list[float]


class TimeSeries(Struct, rename="camel"):
    """One group: its names, what people call them, and a data point for every bucket of the range."""

    group: list[str]
    group_labels: list[str]
    data_points: list[DataPoint]


class UsageAnswer(Struct, rename="camel"):
    """All series, that of the largest first value first; `limitReached` where smaller ones were left out."""

    time_series: list[TimeSeries]
    limit_reached: bool


async def query_usage(managed: ManagedExchange) -> Response:
    """Show what a team used over time, by model, API key, token type, endpoint, address or status."""
    query = parse_usage(await managed.read_body(UsageAsked), team_id=managed.team.id)
    report = await asyncio.to_thread(managed.management.usage.query, query)
    return render_json(await asyncio.to_thread(render_usage, report))


def parse_usage(body: UsageAsked, *, team_id: str) -> UsageQuery:
    """Parse a query about one team; raises InvalidArgument with the place of what has no meaning."""
    asked = body.analytics_request
    span = asked.time_range
    filters = asked.filters or []
    if len(filters) > _MOST_FILTERS:
        raise InvalidArgument(f"There are more than {_MOST_FILTERS} filters.", where=f"{_ASKED}.filters")
    return UsageQuery(
        range=parse_range(span.start_time, span.end_time, span.timezone, where=f"{_ASKED}.timeRange."),
        unit=parse_unit(_name(asked.time_unit, _UNITS), where=f"{_ASKED}.timeUnit"),
        values=_parse_values(asked.values),
        group_by=_parse_group_by(asked.group_by or []),
        conditions=tuple(
            parse_filter(text, where=f"{_ASKED}.filters[{number}]") for number, text in enumerate(filters)
        ),
        team_id=team_id,
    )


def render_usage(report: UsageReport) -> UsageAnswer:
    """Return a report as JSON's Structs."""
    times = [render_instant(start) for start in report.starts]
    return UsageAnswer(
        time_series=[
            TimeSeries(
                group=list(series.group),
                group_labels=list(series.labels),
                data_points=[
                    DataPoint(time, [show_number(v, n) for v, n in zip(report.values, point, strict=True)])
                    for time, point in zip(times, series.points, strict=True)
                ],
            )
            for series in report.series
        ],
        limit_reached=report.limit_reached,
    )


def _parse_values(asked: list[ValueAsked]) -> tuple[Value, ...]:
    if not 0 < len(asked) <= _MOST_VALUES:
        raise InvalidArgument(f"A query asks for 1 to {_MOST_VALUES} values.", where=f"{_ASKED}.values")
    return tuple(
        parse_value(value.name, _name(value.aggregation, _AGGREGATIONS), where=f"{_ASKED}.values[{number}]")
        for number, value in enumerate(asked)
    )


def _parse_group_by(asked: list[str]) -> tuple[Dimension, ...]:
    names = tuple(parse_dimension(name, where=f"{_ASKED}.groupBy[{n}]") for n, name in enumerate(asked))
    if len(set(names)) < len(names):
        raise InvalidArgument("A field is named twice.", where=f"{_ASKED}.groupBy")
    return names


def _name(value: str | int, names: tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    return names[value] if 0 <= value < len(names) else str(value)
