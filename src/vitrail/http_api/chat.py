"""`POST /v1/chat/completions`: plain, streamed and deferred answers from one path."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp

from vitrail.domain.chat import ChatRequest
from vitrail.http_api.deferred import DeferredAccepted
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.opening import fold_completion, open_body, opening_headers
from vitrail.http_api.parse_chat import AnswerForm, parse_chat
from vitrail.http_api.render_chat import ChunkRenderer, render_completion
from vitrail.http_api.streaming import DataEvents, EventStream
from vitrail.service.completion import OpenCompletion


async def create_completion(admitted: AdmittedExchange) -> ASGIApp:
    """Answer whole, with a stream whose first chunk is here, or with an id for later; `deferred` wins over `stream`."""
    exchange, services = admitted.exchange, admitted.exchange.services

    async def start(parsed: tuple[ChatRequest, AnswerForm]) -> tuple[OpenCompletion | DeferredAccepted, AnswerForm]:
        request, form = parsed
        if form.deferred:
            return DeferredAccepted(await services.deferred.accept(request, admitted.grant)), form
        return await services.completions.open(request, admitted.grant, is_read_whole=not form.stream), form

    opened, form = await open_body(exchange, parse_chat, start)
    if isinstance(opened, DeferredAccepted):
        return render_json(opened)
    if form.stream:
        renderer = ChunkRenderer(opened.head, include_usage=form.include_usage, prompt=opened.prompt_usage)
        return EventStream(exchange, opened.chunks, DataEvents(renderer), headers=opening_headers(opened))
    completion, headers = await fold_completion(exchange, opened)
    return Response(render_completion(completion), media_type="application/json", headers=headers)
