"""Take `<think>...</think>` at the beginning of an answer for what it is: reasoning. Called by generation.

Most engines tell reasoning apart themselves; a server without a reasoning parser, and a model whose chat template does
not give it away, send it as text.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from vitrail.engines.base import FinishPiece, Piece, ReasoningPiece, TextPiece

OPENING = "<think>"
CLOSING = "</think>"


async def split_thoughts(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of one answer with thoughts as reasoning; counts of tokens move with them."""
    splitter = _Splitter()
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, TextPiece):
                for part in splitter.push(piece):
                    yield part
            elif isinstance(piece, FinishPiece):
                for part in splitter.flush():
                    yield part
                yield splitter.recount(piece)
            else:
                yield piece


class _Splitter:
    """Holds back just as much text as could still be a mark."""

    def __init__(self) -> None:
        self._held = ""
        self._tokens = 0  # of the text that is held
        self._mark: str | None = OPENING  # what is looked for; None once all is answer
        self._is_open = False
        self._has_answered = False
        self._reasoned = 0

    def push(self, piece: TextPiece) -> list[Piece]:
        """Return what is certain after `piece`."""
        if self._mark is None and self._has_answered:
            return [piece]
        self._held += piece.text
        self._tokens += piece.tokens
        if not self._is_open and self._mark is not None:
            return self._look_for_opening(piece)
        return self._think() if self._is_open else self._answer()

    def flush(self) -> list[Piece]:
        """Return what was held back, once no more text comes."""
        held, self._held = self._held, ""
        return self._say(held) if held else []

    def recount(self, finish: FinishPiece) -> FinishPiece:
        """Return the last piece with the tokens of thoughts counted as reasoning."""
        if not self._reasoned or finish.completion_tokens is None or finish.reasoning_tokens:
            return finish
        reasoned = min(self._reasoned, finish.completion_tokens)
        return replace(finish, completion_tokens=finish.completion_tokens - reasoned, reasoning_tokens=reasoned)

    def _look_for_opening(self, piece: TextPiece) -> list[Piece]:
        begun = self._held.lstrip()
        if begun.startswith(OPENING):
            self._is_open, self._mark, self._held = True, CLOSING, begun.removeprefix(OPENING).lstrip("\n")
            return self._think()
        if OPENING.startswith(begun):
            return []
        self._mark, self._has_answered = None, True
        whole, self._held = self._held, ""
        if whole == piece.text:  # nothing was held back: the piece passes with its log probabilities
            self._tokens = 0
            return [piece]
        return self._say(whole)

    def _think(self) -> list[Piece]:
        at = self._held.find(CLOSING)
        if at < 0:
            keep = next(n for n in range(len(CLOSING) - 1, -1, -1) if self._held.endswith(CLOSING[:n]))
            ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
            return self._say(ready) if ready else []
        thought, self._held = self._held[:at].rstrip("\n"), self._held[at + len(CLOSING) :]
        parts = self._say(thought)
        self._is_open, self._mark = False, None
        return [*parts, *self._answer()]

    def _answer(self) -> list[Piece]:
        text = self._held.lstrip()
        self._held = ""
        if not text:
            return []
        self._has_answered = True
        return self._say(text)

    def _say(self, text: str) -> list[Piece]:
        tokens, self._tokens = self._tokens, 0
        if not self._is_open:
            return [TextPiece(text, tokens)]
        self._reasoned += tokens
        return [ReasoningPiece(text, tokens)]
