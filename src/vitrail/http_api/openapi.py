"""Describe the route table as an OpenAPI 3.1 document; every shape comes from the Structs that the routes use."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

import msgspec

from vitrail import __version__
from vitrail.http_api.deferred import DeferredAccepted
from vitrail.http_api.errors import ErrorBody, render_failure
from vitrail.http_api.route import MOST_ROWS, KeyedRoute, ManagementRoute, OpenRoute, Route
from vitrail.http_api.wire_anthropic import CountedMessages, MessagesRequest
from vitrail.http_api.wire_anthropic_answer import STREAM_EVENTS as MESSAGE_EVENTS
from vitrail.http_api.wire_anthropic_answer import ErrorAnswer
from vitrail.http_api.wire_chat import ChatCompletionRequest
from vitrail.http_api.wire_completion import ChatCompletionChunk
from vitrail.http_api.wire_response import STREAM_EVENTS as RESPONSE_EVENTS
from vitrail.http_api.wire_responses import INPUT_ITEMS, ResponsesRequest
from vitrail.http_api.wire_text import TextCompletion

_REFERENCE = "#/components/schemas/{name}"
_OF_EVERY_ROUTE = {405: "Wrong method.", 500: "Our own fault; the text names the request id."}
_OF_KEYED_ROUTES = {
    400: "A key that does not exist, or an argument that cannot be used.",
    401: "No key was sent.",
    403: "The key may not do that.",
    429: "Too many requests, or no credit left.",
    503: "Busy, draining or down; see Retry-After.",
}
_OF_MANAGEMENT = {
    400: "An argument that cannot be used.",
    401: "No management key, or one that does not exist; an API key is none.",
    403: "The management key may not do that.",
    404: "No such team, model, key or completion, or none that this management key may see.",
    503: "Busy, draining or down; see Retry-After.",
}
_OF_BODIES = {
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "No body, or one that is not application/json.",
    422: "JSON of another shape; the text names the path.",
}
_OF_IMAGES = {412: "A URL did not give a JPEG or PNG."}
_WITH_IMAGES = (ChatCompletionRequest, MessagesRequest, CountedMessages, ResponsesRequest)
_STREAMS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "/v1/chat/completions": (ChatCompletionChunk,),
    "/v1/completions": (TextCompletion,),
    "/v1/messages": MESSAGE_EVENTS,
    "/v1/responses": RESPONSE_EVENTS,
}
_OF_IDS = {404: "No such id, or none that this key may see."}
_OF_MODELS = {404: "No such model, or none that this key may use."}
_OF_FILES = {404: "The console has no such file."}
_OF_DEFERRED = {404: "No such deferred completion, or it was fetched before."}
_PENDING = {"202": {"description": "Not ended yet; the body is empty."}}
_UNCHANGED = {"304": {"description": "The same as `If-None-Match` names."}}
_ELSEWHERE = {"307": {"description": "It is where `Location` leads."}}


@functools.cache
def build_openapi(routes: tuple[Route, ...]) -> bytes:
    """Return the document as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Vitrail",
            "version": __version__,
            "description": "The Grok image-understanding API, served from your own machine.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "managementKey": {"type": "http", "scheme": "bearer", "description": "A management key."},
            },
        },
    }
    return msgspec.json.encode(document)


def _schemas(routes: tuple[Route, ...]) -> dict[str, Any]:
    bodies = [route.body for route in routes if not isinstance(route, OpenRoute) and route.body]
    results = [route.result for route in routes if route.result]
    events = [event for stream in _STREAMS.values() for event in stream]
    types = dict.fromkeys([*bodies, *results, *events, *INPUT_ITEMS, DeferredAccepted, ErrorBody, ErrorAnswer])
    return msgspec.json.schema_components(list(types), ref_template=_REFERENCE)[1]


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.answer.__name__,
        "summary": (inspect.getdoc(route.answer) or "").partition("\n")[0],
        "responses": (_ELSEWHERE if route.path == "/console" else {"200": _success(route)})
        | (_PENDING if _is_deferred(route) else {})
        | (_UNCHANGED if "{file" in route.path else {})
        | {str(status): _refusal(route, why) for status, why in sorted(_refusals(route).items())},
        "security": _security(route),
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if not isinstance(route, OpenRoute) and route.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": _of(route.body)}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"type": "string"}
    names = re.findall(r"{(\w+)", route.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": text} for name in names]
    if isinstance(route, ManagementRoute) and route.is_paged:
        size = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
        parameters.append({"name": "pageSize", "in": "query", "schema": size})
        parameters.append({"name": "paginationToken", "in": "query", "schema": text})
    return parameters


def _success(route: Route) -> dict[str, Any]:
    if isinstance(route, ManagementRoute):
        content = {"application/json": _of(route.result)}
    elif isinstance(route, KeyedRoute):
        content = {"application/json": _of(route.result)}
        if route.body is ChatCompletionRequest and route.path in _STREAMS:
            content["application/json"] = _any_of((route.result, DeferredAccepted))
        if route.path in _STREAMS and route.body:
            content["text/event-stream"] = _any_of(_STREAMS[route.path])
    elif route.result:
        content = {route.media: _of(route.result)}
    else:
        content = {route.media: {}}
    return {"description": "As asked.", "content": content}


def _refusals(route: Route) -> dict[int, str]:
    """Return the statuses that a route may refuse with, and why."""
    refusals = dict(_OF_EVERY_ROUTE)
    if "{file" in route.path:
        refusals |= _OF_FILES
    if route.path == "/readyz":
        refusals |= {503: "Not ready; the body names the parts."}
    if isinstance(route, KeyedRoute):
        refusals |= _OF_KEYED_ROUTES
        refusals |= _OF_BODIES if route.body else {}
        refusals |= _OF_IMAGES if route.body in _WITH_IMAGES else {}
        refusals |= _OF_MODELS if route.body or "{model_id" in route.path else {}
        refusals |= _OF_IDS if "/{response_id" in route.path else {}
        refusals |= _OF_DEFERRED if _is_deferred(route) else {}
    if isinstance(route, ManagementRoute):
        refusals |= _OF_MANAGEMENT | (_OF_BODIES if route.body else {})
    return refusals


def _security(route: Route) -> list[dict[str, list[str]]]:
    if isinstance(route, ManagementRoute):
        return [{"managementKey": []}]
    return [{"bearer": []}, {"header": []}] if isinstance(route, KeyedRoute) else []


def _refusal(route: Route, why: str) -> dict[str, Any]:
    is_plain = not isinstance(route, KeyedRoute) or route.refuse is render_failure
    return {"description": why, "content": {"application/json": _of(ErrorBody if is_plain else ErrorAnswer)}}


def _of(shape: type[msgspec.Struct]) -> dict[str, Any]:
    return {"schema": {"$ref": _REFERENCE.format(name=shape.__name__)}}


def _any_of(shapes: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return _of(shapes[0]) if len(shapes) == 1 else {"schema": {"anyOf": [_of(shape)["schema"] for shape in shapes]}}


def _is_deferred(route: Route) -> bool:
    return "{request_id" in route.path


def _path(route: Route) -> str:
    """Return the path as OpenAPI writes it, without Starlette's converters."""
    return re.sub(r":\w+}", "}", route.path)
