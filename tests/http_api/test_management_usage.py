"""The usage query of the management API: real requests are asked about in the real API's shapes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

RANGE = {
    "startTime": (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%d 00:00:00"),
    "endTime": (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d 00:00:00"),
    "timezone": "Etc/GMT",
}
SUM = "AGGREGATION_SUM"


@pytest.fixture
async def team_id(surface) -> str:
    """A team that has asked two questions of four and eight words."""
    team = surface.services.management.teams.create(f"team {datetime.now(UTC).timestamp()}")
    secret = surface.keyring.create(name="ci", team=team.id).secret
    for text in ("one two three four", "one two three four five six seven eight"):
        body = {"model": "fake-vision-1", "messages": [{"role": "user", "content": text}]}
        headers = {"authorization": f"Bearer {secret}"}
        answer = await surface.client.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200
    return team.id


async def ask(surface: Any, team_id: str, **asked: Any) -> httpx2.Response:
    """Ask about a team's usage as an operator."""
    secret = surface.services.management.keys.create(name="op").secret
    query = {"timeRange": RANGE, "timeUnit": "TIME_UNIT_DAY", "values": [{"name": "usd", "aggregation": SUM}], **asked}
    return await surface.client.post(
        f"/management/v1/billing/teams/{team_id}/usage",
        json={"analyticsRequest": query},
        headers={"authorization": f"Bearer {secret}"},
    )


async def test_series_of_days_are_dense(surface, team_id):
    """Three days have three data points each, of which the last holds what was used today."""
    values = [{"name": "tokens", "aggregation": SUM}, {"name": "requests", "aggregation": "AGGREGATION_COUNT"}]
    answer = (await ask(surface, team_id, values=values, groupBy=["description", "apiKeyId"])).json()
    (series,) = answer["timeSeries"]
    assert answer["limitReached"] is False
    assert series["group"][0] == "fake-vision-1"
    assert series["groupLabels"] == ["fake-vision-1", "ci"]
    times, points = zip(*((p["timestamp"], p["values"]) for p in series["dataPoints"]), strict=True)
    assert times[0] == f"{RANGE['startTime'][:10]}T00:00:00Z"
    assert (len(points), points[0], points[1]) == (3, [0, 0], [0, 0])
    assert points[2] == [4 + 8 + 2 + 2, 2]


async def test_cost_is_in_usd_and_enums_may_be_numbers(surface, team_id):
    """`usd` is the prices' USD; 8 is TIME_UNIT_NONE and 1 AGGREGATION_SUM."""
    answer = await ask(surface, team_id, timeUnit=8, values=[{"name": "usd", "aggregation": 1}])
    (series,) = answer.json()["timeSeries"]
    (point,) = series["dataPoints"]
    assert series["group"] == []
    assert point["values"] == [pytest.approx((12 * 20000 + 4 * 100000) / 10**10)]


async def test_filters_and_token_types(surface, team_id):
    """Filters are all to hold; each token type is a series, the largest first."""
    values = [{"name": "tokens"}]
    types = await ask(surface, team_id, timeUnit="NONE", values=values, groupBy=["tokenType"])
    found = {s["group"][0]: s["dataPoints"][0]["values"][0] for s in types.json()["timeSeries"]}
    assert list(found.items()) == [("prompt_text", 12), ("completion", 4)]
    some = await ask(surface, team_id, timeUnit="NONE", values=values, filters=["model:fake-vision-1", "tokens:>6"])
    none = await ask(surface, team_id, timeUnit="NONE", values=values, filters=["NOT model:fake-vision-1"])
    assert some.json()["timeSeries"][0]["dataPoints"][0]["values"] == [10]
    assert none.json()["timeSeries"][0]["dataPoints"][0]["values"] == [0]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"timeUnit": "TIME_UNIT_DECADE"}, "analyticsRequest.timeUnit"),
        ({"timeUnit": 0}, "analyticsRequest.timeUnit"),
        ({"timeUnit": 99}, "analyticsRequest.timeUnit"),
        ({"values": []}, "1 to 20 values"),
        ({"values": [{"name": "speed", "aggregation": SUM}]}, "analyticsRequest.values[0]"),
        ({"values": [{"name": "usd", "aggregation": "MEDIAN"}]}, "analyticsRequest.values[0]"),
        ({"groupBy": ["model", "colour"]}, "analyticsRequest.groupBy[1]"),
        ({"groupBy": ["model", "description"]}, "named twice"),
        ({"filters": ["model:a", "colour:red"]}, "analyticsRequest.filters[1]"),
        ({"filters": ["model:~a"]}, "=, != or in"),
        ({"filters": ["model:a"] * 41}, "more than 40 filters"),
        ({"timeRange": {**RANGE, "timezone": "Mars/Olympus"}}, "analyticsRequest.timeRange.timezone"),
        ({"timeRange": {**RANGE, "endTime": RANGE["startTime"]}}, "analyticsRequest.timeRange.endTime"),
        ({"timeUnit": "SECOND"}, "more than 100,000 data points"),
    ],
)
async def test_what_has_no_meaning_is_refused_with_its_place(surface, team_id, asked, says):
    """400 names the place in the request, and what was wrong."""
    answer = await ask(surface, team_id, **asked)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


async def test_the_request_of_the_page_is_answered(surface, team_id):
    """The body that docs/usage.md sends is one that the route takes."""
    page = (Path(__file__).parents[2] / "docs" / "usage.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"-d '(.*?)'\n```", page, re.DOTALL)
    assert (await ask(surface, team_id, **json.loads(body)["analyticsRequest"])).status_code == 200


async def test_another_shape_is_refused(surface, team_id):
    """422 names the path of what is missing or of another type."""
    answer = await ask(surface, team_id, timeRange={"startTime": "2025-01-01 00:00:00"})
    assert answer.status_code == 422
    assert "analyticsRequest.timeRange: missing field `endTime`" in answer.json()["error"]


async def test_a_team_asks_about_itself_alone(surface, team_id):
    """A team's own management key reads its usage, and finds no other team."""
    management = surface.services.management
    other = management.teams.create(f"other {datetime.now(UTC).timestamp()}")
    headers = {"authorization": f"Bearer {management.keys.create(name='own', team=other.id).secret}"}
    body = {"analyticsRequest": {"timeRange": RANGE, "timeUnit": "NONE", "values": [{"name": "requests"}]}}
    path = "/management/v1/billing/teams/{}/usage"
    theirs = await surface.client.post(path.format(team_id), json=body, headers=headers)
    own = await surface.client.post(path.format(other.id), json=body, headers=headers)
    assert theirs.status_code == 404
    assert own.json()["timeSeries"][0]["dataPoints"][0]["values"] == [0]
