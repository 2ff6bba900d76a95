"""`POST /v1/chat/completions`: plain and streamed answers from one path."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import ASGIApp

from vitrail.domain.chat import ChatRequest
from vitrail.domain.errors import InvalidArgument
from vitrail.http_api.disconnect import while_connected
from vitrail.http_api.exchange import AdmittedExchange, Exchange
from vitrail.http_api.parse_chat import AnswerForm, parse_chat
from vitrail.http_api.render_chat import ChunkRenderer, render_completion
from vitrail.http_api.streaming import EventStream
from vitrail.service.completion import OpenCompletion, Timing


async def create_completion(admitted: AdmittedExchange) -> ASGIApp:
    """Answer a chat request whole, or with a stream whose first chunk is already here."""
    exchange = admitted.exchange
    opened, form = await _open(admitted)
    if form.stream:
        renderer = ChunkRenderer(opened.head, include_usage=form.include_usage, prompt=opened.prompt_usage)
        return EventStream(exchange, opened.chunks, renderer, headers=_timing_headers(opened.timing))
    return await _answer_whole(exchange, opened)


async def _open(admitted: AdmittedExchange) -> tuple[OpenCompletion, AnswerForm]:
    """Read, parse and start. A function of its own, so that the body is freed before the answer is waited for."""
    exchange, services = admitted.exchange, admitted.exchange.services
    async with exchange.bodies.read(
        exchange.headers, exchange.receive, limit_bytes=exchange.options.body_bytes
    ) as body:
        request, form = await parse_chat_body(body, exchange)
        if form.deferred:
            raise InvalidArgument("`deferred` is not available on this server yet.", hint="Leave it out or send false.")
        return await while_connected(exchange.receive, services.completions.open(request, admitted.grant)), form


async def parse_chat_body(body: bytearray, exchange: Exchange) -> tuple[ChatRequest, AnswerForm]:
    """Parse a chat body, in a thread if it is large."""
    if len(body) > exchange.options.thread_body_bytes:
        return await asyncio.to_thread(parse_chat, body, exchange.options)
    return parse_chat(body, exchange.options)


async def _answer_whole(exchange: Exchange, opened: OpenCompletion) -> Response:
    async with aclosing(opened.chunks):
        completion = await while_connected(exchange.receive, opened.fold())
    elapsed_ms = (exchange.services.monotonic() - exchange.started) * 1000
    headers = {**_timing_headers(opened.timing), "x-metrics-e2e-ms": str(round(elapsed_ms))}
    return Response(render_completion(completion), media_type="application/json", headers=headers)


def _timing_headers(timing: Timing) -> dict[str, str]:
    return {} if timing.first_piece_ms is None else {"x-metrics-ttft-ms": str(round(timing.first_piece_ms))}
