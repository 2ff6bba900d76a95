"""The OpenAPI document says what the router does, and the page that shows it needs nothing else."""

from __future__ import annotations

import re

from vitrail.http_api.management_routes import MANAGEMENT_ROUTES
from vitrail.http_api.routes import KEYED_ROUTES, OPEN_ROUTES


def references(value) -> set[str]:
    """Return every `$ref` inside."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(inner) for inner in value.values()))
    return set().union(*(references(inner) for inner in value)) if isinstance(value, list) else set()


async def test_the_document_has_every_route_and_no_other(surface):
    """Methods and paths are those of the table."""
    paths = (await surface.client.get("/openapi.json")).json()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    table = {(r.method, re.sub(r":\w+}", "}", r.path)) for r in (*KEYED_ROUTES, *MANAGEMENT_ROUTES, *OPEN_ROUTES)}
    assert documented == table


async def test_every_reference_has_its_schema(surface):
    """No `$ref` leads nowhere, and operation ids are unique."""
    document = (await surface.client.get("/openapi.json")).json()
    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert names <= set(document["components"]["schemas"])
    ids = [what["operationId"] for methods in document["paths"].values() for what in methods.values()]
    assert len(ids) == len(set(ids))


async def test_keyed_routes_show_their_refusals(surface):
    """A route that takes a chat body lists every status it may refuse with."""
    chat = (await surface.client.get("/openapi.json")).json()["paths"]["/v1/chat/completions"]["post"]
    assert sorted(map(int, chat["responses"])) == [200, 400, 401, 403, 404, 405, 408, 412, 413, 415, 422, 429, 500, 503]
    assert chat["security"] == [{"bearer": []}, {"header": []}]


async def test_each_item_of_an_input_has_its_shape(surface):
    """What `POST /v1/responses` decodes item by item is shown as the union that it is, and its types are named."""
    schemas = (await surface.client.get("/openapi.json")).json()["components"]["schemas"]
    text, items = schemas["ResponsesRequest"]["properties"]["input"]["anyOf"]
    assert text == {"type": "string"}
    names = [item["$ref"].removeprefix("#/components/schemas/") for item in items["items"]["anyOf"]]
    types = [schemas[name]["properties"]["type"]["enum"] for name in names]
    assert types == [["message"], ["function_call"], ["function_call_output"], ["reasoning"]]


async def test_a_paged_list_shows_how_to_ask_for_a_page(surface):
    """`pageSize` and `paginationToken` stand in the document where they are read, and nowhere else."""
    paths = (await surface.client.get("/openapi.json")).json()["paths"]
    queries = {
        f"{method.upper()} {path}": [p["name"] for p in what.get("parameters", []) if p["in"] == "query"]
        for path, methods in paths.items()
        for method, what in methods.items()
    }
    paged = ("/management/auth/teams/{team_id}/api-keys", "/management/v1/billing/teams/{team_id}/prepaid/balance")
    pages = {f"GET {path}": ["pageSize", "paginationToken"] for path in paged}
    assert {name: asked for name, asked in queries.items() if asked} == pages


async def test_the_consoles_statuses_are_documented(surface):
    """Its address leads on to its files; a file may be missing, or be the one that the browser has."""
    document = (await surface.client.get("/openapi.json")).json()
    address, file = (document["paths"][path]["get"]["responses"] for path in ("/console", "/console/{file}"))
    page = await surface.client.get("/console/index.html")
    known = {"if-none-match": page.headers["etag"]}
    again = await surface.client.get("/console/index.html", headers=known)
    missing = await surface.client.get("/console/nothing.html")
    led = await surface.client.get("/console", follow_redirects=False)
    assert (page.status_code, again.status_code, missing.status_code, led.status_code) == (200, 304, 404, 307)
    assert {"200", "304", "404"} < file.keys()
    assert "307" in address and "200" not in address


async def test_an_image_url_is_documented_as_a_string(surface):
    """What is decoded as a raw view is still shown as what clients send."""
    schemas = (await surface.client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["ImageUrl"]["properties"]["url"]["type"] == "string"


async def test_the_docs_page_needs_nothing_from_elsewhere(surface):
    """One page without a CDN: all that it loads is on this server."""
    answer = await surface.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_root_says_where_to_go(surface):
    """Whoever opens the server's address learns where the API and its documentation are."""
    root = (await surface.client.get("/")).json()
    assert root["base_url"] == "/v1"
    assert (await surface.client.get(root["docs"])).status_code == 200
    assert (await surface.client.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"
