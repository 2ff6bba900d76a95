"""The upstream engine: any OpenAI-compatible server (vLLM, SGLang, llama-server, Ray Serve) behind a base URL.

Made by registry. Pictures travel as data URIs, so the other side never fetches anything. Nothing that it says in an
error reaches a client.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Failure, InvalidArgument, RateLimited, Unavailable
from vitrail.engines.base import Capabilities, Health, Piece, Prompt, Token
from vitrail.engines.openai_client import OpenAIClient, Patience, Stalled
from vitrail.engines.openai_wire import Json, Rendering, render_chat
from vitrail.engines.pictures import render_data_uri
from vitrail.engines.upstream_options import UpstreamOptions
from vitrail.engines.words import count_words, tokenize_words

MESSAGE_TOKENS = 4  # what a chat template adds to each message, about
LONGEST_PAUSE_SECONDS = 5.0

Sleep = Callable[[float], Awaitable[object]]


class UpstreamEngine:
    """Asks for `model` at `base_url`, which ends before `/chat/completions`, usually with `/v1`."""

    def __init__(
        self,
        options: UpstreamOptions,
        *,
        base_url: str,
        model: str,
        key: str | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._options = options
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._key = key
        self._sleep = sleep
        self._client: OpenAIClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Return what the options say that the other side can do."""
        options = self._options
        return Capabilities(
            images=options.images, logprobs=options.logprobs, structured=True, tools=options.tools, reasoning=True
        )

    @property
    def fingerprint(self) -> str:
        """Return text over address, model and how pictures are sent; changes over there cannot be seen from here."""
        seen = json.dumps([self._base_url, self._model, self._options.picture_format.value])
        return f"upstream-{hashlib.sha256(seen.encode()).hexdigest()[:16]}"

    async def start(self) -> None:
        """Make the client; the other server need not be up yet, health tells."""
        options = self._options
        patience = Patience(
            connect_seconds=options.connect_seconds,
            first_piece_seconds=options.first_piece_seconds,
            idle_seconds=options.idle_seconds,
            call_seconds=options.call_seconds,
        )
        self._client = OpenAIClient(self._base_url, key=self._key, patience=patience)

    async def close(self) -> None:
        """Drop every connection; generations in flight fail with Unavailable."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def health(self) -> Health:
        """Return whether the other server lists its models."""
        try:
            await self._open_client().call("GET", "/models")
        except Failure as failure:
            return Health(ready=False, detail=f"{self._base_url}: {type(failure).__name__}")
        return Health(ready=True, detail=self._base_url)

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return an estimate by words and signs: the API of OpenAI has no call that counts."""
        texts = sum(MESSAGE_TOKENS + count_words(message.text) for message in prompt.messages)
        calls = sum(count_words(call.arguments) for message in prompt.messages for call in message.tool_calls)
        return texts + calls + sum(count_words(tool.description + tool.parameters) for tool in prompt.tools)

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return words and signs, which only resemble the tokens of the model over there."""
        return tokenize_words(text)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of one answer; retried only while nothing of it has come."""
        self._refuse(prompt)
        body = await asyncio.to_thread(self._render_body, prompt, sampling)
        for attempt in range(self._options.retries + 1):
            has_started = False
            try:
                stream = self._open_client().stream_chat("/chat/completions", body, top_logprobs=sampling.top_logprobs)
                async with aclosing(stream) as pieces:
                    async for piece in pieces:
                        has_started = True
                        yield piece
                return
            except (Unavailable, RateLimited) as failure:
                if has_started or attempt == self._options.retries or not self._is_worth_another(failure, attempt):
                    raise
            await self._sleep(self._pause_seconds(attempt))

    def _is_worth_another(self, failure: Failure, attempt: int) -> bool:
        """Whether the wait that the other side asks for is short; a stalled request has waited enough."""
        asked_seconds = failure.retry_after_seconds or 0.0
        return not isinstance(failure, Stalled) and asked_seconds <= max(1.0, self._pause_seconds(attempt))

    def _pause_seconds(self, attempt: int) -> float:
        return min(self._options.retry_pause_seconds * 2.0**attempt, LONGEST_PAUSE_SECONDS)

    def _refuse(self, prompt: Prompt) -> None:
        if prompt.images and not self._options.images:
            raise InvalidArgument("This model takes text only, and the request has images.")
        if prompt.tools and not self._options.tools:
            raise InvalidArgument("This model does not support tools.")

    def _open_client(self) -> OpenAIClient:
        if self._client is None:
            raise Unavailable
        return self._client

    def _render_body(self, prompt: Prompt, sampling: Sampling) -> bytes:
        rendering = Rendering(image_url=lambda image: render_data_uri(image.picture, self._options.picture_format))
        body: Json = {"model": self._model, **render_chat(prompt, sampling, rendering)}
        return msgspec.json.encode(body)
