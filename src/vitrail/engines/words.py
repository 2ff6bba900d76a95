"""Cut a text into words and signs: the tokenizer of engines that have no model. The pieces add up to the text."""

from __future__ import annotations

import re
import zlib

from vitrail.engines.base import Token

LONGEST_WORD = 6
VOCABULARY = 100_000
PIECE = re.compile(rf" ?\w{{1,{LONGEST_WORD}}}| ?[^\w\s]|\s")


def cut_words(text: str) -> list[str]:
    """Return pieces of at most six letters with the blank before them, single signs, and single blanks."""
    return PIECE.findall(text)


def count_words(text: str) -> int:
    """Return the number of pieces."""
    return sum(1 for _ in PIECE.finditer(text))


def tokenize_words(text: str) -> tuple[Token, ...]:
    """Return the pieces as tokens; equal pieces have equal ids."""
    return tuple(_make_token(piece) for piece in cut_words(text))


def _make_token(piece: str) -> Token:
    raw = piece.encode("utf-8", "surrogatepass")
    return Token(id=zlib.crc32(raw) % VOCABULARY, text=piece, raw=raw)
