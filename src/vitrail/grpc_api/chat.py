"""`xai_api.Chat`: whole, streamed, deferred and stored completions, all from the path that REST takes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from xai_sdk.proto import chat_pb2, deferred_pb2

from vitrail.domain.errors import Failure
from vitrail.domain.responses import ResponseRequest
from vitrail.grpc_api.call import AdmittedCall, Message
from vitrail.grpc_api.parse_chat import parse_chat, parse_storing
from vitrail.grpc_api.render_chat import render_chunk, render_completion
from vitrail.service.completion import OpenCompletion
from vitrail.service.deferred import Pending


async def complete(call: AdmittedCall) -> Message:
    """Answer whole."""
    opened = await _open(call)
    return render_completion(await opened.fold())


async def stream(call: AdmittedCall) -> None:
    """Answer in chunks, each with the usage up to it. A client that leaves ends the engine's work."""
    opened = await _open(call)
    async with aclosing(opened.chunks) as chunks:
        async for chunk in chunks:
            await call.write(render_chunk(opened.head, chunk))


async def defer(call: AdmittedCall) -> Message:
    """Accept a request for later and return its id."""
    request = parse_chat(await call.read(), call.limits)
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
            is_sent = True
            raise taken.outcome
        response = render_completion(taken.outcome)
        await call.write(
            chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.DeferredStatus.DONE, response=response)
        )
        is_sent = not call.context.cancelled()
    finally:
        await asyncio.shield(taken.confirm() if is_sent else taken.put_back())


async def show_stored(call: AdmittedCall) -> Message:
    """Return a completion that the team stored, here or with REST's `/v1/responses`."""
    stored = await call.services.responses.find((await call.read()).response_id, call.grant)
    return render_completion(stored.completion)


async def delete_stored(call: AdmittedCall) -> Message:
    """Delete a stored completion of the team."""
    response_id = (await call.read()).response_id
    await call.services.responses.delete(response_id, call.grant)
    return chat_pb2.DeleteStoredCompletionResponse(response_id=response_id)


async def _open(call: AdmittedCall) -> OpenCompletion:
    """Return a completion whose first piece is here; nothing of the message is held while it goes on, unless stored."""
    message = await call.read()
    request, storing = parse_chat(message, call.limits), parse_storing(message)
    del message
    if storing is None:
        return await call.services.completions.open(request, call.grant)
    asked = ResponseRequest(chat=request, previous_id=storing.previous_id, store=storing.store)
    return await call.services.responses.open(asked, call.grant)
