"""Speak to one llama.cpp child over loopback HTTP with its key. Made by engine for every child that it starts.

Streams, small calls and health probes do not wait for each other's connections. Notices when nothing gets on, and kills
nobody. Knows nothing of prompts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from vitrail.domain.errors import Unavailable
from vitrail.engines.base import Piece
from vitrail.engines.llama.options import LlamaOptions
from vitrail.engines.llama.pace import ChildPace
from vitrail.engines.llama.process import Child
from vitrail.engines.openai_client import OpenAIClient

CHAT_PATH = "/v1/chat/completions"
HEALTH_PATH = "/health"
CALLS = 3  # at once; long texts take a core each, which the generations need


class Link:
    """All that is said to `child`, within the time limits of `options`."""

    def __init__(self, child: Child, options: LlamaOptions) -> None:
        self.child = child
        self._options = options
        self._client = self._open(connections=options.parallel + CALLS)
        self._prober = self._open(connections=1)
        self._turns = asyncio.Semaphore(CALLS)
        self._pace = ChildPace(longest_seconds=options.first_piece_seconds, view_seconds=options.view_seconds)

    def _open(self, *, connections: int) -> OpenAIClient:
        patience = self._options.patience
        return OpenAIClient(self.child.url, key=self.child.key, patience=patience, connections=connections)

    @property
    def is_stuck(self) -> bool:
        """Tell, once a stream stalled, whether no other one got on either for the longest time allowed."""
        return self._pace.is_stuck

    async def close(self) -> None:
        """Drop every connection."""
        await self._client.close()
        await self._prober.close()

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer of a small call; raises Unavailable when its turn or its answer takes too long."""
        try:
            async with asyncio.timeout(self._options.call_seconds):
                await self._turns.acquire()
        except TimeoutError as failure:
            raise Unavailable(retry_after_seconds=self._options.call_seconds) from failure
        try:
            return await self._client.call(method, path, body)
        finally:
            self._turns.release()

    async def probe(self) -> None:
        """Return if the child answers within the time between two probes, else raise Unavailable."""
        await self._prober.call("GET", HEALTH_PATH, seconds=self._options.probe_seconds)

    async def stream(self, body: bytes, *, views: int, top_logprobs: int) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of the answer to a rendered `body` with pictures of so many views; raises as stream_chat."""
        with self._pace.stream(views) as note_encoded:
            stream = self._client.stream_chat(CHAT_PATH, body, top_logprobs=top_logprobs, pace=self._pace)
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    note_encoded()
                    yield piece
