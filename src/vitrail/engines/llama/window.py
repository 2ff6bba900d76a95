"""Tell how many tokens a prompt may have with a GGUF model: what is set, or what it was trained on. Called by app."""

from __future__ import annotations

from pathlib import Path

from vitrail.engines.llama.gguf_header import read_architecture, read_header


def read_window(gguf: Path, *, context_tokens: int) -> int:
    """Return `context_tokens`, or fewer if the model was trained on fewer: llama.cpp gives no more.

    Raises ValueError if `gguf` is no GGUF file.
    """
    header = read_header(gguf)
    trained = header.get(f"{read_architecture(header)}.context_length")
    return min(context_tokens, trained) if isinstance(trained, int) and trained > 0 else context_tokens
