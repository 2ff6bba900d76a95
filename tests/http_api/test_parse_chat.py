"""A request body becomes a ChatRequest or a Failure, whatever it holds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.chat import ChatRequest, ImagePart, JsonFormat, Role, TextPart, ToolChoice, ToolMode
from vitrail.domain.errors import Failure, InvalidArgument, ShapeMismatch
from vitrail.domain.pictures import Detail
from vitrail.http_api import wire_chat as wire
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_chat import AnswerForm, parse_chat

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def parse(**fields) -> ChatRequest:
    """Parse a small good request with these fields."""
    return parse_all(**fields)[0]


def parse_all(**fields) -> tuple[ChatRequest, AnswerForm]:
    return parse_chat(msgspec.json.encode({"model": "m", "messages": [USER], **fields}), HttpOptions())


def image(url: str = "data:,", **fields) -> dict:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def test_the_defaults_are_those_of_the_api():
    """A request of two fields is one text answer, not streamed, with nothing said about sampling."""
    request, form = parse_all()
    assert (form, request.n) == (AnswerForm(stream=False, include_usage=None, deferred=False), 1)
    assert request.sampling.temperature is None
    assert request.messages[0].parts == (TextPart("Hi"),)


def test_every_optional_field_may_be_null():
    """Null is the same as absent, for every optional field."""
    names = """deferred frequency_penalty presence_penalty logit_bias logprobs top_logprobs max_tokens
        max_completion_tokens n parallel_tool_calls reasoning_effort response_format search_parameters seed stop stream
        stream_options temperature top_p tools tool_choice user web_search_options"""
    assert parse_all(**dict.fromkeys(names.split())) == parse_all()


def test_j18_unknown_fields_are_ignored():
    """J18: fields that steer other servers have no effect, at the top or inside."""
    steering = {"api_base": "http://evil", "mm_hashes": ["x"], "uuid": "u", "user_config": {}, "content_hash": "x"}
    part = {**image(uuid="u"), "content_hash": "x"}
    plain = parse(messages=[{"role": "user", "content": [image()]}])
    assert parse(**steering, messages=[{"role": "user", "content": [part], **steering}]) == plain


def test_parts_keep_their_order_and_know_their_place():
    """Images and text may be mixed; each image knows its path in the request."""
    content = [image("data:a"), {"type": "text", "text": "x"}, image("data:b", detail="low")]
    parts = parse(messages=[USER, {"role": "user", "content": content}]).messages[1].parts
    assert [type(p) for p in parts] == [ImagePart, TextPart, ImagePart]
    assert bytes(parts[2].reference.url) == b"data:b"
    assert parts[2].reference.where == "messages[1].content[2].image_url.url"
    assert (parts[0].reference.detail, parts[2].reference.detail) == (Detail.AUTO, Detail.LOW)


def test_j09_a_null_detail_is_as_absent():
    """J09: `detail: null` counts as auto."""
    parsed = parse(messages=[{"role": "user", "content": [image(detail=None)]}])
    assert parsed.image_references[0].detail is Detail.AUTO


@pytest.mark.parametrize("role", ["system", "developer", "assistant", "tool"])
def test_j10_an_image_outside_a_user_message_is_refused_with_the_role(role):
    """J10: only users send images."""
    message = {"role": role, "content": [image()], "tool_call_id": "1"}
    with pytest.raises(InvalidArgument, match=f"`{role}`.*messages\\[0\\].content\\[0\\]"):
        parse(messages=[message])


def test_j11_the_type_decides_what_a_part_is():
    """J11: an image part with a text field is an image."""
    parsed = parse(messages=[{"role": "user", "content": [{**image(), "text": "x"}]}])
    assert len(parsed.image_references) == 1


def test_roles_come_in_any_order():
    """System last, several systems, two users in a row: all fine; `function` is an old word for `tool`."""
    sent = [USER, USER, {"role": "system", "content": "a"}, {"role": "function", "content": "b", "name": "f"}]
    assert [m.role for m in parse(messages=sent).messages] == [Role.USER, Role.USER, Role.SYSTEM, Role.TOOL]


def test_an_assistant_turn_may_be_only_function_calls():
    """Content may be null when there are calls."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = parse(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}]).messages[0]
    assert (message.parts, message.tool_calls[0].name) == ((), "f")


def test_arguments_that_are_not_json_are_refused_as_recorded():
    """The recorded sentence names the call's id."""
    call = {"id": "call_7", "type": "function", "function": {"name": "f", "arguments": "{"}}
    with pytest.raises(InvalidArgument, match="The arguments to a tool_call with ID 'call_7' are not a valid JSON"):
        parse(messages=[{"role": "assistant", "tool_calls": [call]}])


def test_stop_may_be_one_string():
    """The older form of one string is taken; empty strings stop nothing."""
    assert parse(stop="END").sampling.stop == ("END",)
    assert parse(stop=["", "a"]).sampling.stop == ("a",)


