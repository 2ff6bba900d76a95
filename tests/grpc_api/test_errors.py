"""The table of statuses, its page, and refusals as the SDK sees them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import grpc
import pytest
from xai_sdk.chat import image
from xai_sdk.proto import chat_pb2_grpc

from vitrail.domain import errors
from vitrail.domain.completion import FinishReason
from vitrail.engines.base import FinishPiece, TextPiece
from vitrail.grpc_api.errors import STATUSES, render_details, render_trailers, status_of

PAGE = (Path(__file__).parents[2] / "docs" / "grpc.md").read_text()


def tree(root: type[errors.Failure]) -> list[type[errors.Failure]]:
    """Return all classes of the domain's tree of failures."""
    own = [cls for cls in root.__subclasses__() if cls.__module__ == errors.__name__]
    return [root, *(cls for child in own for cls in tree(child))]


def test_the_table_names_every_failure():
    """The table is total over the tree, and names nothing else."""
    assert set(STATUSES) == set(tree(errors.Failure))


def test_the_page_has_every_failure_with_its_status():
    """docs/grpc.md tells which failure has which status."""
    rows = re.findall(r"^\| `([A-Z_]+)` \|([^|]*)\|", PAGE, flags=re.MULTILINE)
    told = {(name, status) for status, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {(cls.__name__, status.name) for cls, status in STATUSES.items() if cls is not errors.Failure}


def test_details_fit_in_a_header():
    """A sentence that is very long, or that UTF-8 cannot hold, still is one that can be sent."""
    details = render_details(errors.InvalidArgument("\ud800" + "x" * 100_000))
    assert details.startswith("?xxx") and len(details) == 1500


def test_a_refusal_tells_when_to_come_back():
    """In seconds for people, in milliseconds for channels; never longer than a caller should be held."""
    trailers = dict(render_trailers(errors.Unavailable(retry_after_seconds=90.5)))
    assert trailers == {"retry-after": "91", "grpc-retry-pushback-ms": "30000"}
    assert render_trailers(errors.InvalidArgument()) == ()


@pytest.mark.parametrize("cls", tree(errors.Failure), ids=lambda cls: cls.__name__)
async def test_every_failure_ends_a_call_with_its_status(rpc, cls):
    """Status and sentence arrive, with the id of the request."""
    rpc.surface.engine.script = [cls("What was wrong.", hint="What to do.")]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.ask("Hi").sample()
    assert (caught.value.code(), caught.value.details()) == (status_of(cls()), "What was wrong. What to do.")
    assert dict(caught.value.trailing_metadata())["x-request-id"].startswith("00000000-")


async def test_nothing_of_an_inner_error_shows(rpc):
    """An exception that is none of ours is INTERNAL, with the id to tell the operator; the log has the rest."""
    rpc.surface.engine.script = [ZeroDivisionError("secret")]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.ask("Hi").sample()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in caught.value.details() and "request id 00000000-" in caught.value.details()
    assert any(event == "request failed" for event, _ in rpc.surface.log.events)


async def test_a_wrong_key_is_refused_before_the_message_is_read(rpc):
    """The key is judged although the request message never comes."""
    async with rpc.channel() as channel:
        call = channel.stream_unary("/xai_api.Chat/GetCompletion")(metadata=(("authorization", "Bearer wrong-key"),))
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
        assert (await call.details()).startswith("Incorrect API key provided: wr***ey.")


async def test_no_key_is_unauthenticated(rpc, request_of):
    """Without metadata there is no key."""
    async with rpc.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await chat_pb2_grpc.ChatStub(channel).GetCompletion(request_of())
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_blocked_key_has_no_permission(rpc):
    """PERMISSION_DENIED, in the words of REST."""
    rpc.surface.keyring.block(rpc.surface.keyring.list()[-1].id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.ask("Hi").sample()
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED and "is blocked" in caught.value.details()


async def test_what_is_no_protobuf_is_an_invalid_argument(rpc):
    """Bytes that no message has are refused in a sentence."""
    async with rpc.channel() as channel:
        call = channel.unary_unary("/xai_api.Chat/GetCompletion")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff\xff", metadata=rpc.metadata)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT and "not valid protobuf" in caught.value.details()


async def test_no_message_at_all_lacks_its_fields(rpc):
    """A call that ends without its message is one with nothing in it."""
    async with rpc.channel() as channel:
        call = channel.stream_unary("/xai_api.Chat/GetCompletion")(metadata=rpc.metadata)
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "`messages` is empty" in await call.details()


async def test_a_message_that_does_not_come_times_out(open_rpc):
    """A client that was admitted and then sends nothing is not waited for for ever."""
    rpc = await open_rpc(message_seconds=0.05)
    async with rpc.channel() as channel:
        call = channel.stream_unary("/xai_api.Chat/GetCompletion")(metadata=rpc.metadata)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_message_over_the_limit_is_refused(open_rpc, png):
    """The limit of the setting holds, and REST's limit of text does for texts."""
    rpc = await open_rpc(message_bytes=2000)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.ask(image(png), "x" * 2000).sample()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_more_calls_than_the_server_takes_are_unavailable(open_rpc, request_of):
    """One call over the limit is refused, so that the SDK comes back later."""
    rpc = await open_rpc(calls=1)
    rpc.surface.engine.script = [TextPiece("Hello"), asyncio.Event()]
    async with rpc.channel() as channel:
        first = chat_pb2_grpc.ChatStub(channel).GetCompletionChunk(request_of(), metadata=rpc.metadata)
        await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.ask("Hi").sample()
        first.cancel()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert caught.value.details().startswith("The server answers as many calls as it can.")


async def test_more_large_messages_than_the_budget_are_unavailable(open_rpc, request_of):
    """A message that has come is counted until its answer begins; small ones always pass."""
    rpc = await open_rpc(message_budget_bytes=150_000)
    large, goes_on = "x" * 100_000, asyncio.Event()
    rpc.surface.engine.script = [goes_on, TextPiece("Hello"), FinishPiece(FinishReason.STOP)]
    async with rpc.channel() as channel:
        stub = chat_pb2_grpc.ChatStub(channel)
        first = stub.GetCompletionChunk(request_of(large), metadata=rpc.metadata)
        await rpc.surface.engine.waits.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetCompletion(request_of(large), metadata=rpc.metadata)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE and "large requests" in caught.value.details()
        small = stub.GetCompletionChunk(request_of(), metadata=rpc.metadata)
        goes_on.set()
        assert (await small.read()).outputs[0].delta.content == "Hello"
        await first.read()
        answer = await stub.GetCompletion(request_of(large), metadata=rpc.metadata)
        assert answer.outputs[0].message.content == "Hello"
