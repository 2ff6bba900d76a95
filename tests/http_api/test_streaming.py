"""Streamed chat completions over a real socket: dialects, failures midway, clients that leave or do not read."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import httpx2
import openai
import pytest

from tests.fixtures.waiting import comes_within_a_second
from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, TextPiece, ToolCallPiece

ASK = {"model": "fake-vision-1", "messages": [{"role": "user", "content": "Hi there"}], "stream": True}


@asynccontextmanager
async def streamed(surface):
    """Serve the surface, ask for a stream, and yield the answer once its headers are here."""
    async with (
        surface.serve() as address,
        httpx2.AsyncClient(headers=surface.key) as client,
        client.stream("POST", f"http://{address}/v1/chat/completions", json=ASK) as answer,
    ):
        yield answer


@asynccontextmanager
async def openai_client(surface):
    """Serve the surface and yield the official client pointed at it."""
    async with (
        surface.serve() as address,
        openai.AsyncOpenAI(base_url=f"http://{address}/v1", api_key=surface.secret, max_retries=0) as client,
    ):
        yield client


async def test_without_stream_options_every_chunk_has_role_and_usage(surface, read_events):
    """Dialect 1: cumulative usage from the first chunk on, as the guide's own snippet reads it."""
    answer = await surface.chat(stream=True)
    *chunks, done = read_events(answer.text)
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"]["role"] for chunk in chunks] == ["assistant"] * 3
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["Hello", " world", ""]
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [1, 2, 2]
    assert "image_tokens" in chunks[0]["usage"]["prompt_tokens_details"]
    assert ["finish_reason" in chunk["choices"][0] for chunk in chunks] == [False, False, True]


async def test_with_include_usage_it_comes_once_in_an_extra_chunk(surface, read_events):
    """Dialect 2: the role once, no usage on the way, then one more chunk with usage and no choices."""
    answer = await surface.chat(stream=True, stream_options={"include_usage": True})
    *chunks, last, done = read_events(answer.text)
    assert done == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"content": "Hello", "role": "assistant"},
        {"content": " world"},
        {},
    ]
    assert all("usage" not in chunk for chunk in chunks)
    assert last["choices"] == [] and last["usage"]["total_tokens"] == 4


async def test_with_include_usage_false_there_is_none(surface, read_events):
    """A client that says it wants no usage gets none."""
    answer = await surface.chat(stream=True, stream_options={"include_usage": False})
    assert all("usage" not in chunk for chunk in read_events(answer.text)[:-1])


