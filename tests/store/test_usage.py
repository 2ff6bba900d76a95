"""Usage out of real databases: what SQL and buckets add up to is what the completions add up to one by one."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, update

from vitrail.domain.completion import Usage as Counts
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.models import Prices
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement, count_cost, count_images_cost
from vitrail.domain.usage import (
    Aggregation,
    Compares,
    Comparison,
    Condition,
    Dimension,
    IsOneOf,
    Measure,
    TimeRange,
    TimeUnit,
    TokenType,
    UsageQuery,
    UsageReport,
    Value,
)
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.service.usage import Usage, UsageOptions
from vitrail.store.completions import insert_settlements
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.schema import completions, teams

PRICES = Prices(prompt_text=20000, prompt_image=30000, cached_prompt_text=5000, completion_text=100000, image=7)
START, END = datetime(2025, 10, 20), datetime(2025, 11, 5)  # with a night of 25 hours in Berlin
BERLIN = ZoneInfo("Europe/Berlin")
COST = Value(Measure.USD, Aggregation.SUM)
TOKENS = Value(Measure.TOKENS, Aggregation.SUM)
REQUESTS = Value(Measure.REQUESTS, Aggregation.SUM)
IMAGES = Value(Measure.IMAGES, Aggregation.SUM)


def draw_settlements(count: int) -> list[Settlement]:
    """Return completions of two teams over the range and a day around it."""
    dice = random.Random(7)
    span_seconds = int((END - START).total_seconds()) + 2 * 86_400
    return [_draw(dice, number, dice.random() * span_seconds) for number in range(count)]


def _draw(dice: random.Random, number: int, second: float) -> Settlement:
    images = dice.choice((0, 0, 0, 2))
    text = dice.randrange(500)
    counts = (
        Counts(dice.randrange(20), 0)
        if images
        else Counts(
            text_tokens=text,
            image_tokens=dice.choice((0, 256, 1792)),
            cached_tokens=dice.randrange(text + 1),
            completion_tokens=dice.randrange(300),
            reasoning_tokens=dice.choice((0, 0, 50)),
        )
    )
    return Settlement(
        completion_id=f"c{number}",
        request_id=f"r{number}",
        team_id=dice.choice(("team-a", "team-b")),
        api_key_id=dice.choice(("key-1", "key-2", "key-3")),
        endpoint="image" if images else "chat",
        model=dice.choice(("facts-1", "llama", "other")),
        status=dice.choice(tuple(CompletionStatus)),
        at=START.replace(tzinfo=UTC) - timedelta(days=1) + timedelta(seconds=second),
        usage=counts,
        cost=count_images_cost(images, PRICES) if images else count_cost(counts, PRICES),
        client_ip=dice.choice(("10.0.0.1", "2001:db8::1", None)),
        generated_images=images,
    )


def fill(database: Database, settlements: list[Settlement]) -> None:
    def write(connection: Connection) -> None:
        for team in ("team-a", "team-b"):
            connection.execute(insert(teams).values(id=team, name=f"{team} name", blocked=False, created_at_ms=0))
        insert_settlements(connection, settlements)

    database.run(write)


@pytest.fixture
def database(database_url: str, tmp_path: Path) -> Iterator[Database]:
    opened = open_database(DatabaseOptions(url=database_url), data_dir=tmp_path)
    yield opened
    opened.close()


class Filled:
    """Usage over some completions, and these."""

    def __init__(self, usage: Usage, settlements: list[Settlement]) -> None:
        self.usage = usage
        self.settlements = settlements


@pytest.fixture
def filled(database: Database) -> Filled:
    settlements = draw_settlements(250)
    fill(database, settlements)
    return Filled(Usage(database, UsageOptions()), settlements)


def ask(
    *values: Value,
    by: tuple[Dimension, ...] = (),
    unit: TimeUnit = TimeUnit.NONE,
    where: tuple[Condition, ...] = (),
    team: str | None = "team-a",
    zone: ZoneInfo = BERLIN,
) -> UsageQuery:
    return UsageQuery(TimeRange(START, END, zone), unit, values, by, where, team)


def within(settlements: list[Settlement], query: UsageQuery) -> list[Settlement]:
    """Return the completions of a query's team and range, found by other means."""
    start, end = (moment.replace(tzinfo=query.range.zone) for moment in (query.range.start, query.range.end))
    return [
        s
        for s in settlements
        if query.team_id in (None, s.team_id) and start.timestamp() <= s.at.timestamp() < end.timestamp()
    ]


