"""What every engine promises, whatever generates. Add an engine by adding the name of its fixture to ENGINES."""

from __future__ import annotations

import asyncio
import json

import pytest
from jsonschema import Draft202012Validator

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.engines.base import FinishPiece, Prompt, PromptMessage, TextPiece, ToolCallPiece

VLLM = pytest.param("upstream_vllm", marks=[pytest.mark.vllm, pytest.mark.timeout(400)])
ENGINES = ["scripted", "llama", "on_demand_llama", "facts", "upstream_llama", VLLM]
COLOURS = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}

SCHEMAS = {
    "range": {"type": "integer", "minimum": 3, "maximum": 40},
    "const": {"const": "x"},
    "nullable": {"type": ["boolean", "null"]},
    "union": {"anyOf": [{"enum": ["a", "b"]}, {"type": "boolean"}, {"type": "null"}]},
    "list": {"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 3},
    "tuple": {"type": "array", "prefixItems": [{"type": "boolean"}, {"enum": ["x"]}], "minItems": 2, "maxItems": 2},
    "date": {"type": "string", "format": "date"},
    "optional": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}, "b": {"enum": [1]}},
        "required": ["b"],
        "additionalProperties": False,
    },
    "references": {
        "$ref": "#/$defs/Pair",
        "$defs": {
            "Sign": {"enum": ["+", "-"]},
            "Pair": {
                "type": "object",
                "properties": {"left": {"$ref": "#/$defs/Sign"}, "right": {"$ref": "#/$defs/Sign"}},
                "required": ["left", "right"],
                "additionalProperties": False,
            },
        },
    },
}
PAINT = Tool("paint", "Paints.", json.dumps(COLOURS))


@pytest.fixture(params=ENGINES)
def engine(request):
    """Each engine in turn, started."""
    return request.getfixturevalue(request.param)


def _text(pieces):
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


