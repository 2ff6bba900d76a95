"""Hand a finished text over as pieces, cut at stop sequences and at max_tokens, tokens counted. Called by engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from vitrail.domain.chat import Sampling
from vitrail.domain.completion import FinishReason
from vitrail.domain.stop import StopCutter
from vitrail.engines.base import Engine, FinishPiece, Piece, TextPiece

TOKENS_PER_PIECE = 4


async def deliver(
    text: str, sampling: Sampling, language: Engine, *, reason: FinishReason = FinishReason.STOP
) -> AsyncGenerator[Piece, None]:
    """Yield the text a few tokens at a time, then the finish; tokens are those of the language engine."""
    cutter = StopCutter(sampling.stop)
    text = cutter.push(text)
    text += cutter.flush()
    tokens = await language.tokenize(text) if text else ()
    allowed = tokens if sampling.max_tokens is None else tokens[: sampling.max_tokens]
    if len(allowed) < len(tokens):
        reason = FinishReason.LENGTH
    elif cutter.stopped:
        reason = FinishReason.STOP
    pending = b""
    for start in range(0, len(allowed), TOKENS_PER_PIECE):
        pending += b"".join(token.raw for token in allowed[start : start + TOKENS_PER_PIECE])
        ready, pending = _whole_characters(pending)
        yield TextPiece(ready, tokens=min(TOKENS_PER_PIECE, len(allowed) - start))
    met = cutter.met if reason is FinishReason.STOP else None
    yield FinishPiece(reason, completion_tokens=len(allowed), stop_sequence=met)


def _whole_characters(raw: bytes) -> tuple[str, bytes]:
    """Split UTF-8 into the characters that are complete and the bytes of one that is not."""
    for cut in range(len(raw), max(-1, len(raw) - 4), -1):
        try:
            return raw[:cut].decode("utf-8"), raw[cut:]
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace"), b""