def totals(report: UsageReport) -> dict[tuple[str, ...], tuple[int, ...]]:
    return {s.group: tuple(sum(numbers) for numbers in zip(*s.points, strict=True)) for s in report.series}


PLAIN: dict[Dimension, Callable[[Settlement], str]] = {
    Dimension.MODEL: lambda s: s.model,
    Dimension.API_KEY: lambda s: s.api_key_id,
    Dimension.ENDPOINT: lambda s: s.endpoint,
    Dimension.REQUEST_IP: lambda s: s.client_ip or "",
    Dimension.TEAM: lambda s: s.team_id,
    Dimension.STATUS: lambda s: s.status,
}


@pytest.mark.parametrize("by", [(), *((d,) for d in PLAIN), (Dimension.MODEL, Dimension.REQUEST_IP)])
def test_sums_of_groups_are_those_of_their_completions(filled: Filled, by: tuple[Dimension, ...]) -> None:
    """Cost, tokens, requests and images of every group, for the one team and the range alone."""
    usage, settlements = filled.usage, filled.settlements
    query = ask(COST, TOKENS, REQUESTS, IMAGES, by=by)
    expected: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for s in within(settlements, query):
        numbers = expected[tuple(PLAIN[d](s) for d in by)]
        for at, number in enumerate((s.cost.total_ticks, s.usage.total_tokens, 1, s.generated_images)):
            numbers[at] += number
    assert totals(usage.query(query)) == {group: tuple(numbers) for group, numbers in expected.items()}


def test_token_types_split_what_the_whole_is(filled: Filled) -> None:
    """Cached text is not counted as text too, and the types' cost and tokens are the team's."""
    usage, settlements = filled.usage, filled.settlements
    query = ask(COST, TOKENS, REQUESTS, by=(Dimension.TOKEN_TYPE,))
    found = {group[0]: numbers for group, numbers in totals(usage.query(query)).items()}
    mine = within(settlements, query)
    assert found[TokenType.CACHED_PROMPT_TEXT][:2] == (
        sum(s.cost.cached_ticks for s in mine),
        sum(s.usage.cached_tokens for s in mine),
    )
    assert found[TokenType.PROMPT_TEXT] == (
        sum(s.cost.text_ticks for s in mine),
        sum(s.usage.text_tokens - s.usage.cached_tokens for s in mine),
        sum(s.usage.text_tokens > s.usage.cached_tokens for s in mine),
    )
    assert found[TokenType.GENERATED_IMAGE][2] == sum(s.generated_images > 0 for s in mine)
    assert TokenType.UNSPLIT not in found
    whole = totals(usage.query(ask(COST, TOKENS)))[()]
    assert tuple(sum(numbers[at] for numbers in found.values()) for at in (0, 1)) == whole


def test_cost_of_old_rows_stands_under_unsplit(database: Database) -> None:
    """A row of before costs were kept by type shows its tokens by type and its cost as unsplit."""
    (settlement,) = draw_settlements(1)
    fill(database, [replace(settlement, team_id="team-a", at=START.replace(tzinfo=UTC))])
    parts = dict.fromkeys(("text_ticks", "image_ticks", "cached_ticks", "completion_ticks", "reasoning_ticks"), 0)
    values = {**parts, "generated_image_ticks": 0, "cost_ticks": 123}
    database.run(lambda c: c.execute(update(completions).values(**values)))
    usage = Usage(database, UsageOptions())
    found = totals(usage.query(ask(COST, TOKENS, by=(Dimension.TOKEN_TYPE,))))
    assert found[(TokenType.UNSPLIT,)] == (123, 0)
    assert sum(cost for cost, _ in found.values()) == 123
    assert sum(tokens for _, tokens in found.values()) == settlement.usage.total_tokens


