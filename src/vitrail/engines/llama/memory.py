"""How much memory a model takes: arithmetic over the GGUF header, and a look at a process."""

from __future__ import annotations

import sys
from pathlib import Path

from vitrail.engines.llama.gguf_header import Value, read_architecture, read_header

VALUE_BYTES = 2  # the key-value cache holds 16-bit numbers


def plan_memory(gguf: Path, mmproj: Path | None, *, context_tokens: int, parallel: int, prompt_cache_mib: int) -> int:
    """Return the bytes of the files, of all context windows and of the prompt cache; working memory comes on top.

    Raises ValueError if `gguf` is no GGUF file.
    """
    files = sum(path.stat().st_size for path in (gguf, mmproj) if path is not None)
    windows = count_bytes_per_token(read_header(gguf)) * context_tokens * parallel
    return files + windows + (prompt_cache_mib << 20)


def count_bytes_per_token(header: dict[str, Value]) -> int:
    """Return how many bytes of the context window one token takes, 0 where the header does not tell."""
    prefix = read_architecture(header)

    def read(key: str) -> Value:
        return header.get(f"{prefix}.{key}", 0)

    layers, heads, width = _number(read("block_count")), read("attention.head_count"), read("embedding_length")
    key_heads = read("attention.head_count_kv") or heads
    all_key_heads = sum(map(_number, key_heads)) if isinstance(key_heads, list) else _number(key_heads) * layers
    most_heads = max(map(_number, heads), default=0) if isinstance(heads, list) else _number(heads)
    head_width = _number(width) // max(1, most_heads)
    key_width = _number(read("attention.key_length")) or head_width
    value_width = _number(read("attention.value_length")) or head_width
    return all_key_heads * (key_width + value_width) * VALUE_BYTES


def read_resident_bytes(pid: int) -> int | None:
    """Return the memory that a process holds, None where the machine does not say."""
    if sys.platform != "linux":
        return None
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return None


def _number(value: Value) -> int:
    return int(value) if isinstance(value, int | float) else 0
