"""`/v1/responses`: answers that go on from earlier ones, kept for the team that asked."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vitrail.http_api.disconnect import while_connected
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.opening import fold_completion, opening_headers, read_parsed
from vitrail.http_api.parse_responses import parse_responses
from vitrail.http_api.render_responses import render_response
from vitrail.http_api.response_events import ResponseEvents
from vitrail.http_api.streaming import EventStream
from vitrail.http_api.wire_response import DeletedResponse
from vitrail.service.responses import read_completed_at


async def create_response(admitted: AdmittedExchange) -> ASGIApp:
    """Answer a request of the Responses API, whole or as a stream of named events."""
    exchange, services = admitted.exchange, admitted.exchange.services
    async with AsyncExitStack() as held:  # the body of a response that will be stored is needed to its end
        request, form = await held.enter_async_context(read_parsed(exchange, parse_responses))
        opening = services.responses.open(request, admitted.grant, is_read_whole=not form.stream)
        opened = await while_connected(exchange.receive, opening)
        del request
        if not form.shown.store:
            await held.aclose()
        if form.stream:
            completed_at = partial(read_completed_at, opened)
            events = ResponseEvents(opened.head, form.shown, prompt=opened.prompt_usage, completed_at=completed_at)
            stream = EventStream(exchange, opened.chunks, events, headers=opening_headers(opened))
            return _Holding(stream, held.pop_all())
        completion, headers = await fold_completion(exchange, opened)
    answer = render_response(form.shown, completion, completed_at=read_completed_at(opened))
    return render_json(answer, headers=headers)


async def show_response(admitted: AdmittedExchange) -> Response:
    """Show a stored response of the team."""
    services = admitted.exchange.services
    stored = await services.responses.find(admitted.exchange.path_value("response_id"), admitted.grant)
    return render_json(render_response(stored.request, stored.completion, completed_at=stored.completed_at))


async def delete_response(admitted: AdmittedExchange) -> Response:
    """Delete a stored response of the team; what went on from it cannot be gone on from any more."""
    response_id = admitted.exchange.path_value("response_id")
    await admitted.exchange.services.responses.delete(response_id, admitted.grant)
    return render_json(DeletedResponse(id=response_id, object="response", deleted=True))


class _Holding:
    """An ASGI answer that lets go of something when it has ended."""

    def __init__(self, answer: ASGIApp, held: AsyncExitStack) -> None:
        self._answer = answer
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await self._answer(scope, receive, send)
