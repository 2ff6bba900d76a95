"""`POST /v1/messages`, its `/count_tokens`, and the older `POST /v1/complete`: what Anthropic's SDKs call."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp

from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.opening import fold_completion, open_body, open_completion, opening_headers
from vitrail.http_api.parse_anthropic import parse_anthropic, parse_counted
from vitrail.http_api.render_anthropic import MessageEvents, render_message
from vitrail.http_api.streaming import EventStream
from vitrail.http_api.wire_anthropic_answer import CountedTokens


async def create_message(admitted: AdmittedExchange) -> ASGIApp:
    """Answer a request in Anthropic's shape, whole or as a stream of named events."""
    opened, form = await open_completion(admitted, parse_anthropic, is_read_whole=lambda form: not form.stream)
    if form.stream:
        events = MessageEvents(opened.head, prompt=opened.prompt_usage, shows_thinking=form.shows_thinking)
        return EventStream(admitted.exchange, opened.chunks, events, headers=opening_headers(opened))
    completion, headers = await fold_completion(admitted.exchange, opened)
    return render_json(render_message(completion, shows_thinking=form.shows_thinking), headers=headers)


async def count_tokens(admitted: AdmittedExchange) -> Response:
    """Count the input tokens of a request without answering it; no pixel is decoded and nothing is billed."""
    usage = await open_body(
        admitted.exchange,
        parse_counted,
        lambda parsed: admitted.exchange.services.tokens.prompt_usage(parsed[0], admitted.grant),
    )
    return render_json(CountedTokens(input_tokens=usage.prompt_tokens))
