"""Function calls by a schema: what the model is told and held to, and what its JSON means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, Prompt, PromptMessage, ReasoningPiece, TextPiece
from vitrail.engines.forced_tools import force_tools, plan_schema, read_calls
from vitrail.engines.json_reply import ReplyReader

WEATHER = Tool("weather", "Weather of a city.", '{"type": "object", "properties": {"city": {"enum": ["Bern"]}}}')
TREE = Tool(
    "plant",
    "",
    '{"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"next": {"$ref": "#/$defs/T"}},'
    ' "additionalProperties": false}}}',
)
DONE = FinishPiece(FinishReason.STOP, completion_tokens=9)


def is_valid(answer, **options):
    """Whether the forced answer may be this."""
    prompt = Prompt((PromptMessage(Role.USER, (TextPart("Hi"),)),), tools=(WEATHER, TREE), **options)
    return Draft202012Validator(plan_schema(prompt)).is_valid(answer)


def calls(*names, arguments=None):
    """An answer that calls functions."""
    return {"tool_calls": [{"name": name, "arguments": arguments or {}} for name in names]}


async def read(*fragments, finish=DONE, sampling=None, is_json_reply=False):
    """The pieces that the fragments of a forced answer mean."""

    async def generate():
        for fragment in fragments:
            yield TextPiece(fragment) if isinstance(fragment, str) else fragment
        yield finish

    pieces = read_calls(generate(), sampling or Sampling(), is_json_reply=is_json_reply)
    return [piece async for piece in pieces]


def test_the_model_may_call_or_reply():
    """Left to itself, it calls one or more of the functions, or replies."""
    assert is_valid({"reply": "Hello"}) and is_valid(calls("weather")) and is_valid(calls("weather", "plant"))
    assert not any(map(is_valid, [{}, calls(), calls("other"), {"reply": 1}, {**calls("weather"), "reply": "x"}]))


def test_a_required_call_leaves_no_reply():
    """`required` takes the reply away; a named function takes the others away as well, and is called once."""
    required, named = ToolChoice(ToolMode.REQUIRED), ToolChoice(ToolMode.REQUIRED, "plant")
    assert is_valid(calls("weather"), tool_choice=required) and not is_valid({"reply": "x"}, tool_choice=required)
    assert is_valid(calls("plant"), tool_choice=named) and not is_valid(calls("weather"), tool_choice=named)
    assert not is_valid(calls("plant", "plant"), tool_choice=named)


def test_calls_side_by_side_can_be_ruled_out():
    """Without `parallel_tool_calls` there is one call."""
    assert not is_valid(calls("weather", "weather"), parallel_tool_calls=False)


def test_arguments_follow_each_functions_own_schema():
    """Schemas keep their meaning inside the larger one, references into themselves too."""
    assert is_valid(calls("plant", arguments={"next": {"next": {}}}))
    assert not is_valid(calls("plant", arguments={"next": {"other": 1}}))
    assert not is_valid(calls("weather", arguments={"city": "Oslo"}))


def test_a_reply_keeps_the_schema_of_the_request():
    """With tools and a response format, the reply is JSON of that format."""
    wanted = JsonFormat('{"$ref": "#/$defs/C", "$defs": {"C": {"enum": ["red"]}}}')
    assert is_valid({"reply": "red"}, response_format=wanted) and not is_valid({"reply": "x"}, response_format=wanted)


def test_earlier_calls_and_results_become_text():
    """Every template knows system, user and assistant: tools stand in the instructions, results in user turns."""
    turns = (
        PromptMessage(Role.SYSTEM, (TextPart("Be brief."),)),
        PromptMessage(Role.USER, (TextPart("Weather?"),)),
        PromptMessage(Role.ASSISTANT, (), tool_calls=(ToolCall("call_1", "weather", '{"city": "Bern"}'),)),
        PromptMessage(Role.TOOL, (TextPart("snow"),), tool_call_id="call_1"),
        PromptMessage(Role.ASSISTANT, (TextPart("It snows."),)),
    )
    forced = force_tools(Prompt(turns, tools=(WEATHER,)))
    assert [message.role for message in forced.messages] == [turn.role for turn in turns[:3]] + ["user", "assistant"]
    assert forced.messages[0].text.startswith("Be brief.\nYou can call these functions:")
    assert json.loads(forced.messages[2].text) == calls("weather", arguments={"city": "Bern"})
    assert forced.messages[3].text == "Result of call_1: snow"
    assert json.loads(forced.messages[4].text) == {"reply": "It snows."}
    assert forced.tools == ()


def test_without_tools_only_earlier_calls_change():
    """A conversation without tools is left as it is."""
    prompt = Prompt((PromptMessage(Role.USER, (TextPart("Hi"),)), PromptMessage(Role.ASSISTANT, (TextPart("Ho"),))))
    assert force_tools(prompt) == prompt


async def test_calls_leave_whole_at_the_end():
    """Each call is one piece, in order, without an id; all tokens are counted."""
    pieces = await read(
        '{"tool_calls": [{"name": "weather", ',
        '"arguments": {"city": "Bern"}}, {"name": "plant",',
        '"arguments": {}}]}',
    )
    assert [piece.call for piece in pieces[:-1]] == [
        ToolCall("", "weather", '{"city": "Bern"}'),
        ToolCall("", "plant", "{}"),
    ]
    assert sum(piece.tokens for piece in pieces[:-1]) == 3
    assert pieces[-1] == FinishPiece(FinishReason.TOOL_CALLS, completion_tokens=9)


async def test_a_reply_streams_as_text():
    """The words of a reply come as they are made, without the JSON around them."""
    assert await read('{"reply', '": "Hel', "lo\\n", 'you"', "}") == [
        TextPiece("Hel", 2),
        TextPiece("lo\n", 1),
        TextPiece("you", 1),
        DONE,
    ]


@pytest.mark.parametrize("cut", [1, 3, 100])
async def test_a_thought_before_the_json_is_kept_apart(cut):
    """A server without a reasoning parser leaves it in the text: it is reasoning, and the call or reply follows."""
    thought = "<think>\nA reply?</think>\n\n"
    for answer, said in (
        ('{"reply": "Hello"}', "Hello"),
        ('{"tool_calls": [{"name": "weather", "arguments": {}}]}', ""),
    ):
        text = thought + answer
        fragments = [text[at : at + cut] for at in range(0, len(text), cut)]
        finish = FinishPiece(FinishReason.STOP, completion_tokens=len(fragments), reasoning_tokens=0)
        pieces = await read(*fragments, finish=finish)
        assert isinstance(pieces[0], ReasoningPiece) and pieces[0].text == "A reply?"
        assert "".join(piece.text for piece in pieces[1:] if isinstance(piece, TextPiece)) == said
        assert pieces[-1].reason is (FinishReason.STOP if said else FinishReason.TOOL_CALLS)
        assert pieces[-1].completion_tokens + pieces[-1].reasoning_tokens == len(fragments)
        assert pieces[-1].reasoning_tokens == pieces[0].tokens


async def test_a_stop_sequence_holds_for_the_reply():
    """Stop sequences cut the text of the reply and not the JSON around it."""
    pieces = await read('{"reply": "one t', 'wo three"}', sampling=Sampling(stop=("two", "reply")))
    assert ("".join(p.text for p in pieces[:-1]), pieces[-1].stop_sequence) == ("one ", "two")


async def test_a_reply_in_json_comes_whole():
    """With a response format the text is the JSON of the reply."""
    pieces = await read('{"reply": {"colour":', ' "red"}}', is_json_reply=True)
    assert pieces == [TextPiece('{"colour": "red"}', 2), DONE]


@pytest.mark.parametrize(("fragment", "text"), [('{"reply": "Hel', "Hel"), ('{"tool_calls": [{"na', "")])
async def test_a_cut_answer_says_so(fragment, text):
    """An answer cut by max_tokens keeps the text it has and no half of a call."""
    pieces = await read(fragment, finish=FinishPiece(FinishReason.LENGTH))
    assert "".join(piece.text for piece in pieces[:-1]) == text
    assert pieces[-1].reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    "answer",
    [
        "Sure! I will call weather.",
        "[1]",
        '{"tool_calls": [{"name": "weather", "parameters": {}}]}',
        '{"tool_calls": {}, "name": "weather"}',
        '{"name": "weather", "arguments": {}}',
        "[" * 100_000,
    ],
    ids=["prose", "list", "parameters", "no calls", "bare call", "deep"],
)
async def test_an_answer_outside_the_schema_is_a_failure(answer):
    """A server that does not keep to the schema is unavailable for this."""
    with pytest.raises(Unavailable):
        await read(answer)


async def test_reasoning_passes():
    """Thoughts before the JSON are handed on."""
    assert (await read(ReasoningPiece("Hm"), '{"reply": "x"}'))[0] == ReasoningPiece("Hm")


@given(text=st.text(max_size=30) | st.text('\\"nu🦊\ud83e/\n', max_size=12), is_ascii=st.booleans(), data=st.data())
def test_a_reply_is_read_however_it_is_cut(text, is_ascii, data):
    """Escapes, surrogate pairs and quotes come out right wherever the fragments end."""
    coded = json.dumps({"reply": text}, ensure_ascii=is_ascii)
    reader, said = ReplyReader(), ""
    while coded:
        size = data.draw(st.integers(1, 9))
        said += reader.push(coded[:size])
        coded = coded[size:]
    assert said == text.encode("utf-8", "replace").decode()
    assert isinstance(json.loads(reader.whole)["reply"], str)


def test_half_a_character_before_a_whole_one_does_not_take_it_apart():
    """A lone first half, written as an escape, leaves the pair after it whole, also when it comes letter by letter."""
    reader = ReplyReader()
    said = "".join(map(reader.push, json.dumps({"reply": "\ud83e🦊"})))
    assert said == "?🦊"
