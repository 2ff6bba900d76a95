"""Read a body, parse it, and start the work that it asks for, with the body's bytes counted until that has begun.

Called by every route that takes a body with images. Knows nothing of any request's shape: that is the parser's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from vitrail.domain.chat import ChatRequest
from vitrail.domain.completion import Completion
from vitrail.http_api.disconnect import while_connected
from vitrail.http_api.exchange import AdmittedExchange, Exchange
from vitrail.http_api.options import HttpOptions
from vitrail.service.completion import OpenCompletion

Form = TypeVar("Form")
Parsed = TypeVar("Parsed")
Result = TypeVar("Result")
Parse = Callable[[bytes | bytearray, HttpOptions], Parsed]


async def open_body(
    exchange: Exchange, parse: Parse[Parsed], start: Callable[[Parsed], Coroutine[Any, Any, Result]]
) -> Result:
    """Return what `start` makes of the parsed body; ends it when the client leaves.

    The body is freed before this returns, so an answer is not waited for with megabytes in hand.
    """
    async with read_parsed(exchange, parse) as parsed:
        return await while_connected(exchange.receive, start(parsed))


@asynccontextmanager
async def read_parsed(exchange: Exchange, parse: Parse[Parsed]) -> AsyncIterator[Parsed]:
    """Yield the parsed body, which may be views into its bytes; they are counted until the block is left."""
    async with exchange.bodies.read(
        exchange.headers, exchange.receive, limit_bytes=exchange.options.body_bytes
    ) as body:
        yield await parse_body(body, exchange, parse)


async def open_completion(
    admitted: AdmittedExchange, parse: Parse[tuple[ChatRequest, Form]], *, is_read_whole: Callable[[Form], bool]
) -> tuple[OpenCompletion, Form]:
    """Return a completion whose first piece is here, and how the client wants it."""
    completions = admitted.exchange.services.completions

    async def start(parsed: tuple[ChatRequest, Form]) -> tuple[OpenCompletion, Form]:
        request, form = parsed
        return await completions.open(request, admitted.grant, is_read_whole=is_read_whole(form)), form

    return await open_body(admitted.exchange, parse, start)


async def parse_body(body: bytearray, exchange: Exchange, parse: Parse[Parsed]) -> Parsed:
    """Parse a body, in a thread if it is large."""
    if len(body) > exchange.options.thread_body_bytes:
        return await asyncio.to_thread(parse, body, exchange.options)
    return parse(body, exchange.options)


async def fold_completion(exchange: Exchange, opened: OpenCompletion) -> tuple[Completion, dict[str, str]]:
    """Wait for the whole answer; return it with the headers that tell its times."""
    async with aclosing(opened.chunks):
        completion = await while_connected(exchange.receive, opened.fold())
    elapsed_ms = (exchange.services.monotonic() - exchange.started) * 1000
    return completion, {**opening_headers(opened), "x-metrics-e2e-ms": str(round(elapsed_ms))}


def opening_headers(opened: OpenCompletion) -> dict[str, str]:
    """Return what is known when the first piece is here: the time it took, and what rate limits leave."""
    first_ms = opened.timing.first_piece_ms
    timing = {} if first_ms is None else {"x-metrics-ttft-ms": str(round(first_ms))}
    return {**timing, **opened.allowance.headers}
