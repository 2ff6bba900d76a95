"""Thoughts that an engine sends as text, told apart from the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.engines.base import FinishPiece, Piece, ReasoningPiece, TextPiece
from vitrail.service.thoughts import split_thoughts


async def _split(*pieces: Piece) -> list[Piece]:
    async def generate() -> AsyncGenerator[Piece, None]:
        for piece in pieces:
            yield piece

    return [piece async for piece in split_thoughts(generate())]


def _said(pieces: list[Piece], kind: type[TextPiece] | type[ReasoningPiece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, kind))


@given(cuts=st.lists(st.integers(0, 60), max_size=12))
async def test_thoughts_are_found_however_they_are_cut(cuts: list[int]) -> None:
    """Marks spread over pieces of any size come out the same."""
    text = "<think>\nA cat < a dog.</thin\n</think>\n\nA cat. <think>no</think>"
    edges = [0, *sorted(cuts), len(text)]
    pieces = [TextPiece(text[a:b]) for a, b in pairwise(edges)]
    split = await _split(*pieces, FinishPiece(FinishReason.STOP, completion_tokens=len(pieces)))
    assert _said(split, ReasoningPiece).strip() == "A cat < a dog.</thin"
    assert _said(split, TextPiece) == "A cat. <think>no</think>"
    finish = split[-1]
    assert isinstance(finish, FinishPiece)
    assert (finish.completion_tokens or 0) + (finish.reasoning_tokens or 0) == len(pieces)


@pytest.mark.parametrize("text", ["Hello", "<", "<thinking hard>", "", "a <think>b</think>"])
async def test_an_answer_without_thoughts_stays_as_it_is(text: str) -> None:
    """Text that only resembles a mark, or has one later on, is the answer."""
    assert _said(await _split(TextPiece(text), FinishPiece(FinishReason.STOP)), TextPiece) == text


async def test_log_probabilities_stay_with_the_answer() -> None:
    """A piece that is all answer passes untouched."""
    piece = TextPiece("Hi", 1, (TokenLogprob("Hi", -0.1),))
    assert (await _split(piece, piece, FinishPiece(FinishReason.STOP)))[:2] == [piece, piece]


async def test_thoughts_that_are_cut_are_thoughts() -> None:
    """Reasoning that reaches max_tokens leaves no answer, and every token is one of reasoning."""
    finish = FinishPiece(FinishReason.LENGTH, completion_tokens=2, reasoning_tokens=0)
    split = await _split(TextPiece("<think>Hm"), TextPiece(", well"), finish)
    assert (_said(split, ReasoningPiece), _said(split, TextPiece)) == ("Hm, well", "")
    assert split[-1] == FinishPiece(FinishReason.LENGTH, completion_tokens=0, reasoning_tokens=2)
