"""One request on its way to an answer, as the routes see it: who asks, with which id, over which channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope

from vitrail.domain.errors import Failure
from vitrail.domain.keys import Grant, ManagementKey, Team
from vitrail.http_api.body import BodyReader
from vitrail.http_api.errors import render_failure
from vitrail.http_api.json_body import decode_body
from vitrail.http_api.options import HttpOptions
from vitrail.service.services import Management, Services

T = TypeVar("T")

SCOPE_KEY = "vitrail.exchange"
_BODY_BYTES = 64 * 1024


@dataclass(slots=True)
class Exchange:
    """A request, its id and what answers it; `route` is the path's template once a route was found."""

    scope: Scope = field(repr=False)
    receive: Receive = field(repr=False)
    services: Services = field(repr=False)
    options: HttpOptions = field(repr=False)
    bodies: BodyReader = field(repr=False)
    request_id: str
    started: float  # by services.monotonic
    route: str = "unmatched"
    refuse: Callable[[Failure], Response] = field(default=render_failure, repr=False)  # as the route's clients read it

    @property
    def headers(self) -> Headers:
        """Return the request's headers."""
        return Headers(scope=self.scope)

    @property
    def client_ip(self) -> str | None:
        """Return the address of the client, where the server knows it."""
        client = self.scope.get("client")
        return client[0] if client else None

    def path_value(self, name: str) -> str:
        """Return the part of the path that stands for `name` in the route's template, decoded."""
        return str(self.scope["path_params"][name])


@dataclass(frozen=True, slots=True)
class ManagedExchange:
    """An exchange whose management key was accepted; `named_team` is the team that its path names."""

    exchange: Exchange
    key: ManagementKey
    named_team: Team | None

    @property
    def team(self) -> Team:
        """Return the team of a path that has one."""
        assert self.named_team is not None
        return self.named_team

    @property
    def management(self) -> Management:
        """Return what operators may do."""
        return self.exchange.services.management

    @property
    def by(self) -> str:
        """Return who does it, as the ledger and keys remember."""
        return f"management key {self.key.redacted}"

    async def read_body(self, shape: type[T]) -> T:
        """Return the body, decoded."""
        exchange = self.exchange
        async with exchange.bodies.read(exchange.headers, exchange.receive, limit_bytes=_BODY_BYTES) as body:
            return decode_body(body, shape)


@dataclass(frozen=True, slots=True)
class AdmittedExchange:
    """An exchange whose key was accepted."""

    exchange: Exchange
    grant: Grant
