"""`xai_api.Chat`: whole, streamed, deferred and stored completions, all from the path that REST takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace

from xai_sdk.proto import chat_pb2, deferred_pb2

from vitrail.domain.completion import Chunk
from vitrail.domain.errors import Failure, InvalidArgument, NotFound
from vitrail.domain.responses import ResponseRequest
from vitrail.grpc_api.call import AdmittedCall, Message
from vitrail.grpc_api.parse_chat import parse_chat, parse_storing
from vitrail.grpc_api.render_chat import render_chunk, render_completion
from vitrail.service.completion import OpenCompletion
from vitrail.service.deferred import Pending

_LEAVING_SECONDS = 0.1  # from a client's leaving until its call's task hears of it, with much to spare


async def complete(call: AdmittedCall) -> Message:
    """Answer whole."""
    opened = await _open(call, is_read_whole=True)
    return render_completion(await opened.fold())


async def stream(call: AdmittedCall) -> None:
    """Answer in chunks, each with the usage up to it. A client that leaves ends the engine's work."""
    opened = await _open(call, is_read_whole=False)
    async with aclosing(opened.chunks) as chunks, aclosing(join_finish(chunks)) as joined:
        async for chunk in joined:
            await call.write(render_chunk(opened.head, chunk))


async def join_finish(chunks: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks, but a function call together with the finish reason where that is next, as xAI's API does."""
    held: Chunk | None = None
    try:
        async for chunk in chunks:
            if held is not None:
                if _is_finish_of(held, chunk):
                    chunk = replace(chunk, text=held.text, tool_calls=held.tool_calls)
                else:
                    yield held
                held = None
            if chunk.tool_calls and not chunk.finish_reason:
                held = chunk
            else:
                yield chunk
    except Failure:
        if held is not None:
            yield held
        raise


def _is_finish_of(call: Chunk, chunk: Chunk) -> bool:
    return chunk.finish_reason is not None and chunk.index == call.index and not (chunk.text or chunk.tool_calls)


async def defer(call: AdmittedCall) -> Message:
    """Accept a request for later and return its id."""
    message = await call.read()
    if parse_storing(message) is not None:
        raise InvalidArgument("A deferred completion has no `previous_response_id` and no `store_messages`.")
    request = parse_chat(message, call.limits)
    return deferred_pb2.StartDeferredResponse(request_id=await call.services.deferred.accept(request, call.grant))


async def hand_over(call: AdmittedCall) -> None:
    """Hand a deferred completion over, once; a client that is gone before it was sent can fetch it again."""
    taken = await call.services.deferred.take((await call.read()).request_id, call.grant)
    if isinstance(taken, Pending):
        await call.write(chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.DeferredStatus.PENDING))
        return
    is_sent = False
    try:
        if isinstance(taken.outcome, Failure):
            is_sent = not call.context.cancelled()
            raise taken.outcome
        response = render_completion(taken.outcome)
        await call.write(
            chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.DeferredStatus.DONE, response=response)
        )
        await asyncio.sleep(_LEAVING_SECONDS)  # a write of a call that is being cancelled may count as done
        is_sent = not call.context.cancelled()
    finally:
        await asyncio.shield(taken.confirm() if is_sent else taken.put_back())


async def show_stored(call: AdmittedCall) -> Message:
    """Return a completion that the team stored, here or with REST's `/v1/responses`."""
    response_id = (await call.read()).response_id
    with _not_found_as_the_sdk_knows_it():
        stored = await call.services.responses.find(response_id, call.grant)
    return render_completion(stored.completion)


async def delete_stored(call: AdmittedCall) -> Message:
    """Delete a stored completion of the team."""
    response_id = (await call.read()).response_id
    with _not_found_as_the_sdk_knows_it():
        await call.services.responses.delete(response_id, call.grant)
    return chat_pb2.DeleteStoredCompletionResponse(response_id=response_id)


@contextmanager
def _not_found_as_the_sdk_knows_it() -> Iterator[None]:
    """Give the one sentence that the SDK's own tests compare."""
    try:
        yield
    except NotFound as error:
        raise NotFound("Response not found") from error


async def _open(call: AdmittedCall, *, is_read_whole: bool) -> OpenCompletion:
    """Return a completion whose first piece is here; nothing of the message is held while it goes on, unless stored."""
    message = await call.read()
    request, storing = parse_chat(message, call.limits), parse_storing(message)
    del message
    if storing is None:
        opened = await call.services.completions.open(request, call.grant, is_read_whole=is_read_whole)
        del request
        call.release()
    else:
        asked = ResponseRequest(chat=request, previous_id=storing.previous_id, store=storing.store)
        opened = await call.services.responses.open(asked, call.grant, is_read_whole=is_read_whole)
    call.note(opened.allowance.headers)
    return opened