async def test_chunks_share_id_and_headers_say_event_stream(surface, read_events):
    """All chunks are of one completion; the answer is an event stream that nobody caches."""
    answer = await surface.chat(stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert "x-metrics-ttft-ms" in answer.headers
    chunks = read_events(answer.text)[:-1]
    assert len({(chunk["id"], chunk["created"], chunk["system_fingerprint"]) for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


async def test_function_calls_are_whole_and_numbered(surface, read_events):
    """Each call comes whole in one delta; two of one answer have indices 0 and 1."""
    calls = [ToolCall(id=f"call_{i}", name="f", arguments="{}") for i in range(2)]
    surface.engine.script = [*map(ToolCallPiece, calls), FinishPiece(FinishReason.TOOL_CALLS)]
    answer = await surface.chat(stream=True, tools=[{"type": "function", "function": {"name": "f"}}])
    chunks = read_events(answer.text)[:2]
    sent = [chunk["choices"][0]["delta"]["tool_calls"] for chunk in chunks]
    function = {"name": "f", "arguments": "{}"}
    assert sent == [[{"id": f"call_{i}", "function": function, "type": "function", "index": i}] for i in range(2)]


async def test_a_failure_before_the_first_chunk_is_a_real_status(surface):
    """Nothing was sent yet, so the client gets 503 and no stream."""
    surface.engine.script = [Unavailable()]
    answer = await surface.chat(stream=True)
    assert answer.status_code == 503 and answer.json()["code"] == "The service is currently unavailable"


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (
            Unavailable("The engine stopped."),
            {"code": "The service is currently unavailable", "error": "The engine stopped."},
        ),
        (ValueError("/secret/path"), {"code": "Internal error", "error": "Internal error"}),
    ],
)
async def test_m04_m28_a_failure_midway_is_an_error_event_without_done(surface, read_events, error, event):
    """M04, M28: the stream ends with the error as its last event, without `[DONE]` and without internals."""
    surface.engine.script = [TextPiece("Half"), error]
    answer = await surface.chat(stream=True)
    assert read_events(answer.text)[1:] == [event]


async def test_the_first_chunk_is_sent_at_once(surface):
    """The first chunk arrives while the engine still waits for the second."""
    gate = asyncio.Event()
    surface.engine.script = [TextPiece("First"), gate, FinishPiece(FinishReason.STOP)]
    async with streamed(surface) as answer:
        lines = answer.aiter_lines()
        first = json.loads((await anext(lines)).removeprefix("data: "))
        assert first["choices"][0]["delta"]["content"] == "First" and not gate.is_set()
        gate.set()
        rest = [line async for line in lines]
    assert [line for line in rest if line][-1] == "data: [DONE]"


async def test_m03_a_client_that_leaves_midway_ends_the_generation(surface):
    """M03: when the client hangs up, the engine's generation is closed within a second."""
    surface.engine.script = [TextPiece("First"), asyncio.Event()]
    async with streamed(surface) as answer:
        await anext(answer.aiter_lines())
        await surface.engine.waits.wait()
        await answer.aclose()
        assert await comes_within_a_second(surface.engine.ended.is_set)


async def test_a_silent_stream_gets_comments(open_surface):
    """While the engine thinks, comment lines keep proxies from closing the stream."""
    surface = open_surface(keep_alive_seconds=0.02)
    gate = asyncio.Event()
    surface.engine.script = [TextPiece("First"), gate, FinishPiece(FinishReason.STOP)]
    async with streamed(surface) as answer:
        lines = answer.aiter_lines()
        while await anext(lines) != ": keep-alive":
            pass
        gate.set()
        rest = [line async for line in lines if line.startswith("data:")]
    assert rest[-1] == "data: [DONE]"


async def test_m21_a_client_that_does_not_read_loses_its_stream(open_surface):
    """M21: when nothing is read for the send limit, the generation ends and the connection is cut."""
    surface = open_surface(send_seconds=0.1)
    surface.engine.script = [TextPiece("x" * 1_000_000)] * 40
    async with surface.serve() as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = json.dumps(ASK).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n%s" % (surface.secret.encode(), len(body), body)
        )
        async with asyncio.timeout(10):
            await surface.engine.ended.wait()
            with suppress(ConnectionResetError):
                assert not (await reader.read()).endswith(b"[DONE]\n\n")
        writer.close()
    assert surface.observed == [("/v1/chat/completions", 499)]


async def test_the_openai_client_reads_both_dialects(surface):
    """The official client streams, folds and reads usage, with and without include_usage."""
    async with openai_client(surface) as client:
        asked = {"model": "grok-2-vision-latest", "messages": [{"role": "user", "content": "Hi there"}]}
        stream = await client.chat.completions.create(**asked, stream=True)
        first, *_ = [chunk async for chunk in stream]
        stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
    assert first.usage.prompt_tokens_details.image_tokens == 0
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "Hello world"
    assert chunks[-1].usage.total_tokens == 4


async def test_the_openai_client_raises_on_an_error_midway(surface):
    """The official client raises for an error event instead of ending quietly."""
    surface.engine.script = [TextPiece("Half"), Unavailable("The engine stopped.")]
    async with openai_client(surface) as client:
        stream = await client.chat.completions.create(
            model="fake-vision-1", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError) as caught:
            async for _ in stream:
                pass
    assert caught.value.body == "The engine stopped."


@pytest.mark.parametrize(("stream", "status"), [(True, 200), (False, 503)])
async def test_m16_a_server_that_stops_says_so(surface, read_events, stream, status):
    """M16: a request that is cut at the drain limit gets an error event, or 503 if nothing was sent yet."""
    surface.engine.script = [TextPiece("First"), asyncio.Event()]
    async with surface.serve(graceful_seconds=0.01) as address, httpx2.AsyncClient(headers=surface.key) as client:
        url = f"http://{address}/v1/chat/completions"
        asked = asyncio.create_task(client.post(url, json={**ASK, "stream": stream}))
        await surface.engine.waits.wait()
        surface.stop()
        answer = await asked
    assert answer.status_code == status
    error = {"code": "The service is currently unavailable", "error": "The server is stopping."}
    assert (read_events(answer.text)[-1] if stream else answer.json()) == error
