"""A call that has to come: it does come, or the answer fails; with every kind of server."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from tests.engines.other_server import DONE, delta
from vitrail.domain.chat import Sampling, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.upstream import UpstreamEngine, UpstreamOptions

TOOLS = (Tool("paint", "Paints.", '{"type": "object"}'), Tool("look", "Looks.", '{"type": "object"}'))
ANY, PAINT = ToolChoice(ToolMode.REQUIRED), ToolChoice(ToolMode.REQUIRED, name="paint")


@pytest.fixture
async def answer(server, ask):
    """Returns the pieces of an answer that a server of a kind made of these chunks."""
    engines = []

    async def answer_with(*chunks, kind=ServerKind.OPENAI, choice=ANY, **sampling):
        engines.append(UpstreamEngine(UpstreamOptions(retries=0), base_url=server.url, model="big-vlm", kind=kind))
        await engines[-1].start()
        server.answers = [[*chunks, DONE]]
        prompt = ask("Do it.", tools=TOOLS, tool_choice=choice)
        return [piece async for piece in engines[-1].generate(prompt, Sampling(**sampling))]

    yield answer_with
    for engine in engines:
        await engine.close()


def call(name, arguments="{}"):
    """A whole call as servers send it."""
    return delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": name, "arguments": arguments}}])


@pytest.mark.parametrize("kind", ServerKind)
@pytest.mark.parametrize(
    ("choice", "text"),
    [
        *((choice, text) for choice in (ANY, PAINT) for text in ("I would rather not.", '"paint"', "[]", "")),
        (ANY, '{"reply": "I would rather not."}'),
        (ANY, '{"name": "erase", "arguments": {}}'),
    ],
)
async def test_words_instead_of_the_call_are_a_failure(answer, kind, choice, text):
    """No client that requires a call gets an answer in words, whatever the server makes of `tool_choice`."""
    with capture_logs() as lines, pytest.raises(Unavailable):
        await answer(delta(content=text), delta("stop"), kind=kind, choice=choice)
    assert all((line["log_level"], line["model"]) == ("warning", "big-vlm") for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "paint", "arguments": {"colour": "grün"}}',
        '{"name": "paint", "parameters": {"colour": "grün"}}',
        '[{"type": "function", "function": {"name": "paint", "arguments": "{\\"colour\\": \\"grün\\"}"}}]',
        '{"tool_calls": [{"name": "paint", "arguments": {"colour": "grün"}}]}',
        '```json\n{"name": "paint", "arguments": {"colour": "grün"}}\n```',
    ],
)
@pytest.mark.parametrize("choice", [ANY, PAINT])
async def test_text_that_is_the_call_is_the_call(answer, text, choice):
    """A server without a parser for its model's calls passes them on as text."""
    pieces = await answer(delta(content=text[:9]), delta(content=text[9:]), delta("stop"), choice=choice)
    assert pieces == [
        ToolCallPiece(ToolCall("", "paint", '{"colour": "grün"}'), 2),
        FinishPiece(FinishReason.TOOL_CALLS, None, 0),
    ]


async def test_arguments_alone_are_the_call_of_the_named_function(answer):
    """Some servers hold the answer to the function's schema and leave it text; whether it fits is checked later."""
    pieces = await answer(delta(content='{"colour": "red"}'), delta("stop"), choice=PAINT)
    assert pieces[0].call == ToolCall("", "paint", '{"colour": "red"}')


async def test_several_calls_in_a_text_are_several(answer):
    """In the order of the text."""
    text = json.dumps([{"name": name, "arguments": {}} for name in ("look", "paint")])
    pieces = await answer(delta(content=text), delta("stop"))
    assert [piece.call.name for piece in pieces if isinstance(piece, ToolCallPiece)] == ["look", "paint"]


async def test_a_thought_before_the_call_is_kept_apart(answer):
    """It is neither part of the JSON nor lost."""
    pieces = await answer(delta(content='<think>\nHm.</think>\n{"name": "look", "arguments": {}}'), delta("stop"))
    assert pieces[0] == ReasoningPiece("Hm.", 0)
    assert pieces[1].call.name == "look"


async def test_another_function_than_the_named_one_is_a_failure(answer):
    """The named function was to be called, and no other; the log names the model."""
    with capture_logs() as lines, pytest.raises(Unavailable):
        await answer(call("look"), delta("tool_calls"), choice=PAINT)
    assert [(line["event"], line["model"]) for line in lines] == [("no call although it is due", "big-vlm")]
    with pytest.raises(Unavailable):
        await answer(delta(content='{"name": "look", "arguments": {}}'), delta("stop"), choice=PAINT)


async def test_words_before_the_call_come_with_it(answer):
    """They wait for the call, and stay in their order."""
    pieces = await answer(delta(content="I paint."), call("paint"), delta("tool_calls"))
    assert pieces[:2] == [TextPiece("I paint."), ToolCallPiece(ToolCall("a", "paint", "{}"))]


async def test_an_answer_cut_before_its_call_says_so(answer):
    """`length` is an honest end: nobody takes it for an answer in words."""
    pieces = await answer(delta(content='{"name": "pa'), delta("length"), max_tokens=1)
    assert pieces[-1].reason is FinishReason.LENGTH
    assert not any(isinstance(piece, ToolCallPiece) for piece in pieces)