def test_the_newer_name_of_max_tokens_wins():
    """`max_completion_tokens` goes before `max_tokens`."""
    assert parse(max_tokens=5, max_completion_tokens=7).sampling.max_tokens == 7
    assert parse(max_tokens=5).sampling.max_tokens == 5


def test_a_penalty_of_zero_is_not_absent():
    """Reasoning models refuse a penalty even when it is 0, so 0 has to be told from absent."""
    assert parse(presence_penalty=0).sampling.presence_penalty == 0


def test_a_json_schema_is_kept_as_text():
    """The schema reaches the engine as the client wrote it."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    assert parse(response_format=wanted).response_format == JsonFormat('{"type":"object"}', name="n")
    assert parse(response_format={"type": "json_object"}).response_format == JsonFormat(None)
    assert parse(response_format={"type": "text"}).response_format is None


def test_tools_and_the_choice_among_them():
    """A function is called by name, or any, or none."""
    parsed = parse(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}})
    assert parsed.tools[0].parameters == '{"type":"object"}'
    assert parsed.tool_choice == ToolChoice(ToolMode.REQUIRED, name="f")
    assert parse(tool_choice="none").tool_choice == ToolChoice(ToolMode.NONE)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tool_choice": "required"}, "no `tools`"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "not one of `tools`"),
        ({"tools": [TOOL] * 129}, "`tools` may have 128"),
        ({"top_logprobs": 2}, "`top_logprobs` needs `logprobs`"),
        ({"logit_bias": {"5": 101}}, "`logit_bias.5` must be between -100 and 100"),
        ({"stop": "x" * 2000}, "1024 characters"),
        ({"n": 0}, "`n` must be between 1 and 8"),
        ({"n": 10**30}, "10\\^21 or more"),
        ({"max_tokens": 0}, "`max_tokens` must be"),
        ({"frequency_penalty": -2.1}, "`frequency_penalty` must be between -2 and 2, but is -2.1"),
    ],
)
def test_values_out_of_range_are_invalid_arguments(fields, words):
    """Every range is named with its value."""
    with pytest.raises(InvalidArgument, match=words):
        parse(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": "1"}, "n: expected integer or null, got string"),
        ({"stream_options": {}}, "stream_options: missing field `include_usage`"),
        ({"tool_choice": "always"}, "tool_choice: expected `none`, `auto` or `required`, got 'always'"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]}, "parameters: expected object"),
        ({"logit_bias": [1]}, "logit_bias: expected object, got array"),
        ({"logit_bias": {"a": 1}}, "token ids"),
        ({"logit_bias": {"٣": 1}}, "token ids"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": []}}}, "schema: expected object"),
        ({"messages": None}, "messages: expected array, got null"),
    ],
)
def test_other_shapes_are_refused_with_their_path(fields, words):
    """A wrong shape names its path and what was expected."""
    with pytest.raises(ShapeMismatch, match=words):
        parse(**fields)


def test_j19_a_million_biases_are_refused_without_reading_them():
    """J19: a huge `logit_bias` is refused by its length alone: what it holds is not even of the right shape."""
    body = msgspec.json.encode({"model": "m", "messages": [USER], "logit_bias": {str(i): None for i in range(10**6)}})
    with pytest.raises(InvalidArgument, match="`logit_bias` may have 1024 entries"):
        parse_chat(body, HttpOptions())


def test_j21_a_schema_over_its_limit_is_refused():
    """J21: a megabyte of schema does not reach an engine."""
    wanted = {"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * 100] * 10_000}}}
    with pytest.raises(InvalidArgument, match="JSON Schema may have 262144 bytes"):
        parse(response_format=wanted)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(wire.ChatCompletionRequest.__struct_fields__)
PARTS = st.fixed_dictionaries({}, optional={"type": st.sampled_from(["text", "image_url"]), "text": VALUES})
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "assistant", "tool"])},
        optional={"content": VALUES | st.lists(PARTS | st.just(image()), max_size=3), "tool_calls": VALUES},
    ),
    max_size=3,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4), MESSAGES)
def test_random_json_gives_a_request_or_a_failure(fields, messages):
    """No JSON value in any place makes the parser raise anything but a Failure."""
    body = msgspec.json.encode({"model": "m", "messages": messages, **fields}, enc_hook=str)
    try:
        assert isinstance(parse_chat(body, HttpOptions())[0], ChatRequest)
    except Failure as failure:
        assert failure.sentence


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,01en\\u"d8', max_size=40).map(str.encode))
def test_random_bytes_give_a_failure(body):
    """No bytes make the parser raise anything but a Failure."""
    with pytest.raises(Failure):
        parse_chat(body, HttpOptions())


def test_an_empty_list_of_parts_is_refused():
    """A message without any content part asks nothing; the error names its place."""
    with pytest.raises(InvalidArgument, match=r"at least one part. \(at messages\[0\].content\)"):
        parse(messages=[{"role": "user", "content": []}])
