"""Tokens as a vocabulary has them to the text they stand for. Used by upstream_dialect. Knows no tokenizer."""

from __future__ import annotations

WORD_BEGINS = "\u2581"  # SentencePiece's sign for a space
SHIFT = 0x100


def _plan_alphabet() -> dict[str, int]:
    """Byte-level BPE writes a byte as the Latin-1 character of its number; unprintable ones follow, from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, SHIFT)}
    others = [byte for byte in range(SHIFT) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(SHIFT + place): byte for place, byte in enumerate(others)}


BYTES = _plan_alphabet()


def read_token(token: str) -> str:
    """Return the text of a vocabulary's entry; one that is part of a character stays as it is."""
    if any(sign not in BYTES for sign in token):
        return token.replace(WORD_BEGINS, " ")
    try:
        return bytes(BYTES[sign] for sign in token).decode("utf-8")
    except UnicodeDecodeError:
        return token
