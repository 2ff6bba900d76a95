"""`/v1/responses`: items in, items and numbered events out; what was stored can be read, gone on from and deleted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.chat import ImagePart, Role, TextPart, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Failure, Unavailable
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_responses import parse_responses
from vitrail.http_api.wire_responses import ResponsesRequest

KINDS = ["message", "function_call", "function_call_output", "input_text", "input_image", "user", "assistant"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "image_url", "role", "content", "name", "format"]), inner)
    ),
    max_leaves=8,
)
WEATHER = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}
CALL = ToolCall(id="call_1", name="weather", arguments='{"city":"Bern"}')


def ask(surface, key=None, **fields):
    """Send a request with a good key."""
    body = {"model": "fake-vision-1", "input": "Hi there", **fields}
    return surface.client.post("/v1/responses", json=body, headers=key or surface.key)


def parse(**fields):
    """Return the request that a body becomes."""
    return parse_responses(
        json.dumps({"model": "fake-vision-1", "input": "Hi there", **fields}).encode(), HttpOptions()
    )[0]


def key_of_another_team(surface) -> dict[str, str]:
    """Return the headers of a key of a new team."""
    secret = surface.keyring.create(name="other", team=str(uuid.uuid4())).secret
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def read_numbered(read_events):
    """Return a parser of a stream's events, which checks that numbers count up and names are types."""

    def read(text: str):
        names = [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event: ")]
        events = [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]
        assert names == [event["type"] for event in events]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        return events

    return read


async def test_a_whole_response_has_the_recorded_shape(surface):
    """A bare UUID, one message item, the fingerprint in the metadata, and what was asked for shown again."""
    response = (await ask(surface, instructions="Be brief", temperature=0.5, metadata={"a": "b"})).json()
    assert uuid.UUID(response["id"]) and response["object"] == "response"
    assert (response["status"], response["error"], response["incomplete_details"]) == ("completed", None, None)
    assert response["output"] == [
        {
            "type": "message",
            "id": f"msg_{response['id']}",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello world", "annotations": [], "logprobs": []}],
            "status": "completed",
        }
    ]
    assert response["metadata"]["a"] == "b" and response["metadata"]["system_fingerprint"].startswith("fp_")
    assert (response["instructions"], response["temperature"], response["store"]) == ("Be brief", 0.5, True)
    assert response["completed_at"] >= response["created_at"]
    prompt = surface.engine.prompts[0]
    assert [(m.role, m.text) for m in prompt.messages] == [(Role.SYSTEM, "Be brief"), (Role.USER, "Hi there")]


async def test_usage_has_reasoning_in_the_output(surface, png):
    """Input is text and images; output includes reasoning, which is an item before the message."""
    surface.engine.script = [
        ReasoningPiece("Hm.", tokens=3),
        TextPiece("Blue.", tokens=2),
        FinishPiece(FinishReason.STOP, cached_tokens=1),
    ]
    content = [{"type": "input_image", "image_url": png, "detail": "low"}, {"type": "input_text", "text": "Colour?"}]
    response = (await ask(surface, input=[{"role": "user", "content": content}])).json()
    usage = response["usage"]
    assert usage["input_tokens"] == 256 + 1 and usage["input_tokens_details"]["image_tokens"] == 256
    assert usage["input_tokens_details"]["cached_tokens"] == 1
    assert (usage["output_tokens"], usage["output_tokens_details"]["reasoning_tokens"]) == (5, 3)
    assert usage["total_tokens"] == 257 + 5
    reasoning, message = response["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert message["content"][0]["text"] == "Blue."


async def test_an_answer_that_was_cut_is_incomplete(surface, read_numbered):
    """At max_output_tokens the response says so, whole and streamed."""
    surface.engine.script = [TextPiece("Hel"), FinishPiece(FinishReason.LENGTH)]
    response = (await ask(surface, max_output_tokens=1)).json()
    last = read_numbered((await ask(surface, max_output_tokens=1, stream=True)).text)[-1]
    assert last["type"] == "response.incomplete"
    for incomplete in (response, last["response"]):
        assert (incomplete["status"], incomplete["output"][0]["status"]) == ("incomplete", "incomplete")
        assert incomplete["incomplete_details"] == {"reason": "max_output_tokens"}


async def test_a_stream_has_the_recorded_events_in_order(surface, read_numbered):
    """Created, in progress, the item and its part filled and completed, then the whole response."""
    answer = await ask(surface, stream=True)
    events = read_numbered(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["delta"] for event in events[4:6]] == ["Hello", " world"]
    assert events[6]["text"] == events[7]["part"]["text"] == "Hello world"
    assert {event["item_id"] for event in events[3:8]} == {events[8]["item"]["id"]}
    assert events[0]["response"]["status"] == "in_progress" and events[0]["response"]["output"] == []
    assert events[-1]["response"]["usage"]["output_tokens"] == 2


async def test_items_of_a_stream_come_one_after_the_other(surface, read_numbered):
    """Reasoning, text and two calls are four items; the last event has them all, as a plain answer would."""
    second = ToolCall("call_2", "weather", "{}")
    surface.engine.script = [
        ReasoningPiece("Hm."),
        TextPiece("Let me see."),
        ToolCallPiece(CALL),
        ToolCallPiece(second),
        FinishPiece(FinishReason.TOOL_CALLS),
    ]
    events = read_numbered((await ask(surface, stream=True, tools=[WEATHER])).text)
    items = [(e["type"].rpartition(".")[2], e["output_index"], e["item"]["type"]) for e in events if "item" in e]
    kinds = ["reasoning", "message", "function_call", "function_call"]
    assert items == [(step, index, kind) for index, kind in enumerate(kinds) for step in ("added", "done")]
    arguments = [e for e in events if e["type"].startswith("response.function_call_arguments")]
    assert arguments[0]["delta"] == arguments[1]["arguments"] == '{"city":"Bern"}'
    streamed = events[-1]["response"]["output"]
    read_again = await surface.client.get(f"/v1/responses/{events[-1]['response']['id']}", headers=surface.key)
    assert read_again.json()["output"] == streamed
    assert streamed[2]["call_id"] == "call_1" and len({item["id"] for item in streamed}) == 4


async def test_m04_a_failure_midway_is_a_failed_response(surface, read_numbered):
    """M04: the last event says what failed; nothing is stored."""
    surface.engine.script = [TextPiece("Half"), Unavailable("The engine stopped.")]
    last = read_numbered((await ask(surface, stream=True)).text)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "The engine stopped."}
    answer = await surface.client.get(f"/v1/responses/{last['response']['id']}", headers=surface.key)
    assert answer.status_code == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_is_stored_when_it_arrived_whole(surface, read_numbered, stream):
    """What can be read afterwards is what was sent."""
    answer = await ask(surface, stream=stream, tools=[WEATHER], user="u1")
    response = read_numbered(answer.text)[-1]["response"] if stream else answer.json()
    read_again = await surface.client.get(f"/v1/responses/{response['id']}", headers=surface.key)
    assert read_again.json() == response


async def test_a_response_with_store_false_is_not_kept(surface):
    """Nothing is left of it."""
    response = (await ask(surface, store=False)).json()
    assert response["store"] is False
    answer = await surface.client.get(f"/v1/responses/{response['id']}", headers=surface.key)
    assert answer.status_code == 404
    assert answer.json()["code"] == "Some requested entity was not found"


async def test_previous_response_id_goes_on_from_the_stored_turns(surface, png):
    """Every earlier turn and answer is before the new one, images too; earlier instructions are not."""
    content = [{"type": "input_image", "image_url": png}, {"type": "input_text", "text": "First"}]
    first = (await ask(surface, input=[{"role": "user", "content": content}], instructions="Old")).json()
    second = (await ask(surface, input="Second", previous_response_id=first["id"])).json()
    third = (await ask(surface, input="Third", previous_response_id=second["id"], instructions="New")).json()
    prompt = surface.engine.prompts[-1]
    assert [message.text for message in prompt.messages] == [
        "New",
        "First",
        "Hello world",
        "Second",
        "Hello world",
        "Third",
    ]
    assert len(prompt.images) == 1 and third["previous_response_id"] == second["id"]
    assert third["usage"]["input_tokens_details"]["image_tokens"] == 768


async def test_a_function_result_may_answer_a_stored_call(surface):
    """The call is in the stored turn, the result in the new one."""
    surface.engine.script = [ToolCallPiece(CALL), FinishPiece(FinishReason.TOOL_CALLS)]
    first = (await ask(surface, tools=[WEATHER])).json()
    result = {"type": "function_call_output", "call_id": "call_1", "output": "Rain"}
    surface.engine.script = [TextPiece("Rain."), FinishPiece(FinishReason.STOP)]
    await ask(surface, input=[result], previous_response_id=first["id"], tools=[WEATHER])
    user, assistant, tool = surface.engine.prompts[-1].messages
    assert (user.role, assistant.tool_calls, tool.tool_call_id) == (Role.USER, (CALL,), "call_1")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_teams_response_is_404(surface, method):
    """Reading, deleting and going on need the team's own key."""
    response_id = (await ask(surface)).json()["id"]
    theirs = key_of_another_team(surface)
    answer = await surface.client.request(method, f"/v1/responses/{response_id}", headers=theirs)
    gone_on = await ask(surface, key=theirs, previous_response_id=response_id)
    assert answer.status_code == gone_on.status_code == 404
    assert "(at previous_response_id)" in gone_on.json()["error"]
    assert (await surface.client.get(f"/v1/responses/{response_id}", headers=surface.key)).status_code == 200


async def test_a_deleted_response_is_gone(surface):
    """Deleting tells the id once; then it is 404, and a conversation that has lost a part cannot be gone on from."""
    first = (await ask(surface)).json()["id"]
    second = (await ask(surface, previous_response_id=first)).json()["id"]
    deleted = await surface.client.delete(f"/v1/responses/{first}", headers=surface.key)
    assert deleted.json() == {"id": first, "object": "response", "deleted": True}
    assert (await surface.client.delete(f"/v1/responses/{first}", headers=surface.key)).status_code == 404
    answer = await ask(surface, previous_response_id=second)
    assert answer.status_code == 404 and "An earlier part of this conversation" in answer.json()["error"]


async def test_a_response_expires(surface):
    """After its days a response is as if it had never been, and the next one sweeps it away."""
    response_id = (await ask(surface)).json()["id"]
    responses = surface.services.responses
    responses._now = lambda: datetime.now(UTC) + timedelta(days=30, seconds=5)
    answer = await surface.client.get(f"/v1/responses/{response_id}", headers=surface.key)
    assert answer.status_code == 404


async def test_a_conversation_that_is_too_large_to_store_is_refused_before_the_work(surface):
    """The refusal names the way out, and with store false the same request is answered."""
    long = "word " * 5000
    refused = await ask(surface, input=long)
    assert refused.status_code == 400 and '"store": false' in refused.json()["error"]
    assert surface.engine.prompts == []
    assert (await ask(surface, input=long, store=False)).status_code == 200


@pytest.mark.parametrize(("store", "counted"), [(True, True), (False, False)])
async def test_a_body_that_will_be_stored_is_counted_to_the_end(open_surface, store, counted):
    """The bytes of a body stay on the budget for as long as they are held, and not a moment longer."""
    surface = open_surface(small_body_bytes=0)
    gate = asyncio.Event()
    surface.engine.script = [TextPiece("First"), gate, FinishPiece(FinishReason.STOP)]
    for stream in (True, False):
        gate.clear()
        surface.engine.waits.clear()
        asking = asyncio.create_task(ask(surface, stream=stream, store=store))
        await surface.engine.waits.wait()
        held_bytes = surface.app._bodies.held_bytes
        gate.set()
        assert (await asking).status_code == 200
        assert (held_bytes > 0) is counted
        assert surface.app._bodies.held_bytes == 0


def test_items_become_messages_in_order():
    """Messages with and without a type, calls, results and reasoning."""
    items = [
        {"role": "developer", "content": "Be brief"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
        },
        {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call", "call_id": "b", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "Rain"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "Sun"}]},
    ]
    messages = parse(input=items).chat.messages
    assert [message.role for message in messages] == [
        Role.DEVELOPER,
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.TOOL,
    ]
    assert messages[2].parts == (TextPart("I look."),)
    assert [call.id for call in messages[2].tool_calls] == ["a", "b"]
    assert [message.parts[0].text for message in messages[3:]] == ["Rain", "Sun"]


def test_an_image_is_a_reference_with_its_place():
    """The same reference as on the chat route; errors will name the path in this body."""
    part = {"type": "input_image", "image_url": "https://img.example/a.jpg", "detail": "low"}
    (found,) = parse(input=[{"role": "user", "content": [part]}]).chat.messages[0].parts
    assert isinstance(found, ImagePart) and found.reference.detail == "low"
    assert bytes(found.reference.url) == b"https://img.example/a.jpg"
    assert found.reference.where == "input[0].content[0].image_url"


def test_a_picture_that_a_function_gave_follows_its_result(png):
    """Engines take pictures in user messages only."""
    output = [{"type": "input_image", "image_url": png}]
    items = [
        {"type": "function_call", "call_id": "a", "name": "snap", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": output},
    ]
    messages = parse(input=items).chat.messages
    assert [message.role for message in messages] == [Role.ASSISTANT, Role.TOOL, Role.USER]
    assert messages[2].parts[0].reference.where == "input[1].output[0].image_url"


def test_options_become_sampling_format_and_tools():
    """What both APIs have ends in the same values."""
    schema = {"type": "json_schema", "name": "colour", "schema": {"type": "object"}, "strict": True}
    request = parse(
        max_output_tokens=64,
        temperature=0.5,
        top_p=0.9,
        text={"format": schema, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        tools=[WEATHER],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        include=["reasoning.encrypted_content"],
        truncation="auto",
    )
    sampling = request.chat.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (64, 0.5, 0.9)
    assert (request.chat.response_format.name, request.chat.response_format.schema) == ("colour", '{"type": "object"}')
    assert request.chat.tool_choice == ToolChoice(ToolMode.REQUIRED, name="weather")
    assert (request.chat.reasoning_effort, request.chat.parallel_tool_calls, request.store) == ("high", False, True)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"input": []}, 400, "`input` is empty"),
        ({"input": 5}, 422, "input: expected array, got integer"),
        ({"input": [{"type": "computer_call"}]}, 400, "Items of type 'computer_call' are not available"),
        ({"input": [{"role": "king", "content": "x"}]}, 422, "input[0].role: expected `user`"),
        ({"input": [{"role": "user", "content": []}]}, 400, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 422, "input[0].content[0].image_url"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            400,
            "input[0].content[0].file_id",
        ),
        ({"tools": [{"type": "web_search"}]}, 400, "Tools of type 'web_search' are not available"),
        ({"tools": [{"type": "function"}]}, 422, "tools[0]: missing field `name`"),
        ({"max_output_tokens": 0}, 400, "`max_output_tokens` must be between 1"),
        ({"background": True}, 400, "`background` is not available"),
        ({"conversation": "conv_1"}, 400, "`conversation` is not available"),
        ({"metadata": {str(i): "" for i in range(17)}}, 400, "`metadata` may have 16 entries"),
        ({"previous_response_id": "no-such"}, 404, "The response 'no-such' does not exist"),
    ],
)
async def test_a_refusal_names_what_is_wrong(surface, fields, status, words):
    """The flat body of the xAI API, with the path in this body; nothing is generated."""
    answer = await ask(surface, **fields)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert surface.engine.prompts == []


@pytest.mark.parametrize("response_id", ["%00", "' OR 1=1 --", "x" * 10_000, "%C3%A9", "%ED%A0%80"])
async def test_t06_an_id_that_is_none_is_404(surface, response_id):
    """T06: whatever stands in its place, no statement is made of it."""
    answer = await surface.client.get(f"/v1/responses/{response_id}", headers=surface.key)
    assert answer.status_code == 404
    assert (await ask(surface, previous_response_id="\u0000")).status_code == 404


@given(value=JSON, name=st.sampled_from([field.name for field in msgspec.structs.fields(ResponsesRequest)]))
def test_any_value_of_any_field_is_parsed_or_refused(value, name):
    """No JSON makes the parser fail in a way of its own."""
    with contextlib.suppress(Failure):
        parse(**{name: value})


@given(item=st.dictionaries(st.sampled_from(["type", "role", "content", "output", "call_id"]), JSON))
def test_any_item_is_parsed_or_refused(item):
    """Items are decoded one by one, each by its own kind."""
    with contextlib.suppress(Failure):
        parse(input=[item])
