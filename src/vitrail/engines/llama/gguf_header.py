"""Read the metadata at the head of a GGUF file: among it a model's vocabulary. Knows no tensors."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"GGUF"
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
CONTROL_TOKEN = 3

Scalar = int | float | bool | bytes
Value = Scalar | list[Scalar]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a model's tokens are: those that control it, and how many characters the longest one can stand for."""

    control_tokens: tuple[str, ...]
    longest_token_chars: int


def read_vocabulary(path: Path) -> Vocabulary:
    """Return the vocabulary of a language model, empty for a projector; raises ValueError if this is no GGUF file."""
    header = read_header(path)
    tokens, kinds = header.get("tokenizer.ggml.tokens", []), header.get("tokenizer.ggml.token_type", [])
    if not isinstance(tokens, list) or not isinstance(kinds, list):
        raise ValueError(f"{path.name} has a vocabulary of an unknown form")
    known = [token for token in tokens if isinstance(token, bytes)]
    return Vocabulary(
        control_tokens=tuple(
            token.decode("utf-8", "replace") for token, kind in zip(known, kinds, strict=False) if kind == CONTROL_TOKEN
        ),
        longest_token_chars=max(map(len, known), default=0),
    )


def read_architecture(header: dict[str, Value]) -> str:
    """Return what the model's own keys begin with, nothing where the header does not tell."""
    architecture = header.get("general.architecture", b"")
    return architecture.decode("utf-8", "replace") if isinstance(architecture, bytes) else ""


def read_header(path: Path) -> dict[str, Value]:
    """Return the metadata by key, strings as bytes; raises ValueError if this is no GGUF file."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).read_header()
    except (struct.error, KeyError, UnicodeDecodeError) as failure:
        raise ValueError(f"{path.name} is not a readable GGUF file") from failure


class _Reader:
    """Walks over the bytes; every read moves on."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = len(MAGIC)

    def read_header(self) -> dict[str, Value]:
        if self._data[: len(MAGIC)] != MAGIC:
            raise ValueError("not a GGUF file: it does not begin with the letters GGUF")
        self._scalar("I")  # version
        self._scalar("Q")  # tensors
        entries = int(self._scalar("Q"))
        return {self._string().decode(): self._value(int(self._scalar("I"))) for _ in range(entries)}

    def _value(self, kind: int) -> Value:
        if kind != ARRAY:
            return self._string() if kind == STRING else self._scalar(SCALARS[kind])
        item, length = int(self._scalar("I")), int(self._scalar("Q"))
        if item == STRING:
            return [self._string() for _ in range(length)]
        layout = struct.Struct(f"<{length}{SCALARS[item]}")
        values = list(layout.unpack_from(self._data, self._at))
        self._at += layout.size
        return values

    def _string(self) -> bytes:
        length = int(self._scalar("Q"))
        text = self._data[self._at : self._at + length]
        if len(text) != length:
            raise ValueError("the GGUF file ends inside its header")
        self._at += length
        return text

    def _scalar(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack_from(f"<{code}", self._data, self._at)[0]
        self._at += struct.calcsize(f"<{code}")
        return value
