"""`POST /v1/messages` and its neighbours: Anthropic's shape in, Anthropic's shape and events out."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain import errors
from vitrail.domain.chat import ImagePart, Role, TextPart, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import Choice, Completion, CompletionHead, FinishReason, Usage
from vitrail.domain.errors import Unavailable
from vitrail.domain.pictures import Detail
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.http_api.errors import ERROR_KINDS
from vitrail.http_api.errors_anthropic import ERROR_TYPES, render_anthropic_failure
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_anthropic import parse_anthropic
from vitrail.http_api.render_anthropic import render_message
from vitrail.http_api.wire_anthropic import MessagesRequest

KINDS = ["text", "image", "tool_use", "tool_result", "thinking", "base64", "url", "image/png", "any", "tool"]
KEYS = ["type", "text", "source", "data", "media_type", "url", "id", "name", "input", "tool_use_id", "content"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)
WEATHER = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
CALL = ToolCall(id="call_1", name="weather", arguments='{"city":"Bern"}')


def asked(**fields):
    """Return a request body."""
    return {
        "model": "fake-vision-1",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hi there"}],
        **fields,
    }


def parse(**fields):
    """Return the chat request that a body becomes."""
    return parse_anthropic(json.dumps(asked(**fields)).encode(), HttpOptions())[0]


def ask(surface, path="/v1/messages", headers=None, **fields):
    """Send a request with a good key."""
    return surface.client.post(path, json=asked(**fields), headers=headers or surface.key)


def image(png: str) -> dict:
    """Return a data URI as an image block."""
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png.partition(",")[2]}}


@pytest.fixture
def read_named(read_events):
    """Return a parser of named events: (name, value) pairs; the name and the type of a value are the same."""

    def read(text: str):
        names = [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event: ")]
        values = [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]
        assert names == [value["type"] for value in values]
        return values

    return read


async def test_a_whole_answer_has_anthropics_shape(surface):
    """Every field of the message, the resolved model's name, and the request id under the SDKs' header."""
    answer = await ask(surface, model="grok-2-vision-latest")
    message = answer.json()
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert message.pop("id")
    assert message == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hello world"}],
        "model": "fake-vision-1",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 2,
            "output_tokens": 2,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


async def test_the_key_may_be_in_x_api_key(surface):
    """Older SDKs send the key in X-Api-Key."""
    assert (await ask(surface, headers={"x-api-key": surface.secret})).status_code == 200


async def test_usage_has_images_in_the_input_and_reasoning_in_the_output(surface, png):
    """Input and cached input together are text and image tokens; output tokens include reasoning."""
    surface.engine.script = [
        ReasoningPiece("Hm.", tokens=3),
        TextPiece("Blue.", tokens=2),
        FinishPiece(FinishReason.STOP, cached_tokens=1),
    ]
    content = [image(png), {"type": "text", "text": "What is this?"}]
    usage = (await ask(surface, messages=[{"role": "user", "content": content}])).json()["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == 768 + 3
    assert usage["cache_read_input_tokens"] == 1
    assert usage["output_tokens"] == 5


@pytest.mark.parametrize(
    ("thinking", "kinds"),
    [
        (None, ["text"]),
        ({"type": "disabled"}, ["text"]),
        ({"type": "enabled", "budget_tokens": 9}, ["thinking", "text"]),
    ],
)
async def test_reasoning_is_shown_when_thinking_is_on(surface, thinking, kinds):
    """Clients that did not ask for thinking read the text in the first block."""
    surface.engine.script = [ReasoningPiece("Hm."), TextPiece("Yes"), FinishPiece(FinishReason.STOP)]
    message = (await ask(surface, thinking=thinking)).json()
    assert [block["type"] for block in message["content"]] == kinds


@pytest.mark.parametrize(
    ("finish", "reason", "sequence"),
    [
        (FinishPiece(FinishReason.STOP), "end_turn", None),
        (FinishPiece(FinishReason.LENGTH), "max_tokens", None),
        (FinishPiece(FinishReason.STOP, stop_sequence="END"), "stop_sequence", "END"),
    ],
)
async def test_the_stop_reason_says_why_it_ended(surface, read_named, finish, reason, sequence):
    """The reason and the stop sequence that was met, in a whole answer and in a stream."""
    surface.engine.script = [TextPiece("Yes"), finish]
    message = (await ask(surface)).json()
    events = read_named((await ask(surface, stream=True)).text)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
    assert events[-2]["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


async def test_a_tool_call_has_its_input_as_an_object(surface):
    """A turn of only calls has no text block; the input is JSON, not text."""
    surface.engine.script = [ToolCallPiece(CALL), FinishPiece(FinishReason.TOOL_CALLS)]
    message = (await ask(surface, tools=[WEATHER])).json()
    assert message["content"] == [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Bern"}}]
    assert message["stop_reason"] == "tool_use"


def test_arguments_that_were_cut_are_wrapped():
    """Also where a call was cut in the middle, the input is an object."""
    call = ToolCall("c", "weather", '{"city"')
    choice = Choice(0, "", "", (call,), (), FinishReason.LENGTH)
    completion = Completion(CompletionHead("id", 1, "m", "fp"), (choice,), Usage(text_tokens=1, image_tokens=0))
    content = json.loads(msgspec.json.encode(render_message(completion, shows_thinking=False)))["content"]
    assert content == [{"type": "tool_use", "id": "c", "name": "weather", "input": {"INVALID_JSON": '{"city"'}}]


async def test_an_answer_without_anything_has_one_empty_text(surface):
    """Clients read the first block without looking whether there is one."""
    surface.engine.script = [FinishPiece(FinishReason.STOP)]
    assert (await ask(surface)).json()["content"] == [{"type": "text", "text": ""}]


async def test_a_stream_has_anthropics_events_in_order(surface, read_named):
    """Start, a block with its parts, the end with the usage; every event named by its type."""
    answer = await ask(surface, stream=True)
    events = [event for event in read_named(answer.text) if event["type"] != "ping"]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["content"] == [] and events[0]["message"]["usage"]["input_tokens"] == 2
    assert [event["delta"]["text"] for event in events[2:4]] == ["Hello", " world"]
    assert events[-2]["usage"]["output_tokens"] == 2


async def test_blocks_of_a_stream_are_opened_and_closed_one_by_one(surface, read_named):
    """Thinking, text and two calls are four blocks, numbered from 0."""
    second = ToolCall("call_2", "weather", "{}")
    surface.engine.script = [
        ReasoningPiece("Hm."),
        TextPiece("Let me see."),
        ToolCallPiece(CALL),
        ToolCallPiece(second),
        FinishPiece(FinishReason.TOOL_CALLS),
    ]
    answer = await ask(surface, stream=True, tools=[WEATHER], thinking={"type": "adaptive"})
    events = [event for event in read_named(answer.text) if "index" in event]
    assert [(event["type"].removeprefix("content_block_"), event["index"]) for event in events] == [
        (step, index) for index in range(4) for step in ("start", "delta", "stop")
    ]
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [block["type"] for block in starts] == ["thinking", "text", "tool_use", "tool_use"]
    assert starts[2] == {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}
    assert events[7]["delta"] == {"type": "input_json_delta", "partial_json": '{"city":"Bern"}'}


async def test_m04_a_failure_midway_is_an_error_event_and_the_last(surface, read_named):
    """M04: the error in Anthropic's shape ends the stream; `message_stop` does not come."""
    surface.engine.script = [TextPiece("Half"), Unavailable("The engine stopped.")]
    events = read_named((await ask(surface, stream=True)).text)
    assert events[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "The engine stopped."}}
    assert "message_stop" not in {event["type"] for event in events}


