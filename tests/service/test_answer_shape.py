"""What an answer has to look like: schemas and function calls of every engine are checked on one path."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from vitrail.domain.chat import ChatRequest, JsonFormat, Sampling, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import Completion, FinishReason
from vitrail.domain.errors import InvalidArgument, Unavailable
from vitrail.domain.models import Model
from vitrail.engines.base import Capabilities, FinishPiece, Piece, Prompt, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.service.answer_shape import AnswerShape, checked, plan_shape
from vitrail.service.generation import generate_choices
from vitrail.service.refusals import check_capabilities

Ask = Callable[..., ChatRequest]
DONE = FinishPiece(FinishReason.STOP)
CUT = FinishPiece(FinishReason.LENGTH)
CALLED = FinishPiece(FinishReason.TOOL_CALLS)
COLOUR = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
WANTED = JsonFormat(json.dumps(COLOUR))
PAINT = Tool("paint", "Paints.", json.dumps(COLOUR))
EVERYTHING = Capabilities(images=True, logprobs=True, structured=True, tools=True, reasoning=True)


async def _fold(bench: Any, request: ChatRequest, *pieces: Piece) -> Completion:
    bench.engine.capabilities = EVERYTHING
    bench.engine.pieces = list(pieces)
    completion: Completion = await (await bench.completions.open(request, bench.grant)).fold()
    return completion


async def test_an_answer_of_the_schema_passes_as_it_came(bench: Any, ask: Ask) -> None:
    """Valid JSON is handed on unchanged, blanks and all."""
    pieces = [TextPiece('{"colour":'), TextPiece('  "red" }'), DONE]
    assert (await _fold(bench, ask(response_format=WANTED), *pieces)).choices[0].text == '{"colour":  "red" }'


@pytest.mark.parametrize("text", ['{"colour": "green"}', '{"colour": "red"', "Red.", "", '{"colour": "red"} {}', "[]"])
async def test_an_answer_of_another_shape_is_a_failure(bench: Any, ask: Ask, text: str) -> None:
    """An answer that ended by itself and is not what the schema says never reaches the client as a success."""
    with pytest.raises(Unavailable, match="did not keep to the JSON schema"):
        await _fold(bench, ask(response_format=WANTED), TextPiece(text), DONE)
    assert [row.status for row in bench.rows()] == ["failed"]


async def test_an_answer_that_was_cut_passes(bench: Any, ask: Ask) -> None:
    """`length` means that the JSON has no end: the client gets what there is."""
    completion = await _fold(bench, ask(response_format=WANTED), TextPiece('{"col'), CUT)
    assert (completion.choices[0].text, completion.choices[0].finish_reason) == ('{"col', "length")


@pytest.mark.parametrize(("text", "is_fine"), [('{"a": 1}', True), ("[1]", False), ("words", False)])
async def test_json_mode_asks_for_an_object(bench: Any, ask: Ask, text: str, is_fine: bool) -> None:
    """`json_object` takes any object and nothing else."""
    try:
        await _fold(bench, ask(response_format=JsonFormat(None)), TextPiece(text), DONE)
    except Unavailable:
        assert not is_fine
    else:
        assert is_fine


async def test_every_choice_is_checked(bench: Any, ask: Ask) -> None:
    """With `n` one wrong choice fails the whole answer, since none of it was sent."""
    with pytest.raises(Unavailable):
        await _fold(bench, ask(response_format=WANTED, n=8), TextPiece("x"), DONE)


async def test_a_call_without_an_id_gets_one(bench: Any, ask: Ask) -> None:
    """Ids are `call_` and eight digits, differ within an answer, and one that the engine gave is kept."""
    pieces = [ToolCallPiece(ToolCall(given, "paint", '{"colour": "red"}')) for given in ("", "", "mine")]
    (choice,) = (await _fold(bench, ask(tools=(PAINT,)), *pieces, CALLED)).choices
    first, second, third = (call.id for call in choice.tool_calls)
    assert re.fullmatch(r"call_\d{8}", first) and re.fullmatch(r"call_\d{8}", second)
    assert first != second and third == "mine"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("paint", '{"colour": "green"}'), ("paint", "{"), ("paint", "[]"), ("other", "{}")],
)
async def test_a_call_that_does_not_fit_is_a_failure(bench: Any, ask: Ask, name: str, arguments: str) -> None:
    """Names are those of the request, and arguments follow the schema of the function."""
    with pytest.raises(Unavailable, match="called a function"):
        await _fold(bench, ask(tools=(PAINT,)), ToolCallPiece(ToolCall("", name, arguments)), CALLED)


async def test_calls_need_no_text_of_the_schema(bench: Any, ask: Ask) -> None:
    """With tools and a response format, an answer that calls has no text to check."""
    call = ToolCallPiece(ToolCall("", "paint", '{"colour": "red"}'))
    assert (await _fold(bench, ask(tools=(PAINT,), response_format=WANTED), call, CALLED)).choices[0].tool_calls


async def test_tools_that_must_not_be_called_stay_away(bench: Any, ask: Ask) -> None:
    """`tool_choice: none` hides the tools from the engine."""
    await _fold(bench, ask(tools=(PAINT,), tool_choice=ToolChoice(ToolMode.NONE)), TextPiece("x"), DONE)
    assert bench.engine.prompts[0][0].tools == ()


@pytest.mark.parametrize("parameters", ["{}", '{"type": "object", "properties": {}}'])
async def test_arguments_are_always_an_object(ask: Ask, parameters: str) -> None:
    """A function without parameters, or without a word about them, is called with an object."""
    _, shape = await plan_shape(ask(tools=(Tool("f", "", parameters),)))
    assert shape.arguments["f"]["type"] == "object"


async def test_a_refused_schema_costs_no_download(bench: Any, ask: Ask) -> None:
    """J21 a schema is judged before an image is fetched, and says where it stands in the request."""
    bench.engine.capabilities = EVERYTHING
    loop = JsonFormat('{"$ref": "#"}')
    with pytest.raises(InvalidArgument) as caught:
        await bench.completions.open(ask("x", "http://unreachable.invalid/x.png", response_format=loop), bench.grant)
    assert caught.value.where == "response_format.json_schema.schema"


async def test_j21_a_large_schema_does_not_hold_up_others(ask: Ask) -> None:
    """J21 a schema of 200 KB is read in a thread, while the event loop goes on."""
    large = {"enum": [f"{i:0200}" for i in range(1000)]}
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(beat())
    await plan_shape(ask(response_format=JsonFormat(json.dumps(large))))
    beating.cancel()
    assert beats > 1


async def test_j20_ten_thousand_schemas_leave_nothing_behind(ask: Ask) -> None:
    """J20 each of many distinct schemas is read in well under ten milliseconds; nothing of it is kept."""
    started = time.perf_counter()
    for i in range(2_000):
        await plan_shape(ask(response_format=JsonFormat(json.dumps({"const": i}))))
    assert time.perf_counter() - started < 20


async def test_closing_ends_the_generation() -> None:
    """A client that leaves while the answer is checked ends the engine's generator."""
    closed = asyncio.Event()

    async def generate() -> AsyncGenerator[Piece, None]:
        try:
            yield TextPiece("a")
            yield DONE
        finally:
            closed.set()

    pieces = checked(generate(), AnswerShape(text=COLOUR), call_seed="x")
    await anext(pieces)
    await pieces.aclose()
    assert closed.is_set()