def test_token_types_that_are_only_filtered_are_one_item_of_a_completion(
    filled: Filled,
) -> None:
    """A request with text and images is one request when both types are asked for."""
    usage, settlements = filled.usage, filled.settlements
    kinds = IsOneOf(Dimension.TOKEN_TYPE, (TokenType.PROMPT_IMAGE, TokenType.COMPLETION))
    query = ask(TOKENS, REQUESTS, where=(kinds,))
    counts = [s.usage.image_tokens + s.usage.completion_tokens for s in within(settlements, query)]
    assert totals(usage.query(query))[()] == (sum(counts), sum(count > 0 for count in counts))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (IsOneOf(Dimension.MODEL, ("facts-1", "llama")), lambda s: s.model in ("facts-1", "llama")),
        (IsOneOf(Dimension.MODEL, ("facts-1",), negated=True), lambda s: s.model != "facts-1"),
        (IsOneOf(Dimension.REQUEST_IP, ("",)), lambda s: s.client_ip is None),
        (IsOneOf(Dimension.REQUEST_IP, ("10.0.0.1",), negated=True), lambda s: s.client_ip != "10.0.0.1"),
        (Compares(Measure.TOKENS, Comparison.AT_LEAST, 900), lambda s: s.usage.total_tokens >= 900),
        (Compares(Measure.USD, Comparison.UNDER, 10**7), lambda s: s.cost.total_ticks < 10**7),
        (Compares(Measure.IMAGES, Comparison.EQUAL, 2), lambda s: s.generated_images == 2),
    ],
)
def test_filters_let_through_what_they_say(
    filled: Filled, condition: Condition, holds: Callable[[Settlement], bool]
) -> None:
    """What a filter names is what is added up, and some is left out."""
    usage, settlements = filled.usage, filled.settlements
    query = ask(REQUESTS, COST, where=(condition,))
    mine = within(settlements, query)
    kept = [s for s in mine if holds(s)]
    assert 0 < len(kept) < len(mine)
    assert totals(usage.query(query))[()] == (len(kept), sum(s.cost.total_ticks for s in kept))


def test_filter_of_numbers_with_token_types_is_about_each_type(filled: Filled) -> None:
    """With groups of token types, `tokens:>=200` is asked of every type's own count."""
    usage, settlements = filled.usage, filled.settlements
    query = ask(
        TOKENS, REQUESTS, by=(Dimension.TOKEN_TYPE,), where=(Compares(Measure.TOKENS, Comparison.AT_LEAST, 200),)
    )
    counts = [n for s in within(settlements, query) if (n := s.usage.completion_tokens) >= 200]
    assert totals(usage.query(query))[(TokenType.COMPLETION,)] == (sum(counts), len(counts))


