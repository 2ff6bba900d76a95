"""Keys: where they may stand, and that every route but a short list needs one."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from vitrail.domain.errors import MissingCredentials
from vitrail.http_api.access import find_secret
from vitrail.http_api.routes import KEYED_ROUTES, OPEN_ROUTES

ANONYMOUS = {
    "/",
    "/favicon.ico",
    "/docs",
    "/openapi.json",
    "/console",
    "/console/{file:path}",
    "/livez",
    "/readyz",
    "/metrics",
}


def test_t08_only_the_known_routes_need_no_key():
    """T08: whoever opens another route has to change this list."""
    assert {route.path for route in OPEN_ROUTES} == ANONYMOUS


@pytest.mark.parametrize("route", KEYED_ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_t08_every_other_route_refuses_without_a_key(surface, route):
    """T08: walked over the router: 401 without a key, before the body is looked at."""
    answer = await surface.client.request(route.method, route.path.replace("{model_id:path}", "fake-vision-1"))
    assert answer.status_code == 401
    assert answer.content == route.refuse(MissingCredentials()).body


@pytest.mark.parametrize("route", KEYED_ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_wrong_key_is_400_with_the_key_masked(surface, route):
    """The recorded answer: 400, first and last two characters."""
    path = route.path.replace("{model_id:path}", "fake-vision-1")
    answer = await surface.client.request(route.method, path, headers={"authorization": "Bearer invalid-key"})
    assert answer.status_code == 400
    assert "Incorrect API key provided: in***ey." in answer.text


async def test_t05_a_key_in_the_query_string_is_no_key(surface):
    """T05: 401, and the key is in no log line."""
    answer = await surface.client.get("/v1/models", params={"api_key": surface.secret, "key": surface.secret})
    assert answer.status_code == 401
    assert surface.secret not in repr(surface.log.events)


async def test_t06_an_odd_key_is_refused_as_any_other(surface):
    """T06: long keys and SQL in keys are wrong keys."""
    for secret in ("x" * 8192, "' OR pg_sleep(8)--"):
        answer = await surface.client.get("/v1/models", headers={"x-api-key": secret})
        assert answer.status_code == 400


async def test_a_blocked_key_is_403(surface):
    """A blocked key may do nothing."""
    key = surface.keyring.create(name="blocked")
    surface.keyring.block(key.key.id)
    answer = await surface.client.get("/v1/models", headers={"authorization": f"Bearer {key.secret}"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"x-api-key": "abc"}, "abc"),
        ({"authorization": "Basic dTpw", "x-api-key": "abc"}, "abc"),
        ({"authorization": "Bearer one", "x-api-key": "two"}, "one"),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "abc"}, None),
        ({}, None),
    ],
)
def test_where_a_key_is_found(headers, secret):
    """Authorization goes first, then X-Api-Key, as the Anthropic SDK sends it."""
    assert find_secret(Headers(headers)) == secret
