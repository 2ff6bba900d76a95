"""Answer requests of the Responses API: what was said before goes in, the answer is kept for the next one.

Every answer comes from `Completions.open`; this puts the earlier turns before it and stores what comes out. A response
is stored before its last chunk is yielded, so one that arrived whole can be gone on from.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.chat import ChatRequest, ImagePart, Message, Role, TextPart
from vitrail.domain.completion import Chunk, fold_chunks
from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.domain.keys import Grant
from vitrail.domain.responses import ResponseRequest, StoredResponse
from vitrail.service.completion import ChunkStream, Completions, OpenCompletion
from vitrail.service.response_format import pack_response, unpack_response
from vitrail.store import responses as sql
from vitrail.store.database import Database

_MEBIBYTE = 1024 * 1024
_LONGEST_ID = 64
_SWEPT_AT_ONCE = 200  # so that no other writer waits long, and the database's own limit is not reached
_TOOLS_AND_ANSWERS = 2  # rows hold more than the turns that `conversation_bytes` is about
_DO_NOT_STORE = 'Send `"store": false` and the whole conversation as `input`.'


class ResponsesOptions(BaseModel):
    """How long answers of `/v1/responses` are kept, and how much of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: float = Field(30.0, gt=0, description="How long a stored response can be read and gone on from.")
    conversation_bytes: int = Field(
        64 * _MEBIBYTE, gt=0, description="Most bytes of a stored conversation, images as they were sent."
    )
    team_bytes: int = Field(4096 * _MEBIBYTE, gt=0, description="Most bytes of all stored responses of a team.")


