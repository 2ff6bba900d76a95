"""The pages for people: what this server is, its documentation, its icon. None of them needs a key or a network."""

from __future__ import annotations

from importlib import resources

from msgspec import Struct
from starlette.responses import Response

from vitrail import __version__
from vitrail.http_api.exchange import Exchange
from vitrail.http_api.json_answer import render_json

_DOCS_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self'"
)
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#23395b" d="M0 0h16v16H0z"/>'
    '<path fill="#f2b134" d="M2 2h5v5H2z"/><path fill="#5fa8a0" d="M9 2h5v5H9z"/>'
    '<path fill="#c8553d" d="M2 9h5v5H2z"/><path fill="#8d6a9f" d="M9 9h5v5H9z"/></svg>'
)


class ServerInfo(Struct):
    """What answers here, and where to go on."""

    name: str
    version: str
    base_url: str
    console: str
    docs: str
    openapi: str
    grpc: str | None  # host:port where the gRPC API listens


async def show_root(exchange: Exchange) -> Response:
    """Say what answers here."""
    return render_json(
        ServerInfo(
            name="vitrail",
            version=__version__,
            base_url="/v1",
            console="/console",
            docs="/docs",
            openapi="/openapi.json",
            grpc=exchange.services.grpc_address,
        )
    )


async def show_docs(exchange: Exchange) -> Response:
    """Show the API documentation: one page that reads /openapi.json."""
    page = resources.files("vitrail.http_api").joinpath("docs.html").read_bytes()
    return Response(page, media_type="text/html", headers={"content-security-policy": _DOCS_POLICY})


async def show_icon(exchange: Exchange) -> Response:
    """Show the browser's icon: four tiles."""
    return Response(_ICON, media_type="image/svg+xml", headers={"cache-control": "max-age=86400"})
