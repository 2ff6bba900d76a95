"""Cut an answer at the request's stop sequences here, for servers that would not. Called by upstream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.stop import StopCutter
from vitrail.engines.base import FinishPiece, Piece, TextPiece


async def cut_at_stop(pieces: AsyncGenerator[Piece, None], stop: tuple[str, ...]) -> AsyncGenerator[Piece, None]:
    """Yield the pieces up to the first stop sequence, then the finish; what makes `pieces` is closed there."""
    cutter = StopCutter(stop)
    tokens, logprobs = 0, list[TokenLogprob]()  # of text that is held back
    counted = 0
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, TextPiece):
                text = cutter.push(piece.text)
                tokens, logprobs = tokens + piece.tokens, [*logprobs, *piece.logprobs]
                counted += piece.tokens
            else:
                text = cutter.flush()
            if text:
                yield TextPiece(text, tokens, tuple(logprobs))
                tokens, logprobs = 0, []
            if cutter.stopped:
                yield FinishPiece(FinishReason.STOP, completion_tokens=counted, stop_sequence=cutter.met)
                return
            if not isinstance(piece, TextPiece):
                yield piece
