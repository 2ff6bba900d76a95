"""Streamed chunks to pieces, where one chunk carries more than one thing, and where an answer was cut."""

from __future__ import annotations

import pytest

from tests.engines.other_server import delta, usage
from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.openai_chunks import ChunkParser


def parse(*chunks, **options):
    """The pieces of a whole stream."""
    parser = ChunkParser(**options)
    pieces = [piece for chunk in chunks for piece in parser.parse(chunk)]
    return [*pieces, *parser.finish()]


def fragment(arguments, *, index=0, **function):
    """A part of a function call."""
    return [{"index": index, "function": {"arguments": arguments, **function}}]


def counted(chunk, tokens):
    """A chunk with the tokens so far."""
    return chunk | {"usage": {"completion_tokens": tokens}}


def told(chunk, *tokens):
    """A chunk with the log probabilities of tokens."""
    chunk["choices"][0]["logprobs"] = {"content": [{"token": token, "logprob": -1.0} for token in tokens]}
    return chunk


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("tool_calls", '{"colour": "dark gre'),  # the word of vLLM before about 0.30, whatever ended the call
        ("tool_calls", '{"colour": "dark gre"}'),  # and it writes the end of the JSON itself, as does SGLang
        ("length", '{"colour": "dark gre"}'),
        ("stop", '{"colour": "dark gre'),
    ],
)
def test_a_call_cut_at_max_tokens_is_no_call(reason, arguments):
    """With all tokens of the budget used, the last call is not whole, whatever it looks like."""
    call = delta(tool_calls=fragment(arguments, name="paint"))
    pieces = parse(call, delta(reason), usage(prompt_tokens=3, completion_tokens=9), max_tokens=9)
    assert pieces == [FinishPiece(FinishReason.LENGTH, 9, 0, engine_prompt_tokens=3)]


def test_calls_before_the_one_that_was_cut_are_whole():
    """They leave, and the reason still tells of the cut."""
    first = delta(tool_calls=fragment("{}", name="paint"))
    second = delta(tool_calls=fragment('{"a', index=1, name="look"))
    pieces = parse(first, second, delta("tool_calls"), usage(completion_tokens=9), max_tokens=9)
    assert [piece.call.name for piece in pieces[:-1]] == ["paint"]
    assert pieces[-1].reason is FinishReason.LENGTH


def test_a_call_within_the_budget_is_whole():
    """Tokens that were left over show that nothing was cut."""
    call = delta(tool_calls=fragment("{}", name="paint"))
    pieces = parse(call, delta("stop"), usage(completion_tokens=8), max_tokens=9)
    assert pieces[0] == ToolCallPiece(ToolCall("", "paint", "{}"))
    assert pieces[-1].reason is FinishReason.TOOL_CALLS


def test_a_call_without_arguments_has_none():
    """Some servers write no arguments at all for a function that takes none; on the wire they are JSON."""
    pieces = parse(delta(tool_calls=[{"index": 0, "function": {"name": "paint"}}]), delta("tool_calls"))
    assert pieces[0].call.arguments == "{}"


def test_a_chunk_of_everything_loses_nothing():
    """Thought, text and the beginning of a call may come in one chunk: they leave in this order, with all tokens."""
    mixed = delta(reasoning="Hm", content="Wait", tool_calls=fragment('{"a":', name="paint"))
    rest = delta(tool_calls=fragment("1}"))
    pieces = parse(counted(mixed, 8), counted(rest, 10), delta("tool_calls"))
    assert [type(piece) for piece in pieces] == [ReasoningPiece, TextPiece, ToolCallPiece, FinishPiece]
    assert (pieces[0].text, pieces[1].text, pieces[2].call) == ("Hm", "Wait", ToolCall("", "paint", '{"a":1}'))
    assert sum(piece.tokens for piece in pieces[:-1]) == 10


def test_a_chunk_that_ends_a_thought_shares_its_tokens():
    """Of a chunk with a thought's end and the answer's beginning, each counts as many tokens as it is long."""
    pieces = parse(counted(delta(reasoning_content="12", content="123456"), 8), delta("stop"))
    assert [piece.tokens for piece in pieces[:-1]] == [2, 6]
    assert (pieces[-1].completion_tokens, pieces[-1].reasoning_tokens) == (6, 2)


def test_text_after_a_call_comes_after_it():
    """The order is that of the stream; a call that is not whole yet waits for its end."""
    whole = delta(tool_calls=fragment("{}", name="paint"))
    pieces = parse(whole, delta(content="Done."), delta("tool_calls"))
    assert [type(piece) for piece in pieces] == [ToolCallPiece, TextPiece, FinishPiece]
    half, rest = delta(tool_calls=fragment("{", name="paint")), delta(tool_calls=fragment("}"))
    pieces = parse(half, delta(content="\n"), rest, delta("tool_calls"))
    assert [type(piece) for piece in pieces] == [TextPiece, ToolCallPiece, FinishPiece]


@pytest.mark.parametrize(
    ("chunk", "tokens"),
    [
        (told(delta(content="Hello"), "Hel", "lo"), ["Hel", "lo"]),
        (told(delta(reasoning="Hm", content="Hello"), "Hm", "</think>", "Hel", "lo"), ["Hel", "lo"]),
        (told(delta("stop", content="Hello"), "Hel", "lo", "<|im_end|>"), ["Hel", "lo"]),
        (told(delta(content="Hello", tool_calls=fragment("{}")), "Hel", "lo", "<tool_call>"), ["Hel", "lo"]),
        (told(delta(content="é"), "\ufffd", "\ufffd"), ["\ufffd", "\ufffd"]),
        (told(delta(content="Hel"), "Hel", "lo"), ["Hel", "lo"]),  # whose text is held back and follows
    ],
    ids=["text", "thought", "end", "call", "halves", "ahead"],
)
def test_merged_log_probabilities_are_those_of_the_text(chunk, tokens):
    """A chunk of several tokens may bring some that are not of the text; those of the text are passed on."""
    text = next(piece for piece in parse(chunk, delta("stop")) if isinstance(piece, TextPiece))
    assert text.logprobs == tuple(TokenLogprob(token, -1.0) for token in tokens)