THINKER = Model(id="thinker", engine="fake", created=1, reasoning=True)


@pytest.mark.parametrize("effort", [None, "low", "high"])
def test_a_reasoning_model_takes_low_and_high(ask: Ask, effort: str | None) -> None:
    """The two efforts of the reasoning guide, or none."""
    check_capabilities(ask(reasoning_effort=effort), THINKER, EVERYTHING)


@pytest.mark.parametrize("effort", ["none", "medium", "xhigh"])
def test_other_efforts_are_refused(ask: Ask, effort: str) -> None:
    """Efforts of later years are refused by the argument's name, with those there are."""
    with pytest.raises(InvalidArgument, match="Argument not supported on this model: reasoningEffort") as caught:
        check_capabilities(ask(reasoning_effort=effort), THINKER, EVERYTHING)
    assert "low or high" in caught.value.sentence


async def test_thoughts_in_the_text_of_a_reasoning_model_are_reasoning(bench: Any) -> None:
    """A model that is marked as reasoning has its thoughts told apart, and counted apart."""
    bench.engine.pieces = [TextPiece("<think>"), TextPiece("Hm.</think>"), TextPiece("Yes"), DONE]
    chosen = generate_choices(bench.engine, Prompt(()), Sampling(), n=1, shape=AnswerShape(), call_seed="", thinks=True)
    assert [piece async for _, piece in chosen] == [ReasoningPiece("Hm.", 2), TextPiece("Yes"), DONE]
