"""Deferred completions, handed over once, and stored ones, which REST sees too."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from xai_sdk.chat import image
from xai_sdk.proto import chat_pb2_grpc, deferred_pb2

from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import InvalidArgument
from vitrail.engines.base import FinishPiece, TextPiece

PENDING, DONE = deferred_pb2.DeferredStatus.PENDING, deferred_pb2.DeferredStatus.DONE


@pytest.fixture
async def stub(rpc):
    """Return the bare stub with a good key."""
    async with rpc.channel() as channel:
        yield chat_pb2_grpc.ChatStub(channel)


async def test_a_deferred_completion_is_handed_over_once(rpc, stub, request_of):
    """Pending until it was run, then whole with its id, then not there any more."""
    started = await stub.StartDeferredCompletion(request_of(), metadata=rpc.metadata)
    asked = deferred_pb2.GetDeferredRequest(request_id=started.request_id)
    assert (await stub.GetDeferredCompletion(asked, metadata=rpc.metadata)).status == PENDING
    await rpc.surface.run_jobs()
    taken = await stub.GetDeferredCompletion(asked, metadata=rpc.metadata)
    assert taken.status == DONE and taken.response.outputs[0].message.content == "Hello world"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetDeferredCompletion(asked, metadata=rpc.metadata)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_deferred_completion_that_failed_is_its_failure(rpc, stub, request_of):
    """The status and sentence that a whole answer would have had, once."""
    rpc.surface.engine.script = [InvalidArgument("That cannot be drawn.")]
    started = await stub.StartDeferredCompletion(request_of(), metadata=rpc.metadata)
    await rpc.surface.run_jobs()
    asked = deferred_pb2.GetDeferredRequest(request_id=started.request_id)
    for code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetDeferredCompletion(asked, metadata=rpc.metadata)
        assert caught.value.code() is code


async def test_a_completion_that_was_not_received_can_be_fetched_again(rpc, stub, request_of):
    """A client that leaves while it is being sent has not got it."""
    rpc.surface.engine.script = [TextPiece("x" * 16_000_000), FinishPiece(FinishReason.STOP)]
    started = await stub.StartDeferredCompletion(request_of(), metadata=rpc.metadata)
    await rpc.surface.run_jobs()
    asked = deferred_pb2.GetDeferredRequest(request_id=started.request_id)
    async with rpc.channel() as channel:
        unread = channel.unary_stream("/xai_api.Chat/GetDeferredCompletion")
        for leaving in (unread(asked.SerializeToString(), metadata=rpc.metadata) for _ in range(2)):
            await leaving.initial_metadata()
            leaving.cancel()
    async with asyncio.timeout(5):
        while (taken := await _fetch(stub, asked, rpc.metadata)) is None:  # noqa: ASYNC110 - of another connection
            await asyncio.sleep(0.01)
    assert len(taken.response.outputs[0].message.content) == 16_000_000


async def _fetch(stub, asked, metadata):
    """Return what is handed over, or None while another call still has it."""
    try:
        return await stub.GetDeferredCompletion(asked, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return None


async def test_what_is_deferred_is_not_stored(rpc, stub, request_of):
    """What would be ignored is refused."""
    for field in ({"store_messages": True}, {"previous_response_id": "r"}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.StartDeferredCompletion(request_of(**field), metadata=rpc.metadata)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_rest_hands_over_what_grpc_accepted(rpc, stub, request_of):
    """Both surfaces keep the same promises."""
    started = await stub.StartDeferredCompletion(request_of(), metadata=rpc.metadata)
    await rpc.surface.run_jobs()
    path = f"/v1/chat/deferred-completion/{started.request_id}"
    answer = await rpc.surface.client.get(path, headers=rpc.surface.key)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello world"


async def test_a_stored_completion_is_shown_gone_on_from_and_deleted(rpc, png):
    """What was said before is in the next prompt; REST shows the same response; deleted, it is gone."""
    first = await rpc.ask(image(png, detail="low"), "What is this?", store_messages=True).sample()
    (shown,) = await rpc.sdk.chat.get_stored_completion(first.id)
    assert shown.content == "Hello world" and shown.usage == first.usage
    await rpc.ask("And now?", previous_response_id=first.id).sample()
    said = [message.text for message in rpc.surface.engine.prompts[-1].messages]
    assert said == ["What is this?", "Hello world", "And now?"]
    rest = await rpc.surface.client.get(f"/v1/responses/{first.id}", headers=rpc.surface.key)
    assert rest.json()["output"][0]["content"][0]["text"] == "Hello world"
    assert await rpc.sdk.chat.delete_stored_completion(first.id) == first.id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.sdk.chat.get_stored_completion(first.id)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_nothing_is_stored_unless_asked(rpc):
    """A completion without `store_messages` cannot be shown."""
    answer = await rpc.ask("Hi").sample()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.sdk.chat.get_stored_completion(answer.id)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_several_answers_are_stored_together(rpc, stub, request_of):
    """They have one id; a conversation goes on from the first."""
    answer = await stub.GetCompletion(request_of(n=3, store_messages=True), metadata=rpc.metadata)
    shown = await rpc.sdk.chat.get_stored_completion(answer.id)
    assert [response.content for response in shown] == ["Hello world"] * 3
    await rpc.ask("And now?", previous_response_id=answer.id).sample()
    said = [message.text for message in rpc.surface.engine.prompts[-1].messages]
    assert said == ["Hi there", "Hello world", "And now?"]


async def test_a_stored_stream_is_stored(rpc):
    """Streamed or whole makes no difference to what is kept."""
    async for answer, _ in rpc.ask("Hi", store_messages=True).stream():
        last = answer
    (shown,) = await rpc.sdk.chat.get_stored_completion(last.id)
    assert shown.content == "Hello world"


async def test_another_team_has_no_part_in_it(rpc, stub, request_of):
    """Deferred and stored completions of a team are not there for another."""
    stranger = rpc.client(api_key=rpc.surface.keyring.create(name="stranger", team="another").secret)
    answer = await rpc.ask("Hi", store_messages=True).sample()
    started = await stub.StartDeferredCompletion(request_of(), metadata=rpc.metadata)
    await rpc.surface.run_jobs()
    asks = (
        stranger.chat.get_stored_completion(answer.id),
        stranger.chat.delete_stored_completion(answer.id),
        stranger.chat._stub.GetDeferredCompletion(deferred_pb2.GetDeferredRequest(request_id=started.request_id)),
        stranger.chat._stub.GetCompletion(request_of(previous_response_id=answer.id)),
    )
    for ask in asks:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