async def test_a_silent_stream_gets_pings(open_surface):
    """While the engine thinks, ping events keep proxies from closing the stream."""
    surface = open_surface(keep_alive_seconds=0.02)
    gate = asyncio.Event()
    surface.engine.script = [TextPiece("First"), gate, FinishPiece(FinishReason.STOP)]
    async with _streamed(surface) as answer:
        lines = answer.aiter_lines()
        seen = 0
        while seen < 2:  # the first one comes with the beginning
            seen += await anext(lines) == "event: ping"
        gate.set()
        rest = [line async for line in lines if line.startswith("event:")]
    assert rest[-1] == "event: message_stop"


@contextlib.asynccontextmanager
async def _streamed(surface):
    async with (
        surface.serve() as address,
        httpx2.AsyncClient(headers=surface.key) as client,
        client.stream("POST", f"http://{address}/v1/messages", json=asked(stream=True)) as answer,
    ):
        yield answer


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_the_system_prompt_is_the_first_message(system):
    """As a string or as blocks; cache marks on a block are ignored."""
    messages = parse(system=system).messages
    assert [message.role for message in messages] == [Role.SYSTEM, Role.USER]
    assert messages[0].parts == (TextPart("Be brief."),)


def test_base64_data_becomes_a_data_uri_with_its_place():
    """The image is the same reference as on the chat route; errors will name the path in this body."""
    source = {"type": "base64", "media_type": "image/jpeg", "data": "aGk="}
    (part,) = parse(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}]).messages[0].parts
    assert isinstance(part, ImagePart) and part.reference.detail is Detail.AUTO
    assert bytes(part.reference.url) == b"data:image/jpeg;base64,aGk="
    assert part.reference.where == "messages[0].content[0].source.data"


