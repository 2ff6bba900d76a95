"""The routes for tests are not there where no model is scripted."""

from __future__ import annotations

from vitrail.http_api.routes import SCRIPTED_ROUTES


async def test_a_server_without_a_scripted_model_has_no_such_route(surface):
    """Neither the table nor the OpenAPI document knows them."""
    for route in SCRIPTED_ROUTES:
        answer = await surface.client.request(route.method, route.path, headers=surface.key)
        assert answer.status_code == 404
    assert "/scripted" not in (await surface.client.get("/openapi.json")).text
