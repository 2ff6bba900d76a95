"""`/livez`, `/readyz` and `/metrics`: for those who run the server; none of them needs a key."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from vitrail.domain.errors import UnknownRoute
from vitrail.http_api.exchange import Exchange
from vitrail.http_api.json_answer import render_json


class Liveness(Struct):
    """The process answers."""

    status: str


class Readiness(Struct):
    """Whether a request could be answered now, and a word about each part."""

    ready: bool
    parts: dict[str, str]


async def show_liveness(exchange: Exchange) -> Response:
    """Say that the process answers."""
    return render_json(Liveness(status="ok"))


async def show_readiness(exchange: Exchange) -> Response:
    """Say whether requests can be answered now; 503 with the reasons if they cannot."""
    is_ready, parts = await exchange.services.health.ready()
    return render_json(Readiness(ready=is_ready, parts=parts), status=200 if is_ready else 503)


async def show_metrics(exchange: Exchange) -> Response:
    """Show the Prometheus metrics, unless the operator turned the page off."""
    if not exchange.options.metrics:
        raise UnknownRoute("Metrics are turned off on this server.")
    page, media_type = exchange.services.render_metrics()
    return Response(page, headers={"content-type": media_type})