def test_numbers_of_one_bucket_are_those_of_its_completions(filled: Filled) -> None:
    """Average, least, most, percentiles, count and distinct names."""
    usage, settlements = filled.usage, filled.settlements
    asked = [
        Value(Measure.TOKENS, a)
        for a in (Aggregation.AVG, Aggregation.MIN, Aggregation.MAX, Aggregation.P50, Aggregation.COUNT)
    ]
    query = ask(*asked, Value(Dimension.API_KEY, Aggregation.COUNT_DISTINCT))
    counts = sorted(s.usage.total_tokens for s in within(settlements, query))
    (series,) = usage.query(query).series
    average, *rest = series.points[0]
    assert average * len(counts) == sum(counts)
    assert rest == [counts[0], counts[-1], counts[(len(counts) + 1) // 2 - 1], len(counts), 3]


@example(unit=TimeUnit.MINUTE, zone="Asia/Kathmandu", by=())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    unit=st.sampled_from([u for u in TimeUnit if u not in (TimeUnit.SECOND, TimeUnit.MINUTE)]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    by=st.lists(st.sampled_from(Dimension), unique=True, max_size=2).map(tuple),
)
def test_buckets_add_up_to_the_whole_whatever_the_zone_and_unit(
    filled: Filled, unit: TimeUnit, zone: str, by: tuple[Dimension, ...]
) -> None:
    """No completion is lost between buckets or counted in two."""
    usage, settlements = filled.usage, filled.settlements
    query = ask(COST, TOKENS, by=by, unit=unit, zone=ZoneInfo(zone))
    report = usage.query(query)
    assert all(len(series.points) == len(report.starts) for series in report.series)
    assert not report.limit_reached
    mine = within(settlements, query)
    found = totals(report).values()
    assert sum(cost for cost, _ in found) == sum(s.cost.total_ticks for s in mine)
    assert sum(tokens for _, tokens in found) == sum(s.usage.total_tokens for s in mine)


def test_days_are_those_of_the_zone(filled: Filled) -> None:
    """Each completion is in the day that a calendar in Berlin showed, also around the night of 25 hours."""
    usage, settlements = filled.usage, filled.settlements
    query = ask(REQUESTS, unit=TimeUnit.DAY)
    report = usage.query(query)
    expected: dict[object, int] = defaultdict(int)
    for s in within(settlements, query):
        expected[s.at.astimezone(BERLIN).date()] += 1
    (series,) = report.series
    assert [start.date() for start in report.starts] == [(START + timedelta(days=d)).date() for d in range(16)]
    assert [point[0] for point in series.points] == [expected[start.date()] for start in report.starts]


def test_labels_are_the_names_of_keys_and_teams(database: Database) -> None:
    """A key is labelled with its name, a deleted one with its id, a missing address as unknown."""
    key = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="ci").key
    (one,) = draw_settlements(1)
    one = replace(one, at=START.replace(tzinfo=UTC), client_ip=None, team_id="team-a", cost=Cost(text_ticks=5))
    gone = replace(one, completion_id="c1", api_key_id="gone", cost=Cost(text_ticks=3))
    fill(database, [replace(one, api_key_id=key.id), gone])
    report = Usage(database, UsageOptions()).query(
        ask(COST, by=(Dimension.API_KEY, Dimension.TEAM, Dimension.REQUEST_IP))
    )
    assert [s.labels for s in report.series] == [("ci", "team-a name", "unknown"), ("gone", "team-a name", "unknown")]
    assert [s.group for s in report.series] == [(key.id, "team-a", ""), ("gone", "team-a", "")]


def test_largest_series_are_kept_where_there_are_too_many_points(database: Database) -> None:
    """Beyond the limit of points the smaller series are left out, and the answer says so."""
    fill(database, draw_settlements(150))
    whole = Usage(database, UsageOptions()).query(ask(COST, by=(Dimension.API_KEY,), unit=TimeUnit.DAY))
    cut = Usage(database, UsageOptions(points=40)).query(ask(COST, by=(Dimension.API_KEY,), unit=TimeUnit.DAY))
    assert (len(whole.series), whole.limit_reached) == (3, False)
    assert cut.limit_reached
    assert cut.series == whole.series[:2]
    first = [sum(point[0] for point in series.points) for series in whole.series]
    assert first == sorted(first, reverse=True)


@pytest.mark.parametrize("value", [COST, Value(Measure.TOKENS, Aggregation.P99)])
def test_too_many_rows_are_refused_and_not_cut(database: Database, value: Value) -> None:
    """What would take more rows than allowed is an error, never a wrong sum."""
    fill(database, draw_settlements(150))
    with pytest.raises(InvalidArgument, match=r"more than 50 rows.*shorter range"):
        Usage(database, UsageOptions(rows=50)).query(ask(value, unit=TimeUnit.HOUR))


def test_range_of_too_many_points_is_refused(database: Database) -> None:
    """A year of seconds is refused before the database is asked."""
    with pytest.raises(InvalidArgument, match="more than 1,000 data points"):
        Usage(database, UsageOptions(points=1000)).query(ask(COST, unit=TimeUnit.SECOND))


def test_nothing_used_is_one_series_of_zeros(database: Database) -> None:
    """Without groups there is a series even where nothing was used; with groups there is none."""
    usage = Usage(database, UsageOptions())
    (series,) = usage.query(ask(COST, Value(Measure.TOKENS, Aggregation.P50), unit=TimeUnit.DAY)).series
    assert set(series.points) == {(0, 0)}
    assert usage.query(ask(COST, by=(Dimension.MODEL,))).series == ()


def test_token_types_that_exclude_each_other_are_nothing(filled: Filled) -> None:
    """Filters that no token type passes give zeros, or no groups."""
    usage = filled.usage
    both = (IsOneOf(Dimension.TOKEN_TYPE, ("completion",)), IsOneOf(Dimension.TOKEN_TYPE, ("reasoning",)))
    assert totals(usage.query(ask(COST, REQUESTS, where=both))) == {(): (0, 0)}
    assert usage.query(ask(COST, by=(Dimension.TOKEN_TYPE,), where=both)).series == ()
    assert usage.query(ask(COST, by=(Dimension.TOKEN_TYPE, Dimension.MODEL), where=both)).series == ()
