"""Finished texts as pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.chat import Sampling
from vitrail.engines.base import FinishPiece, TextPiece
from vitrail.engines.facts.delivery import deliver

from .conftest import ScriptedLanguage


@given(st.text(max_size=60), st.one_of(st.none(), st.integers(1, 40)))
async def test_pieces_are_the_text_up_to_max_tokens(text, max_tokens):
    """Pieces join to the text, or to a beginning of it with no broken character, and the count is right."""
    language = ScriptedLanguage()
    pieces = [piece async for piece in deliver(text, Sampling(max_tokens=max_tokens), language)]
    joined = "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))
    assert text.startswith(joined)
    assert isinstance(pieces[-1], FinishPiece)
    size = len(text.encode())
    assert pieces[-1].completion_tokens == (size if max_tokens is None else min(size, max_tokens))
    assert max_tokens is not None or joined == text
