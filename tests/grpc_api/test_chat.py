"""Chat over gRPC by the xAI SDK: whole, streamed, deferred, stored, and what happens when a client leaves."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from xai_sdk.chat import image, tool
from xai_sdk.proto import chat_pb2_grpc, sample_pb2

from tests.http_api.conftest import MODEL
from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, TextPiece, ToolCallPiece


async def test_a_question_is_answered(rpc):
    """Text, usage, finish reason, model and fingerprint are those of the completion."""
    answer = await rpc.ask("Hi there").sample()
    assert answer.content == "Hello world"
    assert answer.finish_reason == "REASON_STOP"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens == 4
    assert answer.proto.model == MODEL.id and answer.system_fingerprint.startswith("fp_")


async def test_an_image_is_counted_in_its_own_tokens(rpc, png):
    """A data URI of 640 x 420 px is two tiles and the overview, or one with detail low; cost is counted."""
    high = await rpc.ask(image(png, detail="high"), "What is this?").sample()
    low = await rpc.ask(image(png, detail="low"), "What is this?").sample()
    assert (high.usage.prompt_image_tokens, low.usage.prompt_image_tokens) == (768, 256)
    assert high.usage.prompt_text_tokens == 3
    assert high.usage.cost_in_usd_ticks == (768 + 3) * 20000 + 2 * 100000


async def test_a_stream_has_cumulative_usage(rpc):
    """Each chunk has what came, with the usage up to it; the last one the finish reason."""
    stream = [(answer, chunk) async for answer, chunk in rpc.ask("Hi there").stream()]
    assert [chunk.content for _, chunk in stream] == ["Hello", " world", ""]
    assert [chunk.proto.usage.completion_tokens for _, chunk in stream] == [1, 2, 2]
    answer, _ = stream[-1]
    assert answer.content == "Hello world" and answer.finish_reason == "REASON_STOP"


async def test_a_function_call_is_streamed_with_its_finish_reason(rpc):
    """One chunk each, the last call together with the finish, as xAI's API sends it; text goes out at once."""
    calls = [ToolCallPiece(ToolCall(f"c{i}", "draw", "{}")) for i in range(2)]
    rpc.surface.engine.script = [TextPiece("I draw."), *calls, FinishPiece(FinishReason.TOOL_CALLS)]
    stream = [
        chunk.proto.outputs[0] async for _, chunk in rpc.ask("Draw.", tools=[tool("draw", "Draws.", {})]).stream()
    ]
    assert [(o.delta.content, [c.id for c in o.delta.tool_calls], o.finish_reason) for o in stream] == [
        ("I draw.", [], 0),
        ("", ["c0"], 0),
        ("", ["c1"], sample_pb2.REASON_TOOL_CALLS),
    ]


async def test_a_call_that_nothing_follows_is_not_lost(rpc):
    """A failure after a function call comes after it."""
    call = ToolCallPiece(ToolCall("c", "draw", "{}"))
    rpc.surface.engine.script = [call, Unavailable("Gone.")]
    seen = []
    with pytest.raises(grpc.aio.AioRpcError):
        async for _, chunk in rpc.ask("Draw.", tools=[tool("draw", "Draws.", {})]).stream():
            seen.append(chunk.tool_calls[0].id)
    assert seen == ["c"]


async def test_a_client_that_leaves_a_stream_ends_the_generation(rpc, request_of):
    """Cancelling cancels the engine, and what was sent is settled."""
    never = asyncio.Event()
    rpc.surface.engine.script = [TextPiece("Hello"), never, FinishPiece(FinishReason.STOP)]
    async with rpc.channel() as channel:
        stream = chat_pb2_grpc.ChatStub(channel).GetCompletionChunk(request_of(), metadata=rpc.metadata)
        assert (await stream.read()).outputs[0].delta.content == "Hello"
        stream.cancel()
    await asyncio.wait_for(rpc.surface.engine.ended.wait(), 5)
    await _until(lambda: "cancelled" in _metrics(rpc))
    left = ("/xai_api.Chat/GetCompletionChunk", grpc.StatusCode.CANCELLED.value[0])
    await _until(lambda: left in rpc.surface.observed)


async def test_a_client_that_leaves_a_whole_answer_ends_the_generation(rpc):
    """A deadline that passes while the engine works cancels it; what was made is settled."""
    rpc.surface.engine.script = [TextPiece("Hello"), asyncio.Event()]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.ask("Hi there", client=rpc.client(timeout=0.3)).sample()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(rpc.surface.engine.ended.wait(), 5)
    await _until(lambda: "cancelled" in _metrics(rpc))


async def test_the_sdk_retries_what_is_unavailable(rpc):
    """A busy engine is UNAVAILABLE, which the SDK's channel tries again on its own."""
    refusals = iter([Unavailable(retry_after_seconds=0.01), Unavailable()])

    class Busy(list):
        def __iter__(self):
            return iter([failure] if (failure := next(refusals, None)) else list.__iter__(self))

    rpc.surface.engine.script = Busy(rpc.surface.engine.script)
    answer = await rpc.ask("Hi there", client=rpc.client(retries=True)).sample()
    assert answer.content == "Hello world"
    assert next(refusals, None) is None


async def test_a_failure_in_a_stream_comes_after_its_chunks(rpc):
    """What was sent stays; then the status says why there is no more."""
    rpc.surface.engine.script = [TextPiece("Hello"), Unavailable("Gone.")]
    seen = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _, chunk in rpc.ask("Hi there").stream():
            seen.append(chunk.content)
    assert seen == ["Hello"]
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, "Gone.")


def _metrics(rpc) -> str:
    page, _ = rpc.surface.services.render_metrics()
    return "\n".join(line for line in page.decode().splitlines() if line.startswith("vitrail_completions_total"))


async def _until(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for is on the other side of a connection
            await asyncio.sleep(0.01)
