"""The REST surface: the whole route table on one screen, and the app made of it.

Everything needs a key but what stands under OPEN_ROUTES; the management API has keys and a table of its own
(`management_routes`). Called by the composition root.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from vitrail.domain.errors import UnknownRoute
from vitrail.http_api import (
    anthropic,
    api_key,
    chat,
    console,
    deferred,
    health,
    images,
    models,
    pages,
    perception,
    responses,
    scripted,
    text,
    tokens,
)
from vitrail.http_api.envelope import Envelope
from vitrail.http_api.errors_anthropic import render_anthropic_failure
from vitrail.http_api.exchange import Exchange
from vitrail.http_api.management_routes import MANAGEMENT_ROUTES
from vitrail.http_api.openapi import build_openapi
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.route import KeyedRoute, OpenRoute, Route, mount_routes
from vitrail.http_api.scripted import ScriptInPlay as InPlay
from vitrail.http_api.wire_anthropic import CountedMessages, MessagesRequest
from vitrail.http_api.wire_anthropic_answer import AnthropicMessage
from vitrail.http_api.wire_anthropic_answer import CountedTokens as Counted
from vitrail.http_api.wire_chat import ChatCompletionRequest as Chat
from vitrail.http_api.wire_completion import ChatCompletion as Completion
from vitrail.http_api.wire_images import GeneratedImages, ImagesRequest
from vitrail.http_api.wire_response import DeletedResponse
from vitrail.http_api.wire_response import Response as ResponseAnswer
from vitrail.http_api.wire_responses import ResponsesRequest
from vitrail.http_api.wire_text import CompleteAnswer, CompleteRequest, TextCompletion, TextCompletionRequest
from vitrail.service.services import Services


async def show_openapi(exchange: Exchange) -> Response:
    """Show the OpenAPI document of this table."""
    return Response(build_openapi(list_routes(exchange.services)), media_type="application/json")


def _to_anthropic(*routes: KeyedRoute) -> tuple[KeyedRoute, ...]:
    """Return routes that refuse in the shape that Anthropic's SDKs read."""
    return tuple(replace(route, refuse=render_anthropic_failure) for route in routes)


_IMAGE_MODELS = "/v1/image-generation-models"

# fmt: off
KEYED_ROUTES = (
    KeyedRoute("POST", "/v1/chat/completions", chat.create_completion, "chat", Completion, Chat),
    KeyedRoute("GET", "/v1/chat/deferred-completion/{request_id:path}", deferred.take_deferred, "chat", Completion),
    KeyedRoute("POST", "/v1/responses", responses.create_response, "chat", ResponseAnswer, ResponsesRequest),
    KeyedRoute("GET", "/v1/responses/{response_id}", responses.show_response, "chat", ResponseAnswer),
    KeyedRoute("DELETE", "/v1/responses/{response_id}", responses.delete_response, "chat", DeletedResponse),
    KeyedRoute("POST", "/v1/images/generations", images.generate_images, "image", GeneratedImages, ImagesRequest),
    KeyedRoute("POST", "/v1/completions", text.complete_text, "chat", TextCompletion, TextCompletionRequest),
    *_to_anthropic(
        KeyedRoute("POST", "/v1/messages", anthropic.create_message, "messages", AnthropicMessage, MessagesRequest),
        KeyedRoute("POST", "/v1/messages/count_tokens", anthropic.count_tokens, "tokenize", Counted, CountedMessages),
        KeyedRoute("POST", "/v1/complete", text.complete_prompt, "messages", CompleteAnswer, CompleteRequest),
    ),
    KeyedRoute("GET", "/v1/models", models.list_models, "models", models.ModelList),
    KeyedRoute("GET", "/v1/models/{model_id:path}", models.show_model, "models", models.ModelRow),
    KeyedRoute("GET", "/v1/language-models", models.list_language, "models", models.LanguageModels),
    KeyedRoute("GET", "/v1/language-models/{model_id:path}", models.show_language, "models", models.LanguageModel),
    KeyedRoute("GET", _IMAGE_MODELS, models.list_image_models, "models", models.ImageModels),
    KeyedRoute("GET", f"{_IMAGE_MODELS}/{{model_id:path}}", models.show_image_model, "models", models.ImageModel),
    KeyedRoute("GET", "/v1/api-key", api_key.show_api_key, "api-key", api_key.ApiKeyInfo),
    KeyedRoute("POST", "/v1/tokenize-text", tokens.tokenize_text, "tokenize", tokens.Tokenized, tokens.Tokenize),
    KeyedRoute("POST", "/v1/image-tokens", tokens.count_images, "tokenize", tokens.ImageTokensList, Chat),
    KeyedRoute("GET", "/v1/perception", perception.list_perceiving_models, "models", perception.PerceivingModels),
    KeyedRoute("POST", "/v1/perception", perception.show_perception, "chat", perception.PerceivedList, Chat),
)
SCRIPTED_ROUTES = (  # only where a model is scripted
    KeyedRoute("GET", "/v1/scripted/requests", scripted.list_requests, "scripted", scripted.RequestList),
    KeyedRoute("DELETE", "/v1/scripted/requests", scripted.forget_requests, "scripted", scripted.Forgotten),
    KeyedRoute("PUT", "/v1/scripted/script", scripted.play_script, "scripted", InPlay, scripted.ScriptChange),
    KeyedRoute("DELETE", "/v1/scripted/script", scripted.rewind_script, "scripted", InPlay),
)
OPEN_ROUTES = (
    OpenRoute("GET", "/", pages.show_root, pages.ServerInfo),
    OpenRoute("GET", "/favicon.ico", pages.show_icon, media="image/svg+xml"),
    OpenRoute("GET", "/docs", pages.show_docs, media="text/html"),
    OpenRoute("GET", "/console", console.open_console, media="text/html"),
    OpenRoute("GET", "/console/{file:path}", console.show_console_file, media="text/*"),
    OpenRoute("GET", "/openapi.json", show_openapi),
    OpenRoute("GET", "/livez", health.show_liveness, health.Liveness),
    OpenRoute("GET", "/readyz", health.show_readiness, health.Readiness),
    OpenRoute("GET", "/metrics", health.show_metrics, media="text/plain"),
)
# fmt: on


def list_routes(services: Services) -> tuple[Route, ...]:
    """Return the routes of a server with these services."""
    return (*KEYED_ROUTES, *MANAGEMENT_ROUTES, *(SCRIPTED_ROUTES if services.scripted else ()), *OPEN_ROUTES)


def create_http_app(services: Services, options: HttpOptions, *, lifespan: Lifespan[Router] | None = None) -> ASGIApp:
    """Return the ASGI app of the REST API; `lifespan` runs around its serving."""
    router = Router(
        mount_routes(list_routes(services)), redirect_slashes=False, default=_refuse_route, lifespan=lifespan
    )
    return Envelope(router, services=services, options=options)


async def _refuse_route(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose()(scope, receive, send)
        return
    raise UnknownRoute(
        "No handler found on route. Please double check your URL and consult /docs of this server for more information."
    )
