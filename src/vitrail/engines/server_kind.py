"""The OpenAI-style servers whose habits are known; settings name them, `upstream_dialect` knows the habits."""

from __future__ import annotations

from enum import StrEnum


class ServerKind(StrEnum):
    """What answers at a base URL; `openai` is any server, asked for nothing beyond the API itself."""

    OPENAI = "openai"
    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMA_SERVER = "llama-server"
    LMDEPLOY = "lmdeploy"
    OLLAMA = "ollama"