def test_a_url_source_is_a_view_with_its_place():
    """An address goes through as it is."""
    source = {"type": "url", "url": "https://img.example/a.jpg"}
    content = [{"type": "text", "text": "See"}, {"type": "image", "source": source}]
    part = parse(messages=[{"role": "user", "content": content}]).messages[0].parts[1]
    assert bytes(part.reference.url) == b"https://img.example/a.jpg"
    assert part.reference.where == "messages[0].content[1].source.url"


def test_a_tool_round_trip_becomes_calls_and_results(png):
    """Results are messages of the tool; their pictures come in the user message after them all."""
    turns = [
        {"role": "user", "content": "Look"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "x"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "a", "name": "snap", "input": {"n": 1}},
                {"type": "tool_use", "id": "b", "name": "snap", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [image(png)]},
                {"type": "tool_result", "tool_use_id": "b", "content": "dark", "is_error": True},
                {"type": "text", "text": "Well?"},
            ],
        },
    ]
    messages = parse(messages=turns).messages
    assert [message.role for message in messages] == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.TOOL, Role.USER]
    assert [call.arguments for call in messages[1].tool_calls] == ['{"n": 1}', "{}"]
    assert [message.tool_call_id for message in messages[2:4]] == ["a", "b"]
    assert messages[3].parts == (TextPart("dark"),)
    picture, text = messages[4].parts
    assert picture.reference.where == "messages[2].content[0].content[0].source.data"
    assert text == TextPart("Well?")


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice(ToolMode.AUTO), True),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(ToolMode.REQUIRED), False),
        ({"type": "none"}, ToolChoice(ToolMode.NONE), True),
        ({"type": "tool", "name": "weather"}, ToolChoice(ToolMode.REQUIRED, name="weather"), True),
    ],
)
def test_tool_choices_are_those_of_the_chat_route(choice, expected, parallel):
    """Four kinds of choice, and whether several calls may come at once."""
    request = parse(tools=[WEATHER], tool_choice=choice)
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)
    assert (request.tools[0].name, request.tools[0].parameters) == ("weather", '{"type": "object"}')


def test_options_become_sampling_format_and_user():
    """What both APIs have ends in the same values."""
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    request = parse(
        temperature=0.5,
        top_p=0.9,
        stop_sequences=["END"],
        metadata={"user_id": "u1"},
        output_config={"effort": "low", "format": schema},
        top_k=5,
        service_tier="auto",
    )
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.stop) == (64, 0.5, 0.9, ("END",))
    assert (request.user, request.reasoning_effort) == ("u1", "low")
    assert request.response_format.schema == '{"type": "object"}'