async def test_ends_with_one_finish_piece(engine, ask, collect):
    """An answer ends with exactly one finish piece, and nothing comes after it."""
    pieces = await collect(engine, ask("Hello, who are you?"))
    assert [isinstance(piece, FinishPiece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


async def test_counts_its_tokens(engine, ask, collect):
    """The pieces' own token counts never add up to more than the count at the end."""
    pieces = await collect(engine, ask("Hello"))
    assert 0 < sum(piece.tokens for piece in pieces[:-1]) <= pieces[-1].completion_tokens


async def test_keeps_to_max_tokens(engine, ask, collect):
    """An answer longer than max_tokens is cut there, and says so."""
    pieces = await collect(engine, ask("Tell me a long story"), Sampling(max_tokens=3, temperature=0))
    assert (pieces[-1].completion_tokens, pieces[-1].reason) == (3, "length")


async def test_repeats_itself_at_temperature_zero(engine, ask, collect, draw):
    """The same prompt and seed give the same text."""
    prompt, sampling = ask("What is this?", draw()), Sampling(max_tokens=8, temperature=0, seed=7)
    assert _text(await collect(engine, prompt, sampling)) == _text(await collect(engine, prompt, sampling))


async def test_takes_several_images_between_texts(engine, ask, collect, draw):
    """Images of several sizes may stand anywhere among the texts."""
    prompt = ask(draw(), "The first.", draw(896, 448), draw(20, 300), "Compare.")
    assert isinstance((await collect(engine, prompt))[-1], FinishPiece)


async def test_takes_any_order_of_roles(engine, collect):
    """System, developer, assistant and tool messages may come in any order."""
    roles = (Role.ASSISTANT, Role.SYSTEM, Role.USER, Role.USER, Role.DEVELOPER, Role.ASSISTANT)
    prompt = Prompt(tuple(PromptMessage(role, (TextPart(f"I am {role}."),)) for role in roles))
    assert isinstance((await collect(engine, prompt))[-1], FinishPiece)


async def test_text_may_be_anything(engine, ask, collect):
    """J05 control characters, NUL and astral characters in a text are plain text."""
    assert isinstance((await collect(engine, ask("\x00\x07 \u202e 🦊 𝔳 \ufffe é\u0301")))[-1], FinishPiece)


async def test_obeys_a_schema(engine, ask, collect):
    """Under a JSON schema the whole answer is one valid instance."""
    prompt = ask("What colour?", response_format=JsonFormat(json.dumps(COLOURS)))
    pieces = await collect(engine, prompt, Sampling(max_tokens=400, seed=3))
    assert json.loads(_text(pieces))["colour"] in ("red", "blue")


@pytest.mark.parametrize("name", SCHEMAS)
async def test_obeys_every_kind_of_schema(engine, ask, collect, name):
    """Enums, ranges, unions, references, optional properties, lists and tuples hold."""
    prompt = ask("Fill in.", response_format=JsonFormat(json.dumps(SCHEMAS[name])))
    pieces = await collect(engine, prompt, Sampling(max_tokens=600, seed=5))
    assert Draft202012Validator(SCHEMAS[name]).is_valid(json.loads(_text(pieces)))


@pytest.mark.parametrize("choice", [ToolChoice(ToolMode.REQUIRED), ToolChoice(ToolMode.REQUIRED, "paint")])
async def test_calls_the_function_that_it_must(engine, ask, collect, choice):
    """A required call comes whole, of a function that was offered, with arguments of its schema."""
    offered = (PAINT,) if choice.name is None else (Tool("other", "", '{"type": "object"}'), PAINT)
    prompt = ask("Do it.", tools=offered, tool_choice=choice, parallel_tool_calls=False)
    pieces = await collect(engine, prompt, Sampling(max_tokens=600, seed=1))
    (call,) = [piece.call for piece in pieces if isinstance(piece, ToolCallPiece)]
    assert call.name == "paint" and json.loads(call.arguments)["colour"] in ("red", "blue")
    assert (_text(pieces), pieces[-1].reason) == ("", "tool_calls")


async def test_fills_in_or_calls_where_both_may_be(engine, ask, collect):
    """With functions and a schema on offer the answer is an instance or a call; a call that must come still comes."""
    sampling = Sampling(max_tokens=600, seed=1)
    both = {"tools": (PAINT,), "response_format": JsonFormat(json.dumps(COLOURS)), "parallel_tool_calls": False}
    pieces = await collect(engine, ask("Do it.", **both), sampling)
    calls = [piece.call for piece in pieces if isinstance(piece, ToolCallPiece)]
    said = [_text(pieces)] if not calls else [call.arguments for call in calls]
    assert [json.loads(text)["colour"] in ("red", "blue") for text in said] == [True]
    must = ask("Do it.", **both, tool_choice=ToolChoice(ToolMode.REQUIRED))
    assert "paint" in [
        piece.call.name for piece in await collect(engine, must, sampling) if isinstance(piece, ToolCallPiece)
    ]


async def test_takes_calls_and_their_results_back(engine, collect):
    """An earlier call and its result may stand in the conversation, with and without tools on offer."""
    turns = (
        PromptMessage(Role.USER, (TextPart("Paint."),)),
        PromptMessage(Role.ASSISTANT, (), tool_calls=(ToolCall("call_1", "paint", '{"colour": "red"}'),)),
        PromptMessage(Role.TOOL, (TextPart("done"),), tool_call_id="call_1"),
    )
    assert isinstance((await collect(engine, Prompt(turns)))[-1], FinishPiece)
    must = Prompt(turns, tools=(PAINT,), tool_choice=ToolChoice(ToolMode.REQUIRED))
    assert isinstance((await collect(engine, must, Sampling(max_tokens=600, seed=1)))[-1], FinishPiece)


async def test_repeats_itself_with_a_seed(engine, ask, collect):
    """The same seed gives the same answer at any temperature, however it is cut into pieces."""
    sampling = Sampling(max_tokens=12, temperature=1.2, seed=11)
    first, second = [await collect(engine, ask("Hello"), sampling) for _ in range(2)]
    assert _text(first) == _text(second) and first[-1].completion_tokens == second[-1].completion_tokens


async def test_repeats_eight_answers_drawn_at_once(engine, ask, collect):
    """The generations of `n` choices, side by side and each with its seed, come out the same again."""

    async def draw_eight():
        samplings = [Sampling(max_tokens=12, temperature=1.0, seed=seed) for seed in range(8)]
        return await asyncio.gather(*(collect(engine, ask("Hello"), sampling) for sampling in samplings))

    assert [_text(pieces) for pieces in await draw_eight()] == [_text(pieces) for pieces in await draw_eight()]


async def test_keeps_to_four_stop_sequences(engine, ask, collect):
    """The answer ends before the first of several stop sequences, and says which one that was."""
    whole = _text(await collect(engine, ask("Hello"), Sampling(max_tokens=40, temperature=0)))
    stop = next(sign for sign in whole[1:] if sign.isascii())
    sampling = Sampling(max_tokens=40, temperature=0, stop=("no such text", stop, "nor this", "nor that"))
    cut = await collect(engine, ask("Hello"), sampling)
    assert (stop in _text(cut), cut[-1].reason, cut[-1].stop_sequence) == (False, "stop", stop)


async def test_gives_logprobs_when_asked(engine, ask, collect):
    """With logprobs on, every token of text has one, with as many alternatives as asked at most."""
    if not engine.capabilities.logprobs:
        pytest.skip("this engine offers no log probabilities; the service refuses them for it")
    pieces = await collect(engine, ask("Hello"), Sampling(max_tokens=5, temperature=0, logprobs=True, top_logprobs=1))
    given = [logprob for piece in pieces if isinstance(piece, TextPiece) for logprob in piece.logprobs]
    assert given and all(item.logprob <= 0 and len(item.top) <= 1 for item in given)


async def test_gives_no_logprobs_unasked(engine, ask, collect):
    """Without logprobs no piece has any."""
    assert not any(piece.logprobs for piece in (await collect(engine, ask("Hello")))[:-1])


async def test_counts_text_and_not_pictures(engine, ask, draw):
    """A picture adds nothing to the text tokens; more text adds some."""
    alone = await engine.count_text_tokens(ask("What is this?"))
    assert await engine.count_text_tokens(ask("What is this?", draw(1344, 896))) == alone
    assert await engine.count_text_tokens(ask("What is this, and why is it here?")) > alone


@pytest.mark.parametrize("text", ["", "Hello, world", "Grüße 🦊\n\t 漢字", "<|im_end|> a  b"])
async def test_tokens_add_up_to_the_text(engine, text):
    """The raw bytes of all tokens are the text's own bytes, in order."""
    assert b"".join(token.raw for token in await engine.tokenize(text)) == text.encode()


async def test_can_be_left(engine, ask, collect):
    """A generator that is closed early leaves the engine able to answer the next request."""
    stream = engine.generate(ask("Tell me a long story"), Sampling(max_tokens=4000))
    await anext(stream)
    await stream.aclose()
    assert isinstance((await collect(engine, ask("Hello")))[-1], FinishPiece)


async def test_answers_several_at_once(engine, ask, collect):
    """Generations run side by side without mixing."""
    answers = await asyncio.gather(*(collect(engine, ask(f"Question {i}")) for i in range(5)))
    assert all(isinstance(pieces[-1], FinishPiece) for pieces in answers)


async def test_is_ready_once_started(engine):
    """A started engine is healthy."""
    assert (await engine.health()).ready


async def test_has_one_fingerprint(engine):
    """The fingerprint stays the same from call to call and names the engine."""
    assert engine.fingerprint == engine.fingerprint != ""


async def test_may_be_closed_twice(engine):
    """Closing again does nothing."""
    await engine.close()
    await engine.close()
