"""Measure usage queries over a month of completions against a fold of every row in Python, as ratios in one run.

    python -m bench.usage [--rows 1000000] [--rounds 3] [--url postgresql+psycopg://...]

Both read the same table with the same index and give the same sums, which is checked. The naive fold reads the columns
that it needs of every row and adds them up by the day that a zone's calendar shows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, insert, select

from vitrail.domain.usage import Aggregation, Dimension, Measure, TimeRange, TimeUnit, UsageQuery, Value
from vitrail.service.usage import Usage, UsageOptions
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions, teams

_BATCH = 20_000
_TEAM = "bench-usage"
_ZONE = ZoneInfo("Europe/Berlin")
_START, _END = datetime(2025, 10, 1), datetime(2025, 11, 1)  # a day of it has 25 hours
_COST, _TOKENS = Value(Measure.USD, Aggregation.SUM), Value(Measure.TOKENS, Aggregation.SUM)
_REQUESTS = Value(Measure.REQUESTS, Aggregation.SUM)
_PLAIN = (_COST, _TOKENS, _REQUESTS)
_QUERIES = {
    "cost, tokens, requests by model and day": (_PLAIN, (Dimension.MODEL,), TimeUnit.DAY),
    "the same by API key and day": (_PLAIN, (Dimension.API_KEY,), TimeUnit.DAY),
    "the same by token type and day": (_PLAIN, (Dimension.TOKEN_TYPE,), TimeUnit.DAY),
    "cost of the month": ((_COST,), (), TimeUnit.NONE),
    "99th percentile of tokens by model and day": (
        (Value(Measure.TOKENS, Aggregation.P99),),
        (Dimension.MODEL,),
        TimeUnit.DAY,
    ),
}


def main() -> None:
    """Fill a database, measure every query and the naive fold in turns, and print the ratios."""
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--rows", type=int, default=1_000_000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--url", default="", help="not a new SQLite file; its rows of the bench are removed")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(DatabaseOptions(url=asked.url), data_dir=Path(folder))
        try:
            database.run(lambda connection: _fill(connection, asked.rows))
            _measure(database, asked.rounds, asked.rows)
        finally:
            database.run(_empty)
            database.close()


def _measure(database: Database, rounds: int, rows: int) -> None:
    usage = Usage(database, UsageOptions(rows=max(200_000, rows)))
    span = TimeRange(_START, _END, _ZONE)
    queries = {name: UsageQuery(span, unit, values, by, team_id=_TEAM) for name, (values, by, unit) in _QUERIES.items()}
    first = next(iter(queries.values()))
    assert _sums(usage, first) == database.run_read(_fold), "the sums differ"
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        times["naive"].append(_seconds(lambda: database.run_read(_fold)))
        for name, query in queries.items():
            times[name].append(_seconds(lambda query=query: usage.query(query)))  # type: ignore[misc]
    naive = statistics.median(times.pop("naive"))
    print(f"{rows:,} rows; naive fold by model and day {naive:.2f} s; medians of {rounds}")
    for name, seconds in times.items():
        took = statistics.median(seconds)
        print(f"{name:<45} {took:6.2f} s   {naive / took:5.1f} x naive fold")


def _sums(usage: Usage, query: UsageQuery) -> dict[tuple[str, str], tuple[int, int, int]]:
    report = usage.query(query)
    return {
        (series.group[0], start.date().isoformat()): (int(point[0]), int(point[1]), int(point[2]))
        for series in report.series
        for start, point in zip(report.starts, series.points, strict=True)
    }


def _fold(connection: Connection) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Return cost, tokens and requests by model and day, added up row by row."""
    c = completions.c
    start_ms, end_ms = (int(at.replace(tzinfo=_ZONE).timestamp() * 1000) for at in (_START, _END))
    statement = select(
        c.model, c.created_at_ms, c.cost_ticks, c.text_tokens, c.image_tokens, c.completion_tokens, c.reasoning_tokens
    ).where(c.team_id == _TEAM, c.created_at_ms >= start_ms, c.created_at_ms < end_ms)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for model, at_ms, ticks, *tokens in connection.execute(statement.execution_options(yield_per=_BATCH)):
        day = datetime.fromtimestamp(at_ms // 1000, _ZONE).date().isoformat()
        cell = sums[model, day]
        cell[0] += ticks
        cell[1] += sum(tokens)
        cell[2] += 1
    return {key: (cell[0], cell[1], cell[2]) for key, cell in sums.items()}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _fill(connection: Connection, rows: int) -> None:
    connection.execute(insert(teams).values(id=_TEAM, name=_TEAM, blocked=False, created_at_ms=0))
    batch: list[dict[str, Any]] = []
    for row in _draw(rows):
        batch.append(row)
        if len(batch) == _BATCH:
            connection.execute(insert(completions), batch)
            batch = []
    if batch:
        connection.execute(insert(completions), batch)


def _empty(connection: Connection) -> None:
    connection.execute(delete(completions).where(completions.c.team_id == _TEAM))
    connection.execute(delete(teams).where(teams.c.id == _TEAM))


def _draw(rows: int) -> Iterator[dict[str, Any]]:
    """Yield rows over the month in the order in which they would be written."""
    dice = Random(1)
    start_ms = int(_START.replace(tzinfo=UTC).timestamp() * 1000)
    step_ms = 30 * 86_400_000 / rows
    for number in range(rows):
        text, answer, images = dice.randrange(20, 2000), dice.randrange(10, 600), dice.choice((256, 1792))
        cached = dice.choice((0, text // 2))
        ticks = {
            "text_ticks": (text - cached) * 20000,
            "image_ticks": images * 20000,
            "cached_ticks": cached * 5000,
            "completion_ticks": answer * 100000,
        }
        yield {
            "id": f"bench-{number}",
            "request_id": f"r{number}",
            "team_id": _TEAM,
            "api_key_id": f"key-{dice.randrange(50)}",
            "endpoint": "chat",
            "model": f"model-{dice.randrange(5)}",
            "status": "finished",
            "created_at_ms": start_ms + int(number * step_ms),
            "text_tokens": text,
            "image_tokens": images,
            "cached_tokens": cached,
            "completion_tokens": answer,
            "reasoning_tokens": 0,
            "cost_ticks": sum(ticks.values()),
            "client_ip": f"10.0.{dice.randrange(4)}.{dice.randrange(256)}",
            "reasoning_ticks": 0,
            "generated_image_ticks": 0,
            "generated_images": 0,
            **ticks,
        }


if __name__ == "__main__":
    main()
