"""`vitrail usage`: what was used, as a table, as bars in the terminal or as JSON, out of the database of a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from vitrail.cli.database import opened_database
from vitrail.cli.options import AsJson, ConfigFile, DataDir
from vitrail.cli.tables import open_stdout
from vitrail.cli.usage_view import build_table, draw_bars, render_rows
from vitrail.domain.usage import TimeRange, TimeUnit, UsageQuery, Value
from vitrail.domain.usage_names import parse_dimension, parse_filter, parse_range, parse_unit, parse_value, parse_zone
from vitrail.service.teams import Teams
from vitrail.service.usage import Usage

T = TypeVar("T")

_SHOWN_DAYS = 30


def usage(
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="model, api-key, token-type, endpoint, ip, team or status; more with commas."),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", help="minute, quarter-hour, hour, day, week, month; none for the whole range.")
    ] = "none",
    values: Annotated[
        list[str] | None,
        typer.Option("--values", help="cost, tokens, requests, images; tokens:p90 and so on for another number."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="2026-11-01 or 2026-11-01T12:00:00; 30 days before the end when not given."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Not part of the range; else tomorrow.")
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Whose days and hours, such as Europe/Berlin.")] = "UTC",
    team: Annotated[str | None, typer.Option("--team", help="Name or id; all teams when not given.")] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="Such as model:facts-1 or tokens:>1000; may be repeated.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the first value as bars.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what was used: cost, tokens and requests over time, by whom and for what."""
    query = UsageQuery(
        range=_parse_span(from_, to, timezone),
        unit=parse_unit(unit, where="--unit"),
        values=tuple(_parse_value(text) for text in _split(values) or ["cost", "tokens", "requests"]),
        group_by=_once(parse_dimension(text, where="--by") for text in _split(by)),
        conditions=tuple(parse_filter(text, where="--filter") for text in filters or ()),
    )
    with opened_database(data_dir, config) as (database, settings):
        if team is not None:
            query = replace(query, team_id=Teams(database).find(team).id)
        answers = Usage(database, settings.usage)
        report = answers.query(query)
        total = answers.query(replace(query, unit=TimeUnit.NONE, group_by=()))
    if as_json:
        print(json.dumps(render_rows(query, report, total)))
        return
    console = open_stdout()
    if plot:
        draw_bars(Console(), query, report)
    else:
        console.print(build_table(query, report, total))
    if report.limit_reached:
        console.print("There are more groups; these are the largest.")


def _parse_value(text: str) -> Value:
    name, _, aggregation = text.partition(":")
    return parse_value(name, aggregation or "sum", where="--values")


def _parse_span(start: str | None, end: str | None, timezone: str) -> TimeRange:
    """Parse a range; without a start it is 30 days long with today, and without an end today is the last."""
    now = datetime.now(parse_zone(timezone, where="--timezone"))
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(days=1)
    span = parse_range(
        _whole_time(start or "2000-01-01"), _whole_time(end or f"{tomorrow:%Y-%m-%d}"), timezone, where=""
    )
    return span if start else replace(span, start=span.end - timedelta(days=_SHOWN_DAYS))


def _whole_time(text: str) -> str:
    """Return a time as the API writes it; a day is its midnight."""
    text = text.replace("T", " ")
    return f"{text} 00:00:00" if len(text) == len("2026-11-01") else text


def _split(texts: Sequence[str] | None) -> list[str]:
    return [part.strip() for text in texts or () for part in text.split(",") if part.strip()]


def _once(names: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(names))
