"""The REST surface: the whole route table on one screen, and the app made of it.

Everything needs a key but what stands under OPEN_ROUTES. Called by the composition root.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from vitrail.domain.errors import UnknownRoute
from vitrail.http_api import api_key, chat, health, models, pages, tokens
from vitrail.http_api.envelope import Envelope
from vitrail.http_api.exchange import Exchange
from vitrail.http_api.openapi import build_openapi
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.route import KeyedRoute, OpenRoute, mount_routes
from vitrail.http_api.services import Services
from vitrail.http_api.wire_chat import ChatCompletionRequest as Chat
from vitrail.http_api.wire_completion import ChatCompletion as Completion


async def show_openapi(exchange: Exchange) -> Response:
    """Show the OpenAPI document of this table."""
    return Response(build_openapi((*KEYED_ROUTES, *OPEN_ROUTES)), media_type="application/json")


# fmt: off
KEYED_ROUTES = (
    KeyedRoute("POST", "/v1/chat/completions", chat.create_completion, "chat", Completion, Chat),
    KeyedRoute("GET", "/v1/models", models.list_models, "models", models.ModelList),
    KeyedRoute("GET", "/v1/models/{model_id:path}", models.show_model, "models", models.ModelRow),
    KeyedRoute("GET", "/v1/language-models", models.list_language, "models", models.LanguageModels),
    KeyedRoute("GET", "/v1/language-models/{model_id:path}", models.show_language, "models", models.LanguageModel),
    KeyedRoute("GET", "/v1/api-key", api_key.show_api_key, "api-key", api_key.ApiKeyInfo),
    KeyedRoute("POST", "/v1/tokenize-text", tokens.tokenize_text, "tokenize", tokens.Tokenized, tokens.Tokenize),
    KeyedRoute("POST", "/v1/image-tokens", tokens.count_images, "tokenize", tokens.ImageTokensList, Chat),
)
OPEN_ROUTES = (
    OpenRoute("GET", "/", pages.show_root, pages.ServerInfo),
    OpenRoute("GET", "/favicon.ico", pages.show_icon, media="image/svg+xml"),
    OpenRoute("GET", "/docs", pages.show_docs, media="text/html"),
    OpenRoute("GET", "/openapi.json", show_openapi),
    OpenRoute("GET", "/livez", health.show_liveness, health.Liveness),
    OpenRoute("GET", "/readyz", health.show_readiness, health.Readiness),
    OpenRoute("GET", "/metrics", health.show_metrics, media="text/plain"),
)
# fmt: on


def create_http_app(services: Services, options: HttpOptions, *, lifespan: Lifespan[Router] | None = None) -> ASGIApp:
    """Return the ASGI app of the REST API; `lifespan` runs around its serving."""
    router = Router(
        mount_routes((*KEYED_ROUTES, *OPEN_ROUTES)), redirect_slashes=False, default=_refuse_route, lifespan=lifespan
    )
    return Envelope(router, services=services, options=options)


async def _refuse_route(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    raise UnknownRoute(
        "No handler found on route. Please double check your URL and consult /docs of this server for more information."
    )
