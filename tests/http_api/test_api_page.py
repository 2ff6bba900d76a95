"""docs/api.md says of every field what the routes really do with it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from vitrail.http_api.routes import KEYED_ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
TEXT_TABLES = [
    "POST /v1/chat/completions",
    "POST /v1/responses",
    "POST /v1/messages",
    "POST /v1/completions",
    "POST /v1/complete",
]
TABLES = [*TEXT_TABLES, "POST /v1/images/generations"]
CHECKED_BUT_IGNORED = {"POST /v1/chat/completions": {"logit_bias"}}


def fields_of(route: str) -> dict[str, str]:
    """Return the fields of a section's table with their states."""
    section = PAGE.split(f"\n## {route}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, flags=re.MULTILINE))


@pytest.mark.parametrize("route", TABLES)
def test_the_table_names_every_field_that_is_read(route):
    """What works or is refused is a field of the body's Struct, and every field of it is in the table."""
    body = next(r.body for r in KEYED_ROUTES if f"{r.method} {r.path}" == route)
    read = {name for name, state in fields_of(route).items() if state in ("works", "refused")}
    assert read | CHECKED_BUT_IGNORED.get(route, set()) == {field.encode_name for field in msgspec.structs.fields(body)}


@pytest.mark.parametrize("route", TABLES)
def test_a_state_is_one_of_three(route):
    """The page's own words."""
    assert set(fields_of(route).values()) <= {"works", "ignored", "refused"}


def test_every_route_is_on_the_page():
    """The table of routes is that of the router."""
    named = set(re.findall(r"`((?:GET|POST|DELETE) /v1/[^`]+)`", PAGE.split("\n## ")[0]))
    assert named == {f"{r.method} {re.sub(r':path}', '}', r.path)}" for r in KEYED_ROUTES}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/responses", {"input": "x"}, {"background": True}),
        ("/v1/responses", {"input": "x"}, {"conversation": "c"}),
        ("/v1/responses", {"input": "x"}, {"prompt": {"id": "p"}}),
        ("/v1/completions", {"prompt": "x"}, {"suffix": "s"}),
        ("/v1/completions", {"prompt": "x"}, {"best_of": 3}),
        ("/v1/complete", {"prompt": "x", "max_tokens_to_sample": 1}, {"stream": True}),
    ],
)
async def test_what_is_said_to_be_refused_is_refused(surface, path, body, field):
    """And the same request without the field is answered."""
    plain = {"model": "fake-vision-1", **body}
    assert (await surface.client.post(path, json={**plain, **field}, headers=surface.key)).status_code == 400
    assert (await surface.client.post(path, json=plain, headers=surface.key)).status_code == 200


@pytest.mark.parametrize("route", TEXT_TABLES)
async def test_what_is_said_to_be_ignored_has_no_effect(surface, route):
    """Any value of an ignored field leaves status and prompt as they were."""
    bodies = {
        "POST /v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
        "POST /v1/responses": {"input": "x"},
        "POST /v1/messages": {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1},
        "POST /v1/completions": {"prompt": "x"},
        "POST /v1/complete": {"prompt": "x", "max_tokens_to_sample": 1},
    }
    ignored = [name for name, state in fields_of(route).items() if state == "ignored"]
    values = {name: {} if name == "logit_bias" else ["anything", 1] for name in ignored}
    body = {"model": "fake-vision-1", **bodies[route], **values}
    answer = await surface.client.post(route.removeprefix("POST "), json=body, headers=surface.key)
    assert answer.status_code == 200
    assert surface.engine.prompts[0].messages[0].text == "x"
