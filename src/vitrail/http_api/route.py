"""A row of the route table, and how it answers: keys are judged here, before any handler runs or body is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from msgspec import Struct
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from vitrail.domain.errors import Failure, NotFound, PermissionDenied, Stopping
from vitrail.http_api.access import find_secret
from vitrail.http_api.errors import MethodRefused, render_failure
from vitrail.http_api.exchange import SCOPE_KEY, AdmittedExchange, Exchange, ManagedExchange

MOST_ROWS = 100


@dataclass(frozen=True, slots=True)
class KeyedRoute:
    """A route that answers a grant; the key's ACL has to name the endpoint `acl`, and `refuse` gives errors a shape."""

    method: str
    path: str
    answer: Callable[[AdmittedExchange], Awaitable[ASGIApp]]
    acl: str
    result: type[Struct]
    body: type[Struct] | None = None
    refuse: Callable[[Failure], Response] = render_failure


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """A route that answers anybody; `media` is what it gives if that is not JSON."""

    method: str
    path: str
    answer: Callable[[Exchange], Awaitable[ASGIApp]]
    result: type[Struct] | None = None
    media: str = "application/json"


@dataclass(frozen=True, slots=True)
class ManagementRoute:
    """A route that answers a management key: of the team that its path names, or of an operator.

    Where `is_operators`, a team's own key is refused. Where `is_paged`, the query may have `pageSize`, up to
    `MOST_ROWS`, and the `paginationToken` of the page before.
    """

    method: str
    path: str
    answer: Callable[[ManagedExchange], Awaitable[ASGIApp]]
    result: type[Struct]
    body: type[Struct] | None = None
    is_operators: bool = False
    is_paged: bool = False


Route = KeyedRoute | OpenRoute | ManagementRoute


def mount_routes(routes: Iterable[Route]) -> list[StarletteRoute]:
    """Return the router's entries, one for each path."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    return [StarletteRoute(path, _Path(path, methods)) for path, methods in by_path.items()]


class _Path:
    """An ASGI app for one path: picks the route by method."""

    def __init__(self, path: str, methods: dict[str, Route]) -> None:
        self._path = path
        self._methods = methods
        self._refuse = next((r.refuse for r in methods.values() if isinstance(r, KeyedRoute)), render_failure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope[SCOPE_KEY]
        exchange.scope = scope
        exchange.route = self._path
        exchange.refuse = self._refuse
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        route = self._methods.get(method)
        if route is None:
            raise MethodRefused(method=scope["method"], allowed=tuple(self._methods))
        if exchange.services.health.is_draining and not isinstance(route, OpenRoute):
            raise Stopping
        answer = await _answer(route, exchange)
        await answer(scope, receive, send)


async def _answer(route: Route, exchange: Exchange) -> ASGIApp:
    if isinstance(route, OpenRoute):
        return await route.answer(exchange)
    if isinstance(route, ManagementRoute):
        return await route.answer(await _admit_managed(route, exchange))
    grant = await exchange.services.admission.admit(
        secret=find_secret(exchange.headers),
        endpoint=route.acl,
        request_id=exchange.request_id,
        client_ip=exchange.client_ip,
    )
    return await route.answer(AdmittedExchange(exchange=exchange, grant=grant))


async def _admit_managed(route: ManagementRoute, exchange: Exchange) -> ManagedExchange:
    management = exchange.services.management
    key = await asyncio.to_thread(management.keys.admit, find_secret(exchange.headers))
    if route.is_operators and key.team_id is not None:
        raise PermissionDenied("This needs the management key of an operator; this one is of a team.")
    if "{team_id}" not in route.path:
        return ManagedExchange(exchange, key, None)
    named = exchange.path_value("team_id")
    if key.team_id not in (None, named):
        raise NotFound(f"There is no team {named[:64]!r} that this management key may see.")
    return ManagedExchange(exchange, key, await asyncio.to_thread(management.teams.find, named))