@pytest.mark.parametrize(
    ("fields", "status", "kind", "words"),
    [
        ({"model": "grok-99"}, 404, "not_found_error", "The model grok-99 does not exist"),
        ({"max_tokens": None}, 422, "invalid_request_error", "max_tokens: expected integer, got null"),
        ({"max_tokens": 0}, 400, "invalid_request_error", "`max_tokens` must be between 1"),
        ({"messages": []}, 400, "invalid_request_error", "`messages` is empty"),
        ({"messages": [{"role": "user", "content": []}]}, 400, "invalid_request_error", "messages[0].content"),
        ({"messages": [{"role": "king", "content": "x"}]}, 422, "invalid_request_error", "messages[0].role: expected"),
        ({"stop_sequences": ["a"] * 5}, 400, "invalid_request_error", "`stop_sequences` may have 4"),
        ({"tools": [{"type": "web_search_20250305", "name": "s"}]}, 400, "invalid_request_error", "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool"}}, 422, "invalid_request_error", "missing field `name`"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]},
            400,
            "invalid_request_error",
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": 5}}]}]},
            422,
            "invalid_request_error",
            "messages[0].content[0].source.url: expected string, got number",
        ),
    ],
)
async def test_refusals_have_anthropics_shape(surface, fields, status, kind, words):
    """The status of every surface, the type that belongs to it, and the path in this body."""
    answer = await ask(surface, **fields)
    body = answer.json()
    assert (answer.status_code, body["type"], body["error"]["type"]) == (status, "error", kind)
    assert words in body["error"]["message"]
    assert surface.engine.prompts == []


async def test_max_tokens_is_required(surface):
    """A body without max_tokens is refused by name."""
    body = {name: value for name, value in asked().items() if name != "max_tokens"}
    answer = await surface.client.post("/v1/messages", json=body, headers=surface.key)
    assert answer.status_code == 422 and "missing field `max_tokens`" in answer.json()["error"]["message"]


async def test_a_bad_image_names_its_place_in_this_body(surface):
    """Base64 that is not an image is refused with the path of its data."""
    source = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    answer = await ask(surface, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
    assert answer.status_code == 400
    assert "messages[0].content[0].source.data" in answer.json()["error"]["message"]


async def test_other_media_types_are_refused(surface):
    """A GIF is not an accepted image, whatever its bytes."""
    source = {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}
    answer = await ask(surface, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
    assert answer.status_code == 400 and "image/gif" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/complete"])
async def test_a_wrong_method_has_anthropics_shape_too(surface, path):
    """Also what no handler saw is refused in the shape of the route."""
    answer = await surface.client.get(path, headers=surface.key)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["type"] == "error"


async def test_busy_is_overloaded_with_retry_after(surface):
    """The SDKs wait for the seconds of Retry-After and try again."""
    surface.engine.script = [Unavailable("Busy.", retry_after_seconds=2.2)]
    answer = await ask(surface)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["error"] == {"type": "overloaded_error", "message": "Busy."}


def test_the_table_has_a_type_for_every_status():
    """Total over the statuses of all failures, and no others."""
    assert set(ERROR_TYPES) == {kind.status for kind in ERROR_KINDS.values()}
    for cls in ERROR_KINDS:
        assert json.loads(render_anthropic_failure(cls()).body)["error"]["type"] == ERROR_TYPES[ERROR_KINDS[cls].status]
    assert render_anthropic_failure(errors.RateLimited(retry_after_seconds=1)).headers["retry-after"] == "1"


async def test_count_tokens_counts_text_and_tiles_without_asking_the_engine(surface, png):
    """Text by the tokenizer, images by the tile rule; nothing is generated, and max_tokens is not needed."""
    content = [image(png), {"type": "text", "text": "What is this?"}]
    body = {"model": "fake-vision-1", "system": "Be brief", "messages": [{"role": "user", "content": content}]}
    answer = await surface.client.post("/v1/messages/count_tokens", json=body, headers=surface.key)
    assert answer.json() == {"input_tokens": 768 + 3 + 2}
    assert surface.engine.prompts == []


async def test_count_tokens_counts_also_what_is_too_long(surface):
    """Over the context window the count is what the client wants to know."""
    body = {"model": "fake-vision-1", "messages": [{"role": "user", "content": "word " * 9000}]}
    answer = await surface.client.post("/v1/messages/count_tokens", json=body, headers=surface.key)
    assert answer.json() == {"input_tokens": 9000}


@given(value=JSON, name=st.sampled_from([field.name for field in msgspec.structs.fields(MessagesRequest)]))
def test_any_value_of_any_field_is_parsed_or_refused(value, name):
    """No JSON makes the parser fail in a way of its own."""
    with contextlib.suppress(errors.Failure):
        parse(**{name: value})


@given(role=st.sampled_from(["user", "assistant", "system"]), block=JSON)
def test_any_block_is_parsed_or_refused(role, block):
    """Whatever stands in a turn."""
    with contextlib.suppress(errors.Failure):
        parse(messages=[{"role": role, "content": [block]}])
