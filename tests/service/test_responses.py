"""Stored responses over the real database: going on, expiring, and the room that teams have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from vitrail.domain.chat import ChatRequest, ImagePart, Message, Role, TextPart, Tool, ToolCall
from vitrail.domain.completion import Choice, Chunk, Completion, CompletionHead, FinishReason, Usage
from vitrail.domain.errors import InternalFailure, InvalidArgument, NotFound, Unavailable
from vitrail.domain.keys import Grant
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.domain.responses import ResponseRequest, StoredResponse
from vitrail.service.completion import ChunkStream, OpenCompletion, Timing
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.service.response_format import pack_response, unpack_response
from vitrail.service.responses import Responses, ResponsesOptions
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.responses import ResponseRow, insert_response

USAGE = Usage(text_tokens=1, image_tokens=0)
START = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class FakeCompletions:
    """Answers every request with one word; remembers what it was asked."""

    asked: list[ChatRequest] = field(default_factory=list)
    fails: bool = False

    async def open(self, request: ChatRequest, grant: Grant, *, is_read_whole: bool = False) -> OpenCompletion:
        self.asked.append(request)
        head = CompletionHead(
            id=f"00000000-0000-4000-8000-{len(self.asked):012d}",
            created=int(START.timestamp()),
            model="m",
            system_fingerprint="fp_0",
        )

        async def rest():
            if self.fails:
                raise Unavailable
            yield Chunk(0, USAGE, finish_reason=FinishReason.STOP)

        return OpenCompletion(head, USAGE, ChunkStream(Chunk(0, USAGE, text="Yes"), rest()), Timing())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(DatabaseOptions(), data_dir=tmp_path)
    yield opened
    opened.close()


@dataclass
class Kept:
    """Responses with a clock that can be set."""

    database: Database
    grant: Grant
    completions: FakeCompletions
    now: datetime = START
    options: ResponsesOptions = field(default_factory=ResponsesOptions)

    @property
    def responses(self) -> Responses:
        return Responses(self.database, self.options, completions=self.completions, now=lambda: self.now)

    async def say(self, text: str, *, previous_id: str | None = None, store: bool = True) -> str:
        """Ask, read the answer to its end and return its id."""
        chat = ChatRequest(model="m", messages=(Message(Role.USER, (TextPart(text),)),))
        request = ResponseRequest(chat, previous_id=previous_id, store=store)
        opened = await self.responses.open(request, self.grant)
        return (await opened.fold()).head.id


@pytest.fixture
def kept(database: Database) -> Kept:
    key = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="a").key
    return Kept(database, Grant(key=key, endpoint="chat", request_id="r"), FakeCompletions())


async def test_a_long_conversation_is_read_in_order(kept: Kept):
    """Forty turns, oldest first, each followed by its answer."""
    last = None
    for turn in range(40):
        last = await kept.say(f"turn {turn}", previous_id=last)
    texts = [part.text for message in kept.completions.asked[-1].messages for part in message.parts]
    assert texts == [text for turn in range(39) for text in (f"turn {turn}", "Yes")] + ["turn 39"]


async def test_two_may_go_on_from_one(kept: Kept):
    """A conversation may fork; each branch sees its own turns."""
    first = await kept.say("first")
    await kept.say("left", previous_id=first)
    await kept.say("right", previous_id=first)
    assert [m.parts[0].text for m in kept.completions.asked[-1].messages] == ["first", "Yes", "right"]


async def test_an_expired_response_is_gone_and_swept(kept: Kept):
    """At its time it is not found any more, and the sweep takes it out of the file, not earlier."""
    first = await kept.say("first")
    kept.now = START + timedelta(days=29)
    assert await kept.responses.sweep() == 0
    kept.now = START + timedelta(days=30)
    with pytest.raises(NotFound):
        await kept.responses.find(first, kept.grant)
    assert await kept.responses.sweep() == 1
    rows = await kept.database.read(lambda c: c.exec_driver_sql("SELECT id FROM responses").all())
    assert rows == []


async def test_a_long_row_of_expired_responses_is_swept_whole(kept: Kept):
    """Some at a time, until none is left."""

    def insert_all(connection: Connection) -> None:
        for number in range(501):
            row = ResponseRow(f"r{number}", kept.grant.team_id, None, START, START + timedelta(days=1), b"x")
            insert_response(connection, row)

    kept.database.run(insert_all)
    kept.now = START + timedelta(days=2)
    assert await kept.responses.sweep() == 501


async def test_a_team_without_room_is_told_before_the_work(kept: Kept):
    """The refusal names what to delete; with store false the request is answered."""
    kept.options = ResponsesOptions(team_bytes=1000)
    await kept.say("x" * 500)
    with pytest.raises(InvalidArgument, match="stored responses take"):
        await kept.say("x" * 500)
    await kept.say("x" * 500, store=False)
    assert len(kept.completions.asked) == 2


async def test_what_is_deleted_makes_room(kept: Kept):
    """A deleted response counts no more."""
    kept.options = ResponsesOptions(team_bytes=1000)
    await kept.responses.delete(await kept.say("x" * 500), kept.grant)
    await kept.say("x" * 500)


async def test_a_conversation_grows_up_to_its_limit(kept: Kept):
    """Earlier turns count too."""
    kept.options = ResponsesOptions(conversation_bytes=1000)
    first = await kept.say("x" * 600)
    with pytest.raises(InvalidArgument, match="The conversation is larger than the 1,000 bytes"):
        await kept.say("x" * 600, previous_id=first)


async def test_a_failed_answer_is_not_stored(kept: Kept):
    """Half an answer cannot be gone on from."""
    kept.completions.fails = True
    with pytest.raises(Unavailable):
        await kept.say("first")
    with pytest.raises(NotFound):
        await kept.responses.find("00000000-0000-4000-8000-000000000001", kept.grant)


async def test_closing_the_chunks_closes_the_completion(kept: Kept):
    """A client that leaves ends the generation also of a response that would have been stored."""
    request = ResponseRequest(ChatRequest(model="m", messages=(Message(Role.USER, (TextPart("x"),)),)))
    opened = await kept.responses.open(request, kept.grant)
    async with aclosing(opened.chunks):
        assert (await anext(opened.chunks)).text == "Yes"
    with pytest.raises(NotFound):
        await kept.responses.find(opened.head.id, kept.grant)


async def test_a_database_that_cannot_be_reached_is_unavailable(kept: Kept):
    """In words that say nothing about the inside."""
    kept.database.run(lambda c: c.exec_driver_sql("DROP TABLE responses"))
    with pytest.raises(Unavailable) as caught:
        await kept.responses.find("x", kept.grant)
    assert "SELECT" not in caught.value.sentence
    assert "responses" not in caught.value.sentence


def test_a_response_comes_back_from_its_bytes():
    """Every field of request and completion, images as they were written."""
    reference = ImageReference(url=memoryview(b"data:image/png;base64,aGk="), detail=Detail.LOW, where="input[0]")
    chat = ChatRequest(
        model="m",
        messages=(
            Message(Role.USER, (TextPart("See"), ImagePart(reference)), name="n"),
            Message(Role.ASSISTANT, (), tool_calls=(ToolCall("c", "f", "{}"),)),
            Message(Role.TOOL, (TextPart("ok"),), tool_call_id="c"),
        ),
        tools=(Tool("f", "d", "{}"),),
        user="u",
    )
    choice = Choice(0, "Yes", "Hm.", (), (), FinishReason.STOP, stop_sequence="END")
    stored = StoredResponse(
        request=ResponseRequest(chat, instructions="Be brief", previous_id="p", metadata=(("a", "b"),)),
        completion=Completion(CompletionHead("id", 1, "m", "fp_0"), (choice,), USAGE),
        completed_at=START,
        expires_at=START + timedelta(days=30),
    )
    assert unpack_response(pack_response(stored)) == stored


@pytest.mark.parametrize("data", [b"", b"\x81\xa7version\x02", b"not msgpack"])
def test_bytes_of_another_version_are_our_own_failure(data: bytes):
    """A row that this release cannot read is said to be one."""
    with pytest.raises(InternalFailure, match="another version"):
        unpack_response(data)
