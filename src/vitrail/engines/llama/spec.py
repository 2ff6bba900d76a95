"""What the parent tells the child: which files to load and how. Standard library only, so the child starts fast."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How one llama.cpp server is loaded; `context_tokens` is for each of the `parallel` generations.

    `memory_file` is the path of one of the parent's memory files: if the child can open it, it can read all of them.
    """

    gguf: str
    mmproj: str | None
    context_tokens: int
    parallel: int
    threads: int
    gpu_layers: int | None
    image_max_tokens: int | None
    prompt_cache_mib: int
    warmup: bool
    memory_file: str | None
    key: str = field(repr=False)