class Responses:
    """The responses of all teams; each team sees its own alone."""

    def __init__(
        self,
        database: Database,
        options: ResponsesOptions,
        *,
        completions: Completions,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._options = options
        self._completions = completions
        self._now = now

    async def open(self, request: ResponseRequest, grant: Grant, *, is_read_whole: bool = False) -> OpenCompletion:
        """Start the answer, with the earlier turns before the request's own; return with the first piece at hand.

        Raises what `Completions.open` raises, NotFound for an unknown `previous_id`, and InvalidArgument for a
        conversation that is too large to be stored.
        """
        earlier = await self._load_turns(request.previous_id, grant) if request.previous_id else ()
        asked = _with_earlier_turns(request, earlier)
        if request.store:
            await self._check_room(asked, grant)
        opened = await self._completions.open(asked, grant, is_read_whole=is_read_whole)
        if not request.store:
            return opened
        keeping = self._keep(opened, request, grant)
        return replace(opened, chunks=ChunkStream(await anext(keeping), keeping))

    async def find(self, response_id: str, grant: Grant) -> StoredResponse:
        """Return a response of the grant's team; raises NotFound."""
        _check_id(response_id)
        now = self._now()
        data = await self._database.read(lambda c: sql.find_response(c, response_id, team_id=grant.team_id, now=now))
        if data is None:
            raise _not_found(response_id)
        return unpack_response(data)

    async def delete(self, response_id: str, grant: Grant) -> None:
        """Delete a response of the grant's team; raises NotFound."""
        _check_id(response_id)
        now = self._now()
        team_id = grant.team_id
        if not await self._database.write(lambda c: sql.delete_response(c, response_id, team_id=team_id, now=now)):
            raise _not_found(response_id)

    async def sweep(self) -> int:
        """Delete the responses of all teams that have expired, some at a time; return how many."""
        now, total = self._now(), 0
        while swept := await self._database.write(lambda c: sql.sweep_responses(c, now=now, limit=_SWEPT_AT_ONCE)):
            total += swept
        return total

    async def _load_turns(self, previous_id: str, grant: Grant) -> tuple[Message, ...]:
        """Return what was said up to and with an earlier response."""
        _check_id(previous_id, where="previous_response_id")
        now, limit_bytes = self._now(), _TOOLS_AND_ANSWERS * self._options.conversation_bytes
        rows, is_whole = await self._database.read(
            lambda c: sql.load_conversation(c, previous_id, team_id=grant.team_id, now=now, limit_bytes=limit_bytes)
        )
        if not rows:
            raise _not_found(previous_id, where="previous_response_id")
        if not is_whole:
            raise NotFound(
                "An earlier part of this conversation was deleted, has expired, or is too large to be read again.",
                where="previous_response_id",
                hint=_DO_NOT_STORE,
            )
        said = await asyncio.to_thread(lambda: [unpack_response(row) for row in rows])
        return tuple(message for response in said for message in _turns(response))

    async def _check_room(self, asked: ChatRequest, grant: Grant) -> None:
        """Refuse before the work what could not be stored after it."""
        now, limit_bytes = self._now(), self._options.conversation_bytes
        if _count_bytes(asked) > limit_bytes:
            raise InvalidArgument(
                f"The conversation is larger than the {limit_bytes:,} bytes that are stored at most.",
                where="store",
                hint=_DO_NOT_STORE,
            )
        stored_bytes = await self._database.read(lambda c: sql.count_stored_bytes(c, grant.team_id, now=now))
        if stored_bytes + _count_bytes(asked) > self._options.team_bytes:
            raise InvalidArgument(
                f"Your team's stored responses take {stored_bytes:,} of {self._options.team_bytes:,} bytes.",
                where="store",
                hint='Delete some with `DELETE /v1/responses/{id}`, or send `"store": false`.',
            )

    async def _keep(
        self, opened: OpenCompletion, request: ResponseRequest, grant: Grant
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of an answer; the last one after it was stored."""
        read: list[Chunk] = []
        unfinished = request.chat.n
        async with aclosing(opened.chunks) as chunks:
            async for chunk in chunks:
                read.append(chunk)
                unfinished -= chunk.finish_reason is not None
                if chunk.finish_reason is not None and not unfinished:
                    completed_at = read_completed_at(opened)
                    response = StoredResponse(
                        request=request,
                        completion=fold_chunks(opened.head, read, prompt=opened.prompt_usage),
                        completed_at=completed_at,
                        expires_at=completed_at + timedelta(days=self._options.keep_days),
                    )
                    await asyncio.shield(self._store(response, grant))
                yield chunk

    async def _store(self, response: StoredResponse, grant: Grant) -> None:
        """Write a response."""
        row = sql.ResponseRow(
            id=response.id,
            team_id=grant.team_id,
            previous_id=response.request.previous_id,
            created_at=response.completed_at,
            expires_at=response.expires_at,
            data=await asyncio.to_thread(pack_response, response),
        )
        await self._database.write(lambda connection: sql.insert_response(connection, row))


def read_completed_at(opened: OpenCompletion) -> datetime:
    """Return when an answer that has been read to its end was complete."""
    timing = opened.timing
    answered_ms = max(0.0, (timing.total_ms or 0.0) - (timing.prepare_ms or 0.0))
    return datetime.fromtimestamp(opened.head.created + answered_ms / 1000, UTC)


def _with_earlier_turns(request: ResponseRequest, earlier: tuple[Message, ...]) -> ChatRequest:
    """Return the whole conversation as a chat request; instructions hold for one answer, so they are no turns."""
    instructions = (Message(Role.SYSTEM, (TextPart(request.instructions),)),) if request.instructions else ()
    return replace(request.chat, messages=(*instructions, *earlier, *request.chat.messages))


def _turns(response: StoredResponse) -> tuple[Message, ...]:
    """Return what a stored response adds to its conversation: the client's turns, then the answer."""
    choice = response.completion.choices[0]
    answer = Message(Role.ASSISTANT, (TextPart(choice.text),) if choice.text else (), tool_calls=choice.tool_calls)
    return (*(_replayed(message, response.id) for message in response.request.chat.messages), answer)


def _replayed(message: Message, response_id: str) -> Message:
    """Return a message whose images say that they are from an earlier request."""
    parts = tuple(
        ImagePart(replace(part.reference, where=f"response {response_id}: {part.reference.where}"))
        if isinstance(part, ImagePart)
        else part
        for part in message.parts
    )
    return replace(message, parts=parts)


def _count_bytes(request: ChatRequest) -> int:
    """Return about how many bytes the messages of a request take when stored."""
    texts = sum(len(p.text) for m in request.messages for p in m.parts if isinstance(p, TextPart))
    calls = sum(len(call.arguments) for m in request.messages for call in m.tool_calls)
    return texts + calls + sum(reference.url.nbytes for reference in request.image_references)


def _check_id(response_id: str, *, where: str | None = None) -> None:
    """Raise NotFound for text that cannot be an id, before a database sees it."""
    if not (response_id.isascii() and response_id.isprintable() and len(response_id) <= _LONGEST_ID):
        raise _not_found(response_id, where=where)


def _not_found(response_id: str, *, where: str | None = None) -> NotFound:
    return NotFound(
        f"The response {response_id[:64]!r} does not exist, has expired, or is another team's.", where=where
    )
