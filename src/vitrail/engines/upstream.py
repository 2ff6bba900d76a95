"""The upstream engine: any OpenAI-compatible server (vLLM, SGLang, llama-server, Ray Serve) behind a base URL.

Made by registry. Pictures travel as data URIs, so the other side never fetches anything. Nothing that it says in an
error reaches a client. What differs between kinds of servers is in `upstream_dialect`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import msgspec

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Failure, InvalidArgument, RateLimited, Unavailable
from vitrail.engines.base import Capabilities, Health, Piece, Prompt, Token, ToolCallPiece
from vitrail.engines.breaker import Breaker, Clock
from vitrail.engines.due_calls import keep_due_call, must_call
from vitrail.engines.forced_tools import force_tools, plan_sampling, read_calls
from vitrail.engines.openai_client import OpenAIClient, Patience, Stalled, show_url
from vitrail.engines.openai_errors import BudgetTooLarge, KeyRefused, NotServed
from vitrail.engines.openai_wire import Json, Rendering, render_chat
from vitrail.engines.pictures import render_data_uri
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.stop_cutting import cut_at_stop
from vitrail.engines.upstream_dialect import DIALECTS, adapt, must_force, read, refuse
from vitrail.engines.upstream_options import UpstreamOptions
from vitrail.engines.upstream_standing import Standing
from vitrail.engines.words import count_words, tokenize_words

MESSAGE_TOKENS = 4  # what a chat template adds to each message, about
LONGEST_PAUSE_SECONDS = 5.0

Sleep = Callable[[float], Awaitable[object]]


class UpstreamEngine:
    """Asks for `model` at `base_url`, which ends before `/chat/completions`, usually with `/v1`.

    `name` is what the model is called here; log lines have it.
    """

    def __init__(
        self,
        options: UpstreamOptions,
        *,
        base_url: str,
        model: str,
        name: str | None = None,
        key: str | None = None,
        kind: ServerKind = ServerKind.OPENAI,
        sleep: Sleep = asyncio.sleep,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._options = options
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._key = key
        self._kind = kind
        self._dialect = DIALECTS[kind]
        self._sleep = sleep
        self._about = {"model": name or model, "base_url": show_url(self._base_url)}
        self._breaker = Breaker(
            failures=options.breaker_failures,
            pause_seconds=options.breaker_seconds,
            monotonic=monotonic,
            about=self._about,
        )
        self._standing = Standing(
            model=model, lists_all=self._dialect.lists_all_models, about=self._about, monotonic=monotonic
        )
        self._client: OpenAIClient | None = None
        self._root: OpenAIClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Return what the options say that the other side can do."""
        options = self._options
        return Capabilities(
            images=options.images, logprobs=options.logprobs, structured=True, tools=options.tools, reasoning=True
        )

    @property
    def fingerprint(self) -> str:
        """Return text over address, model and how it is asked; changes over there cannot be seen from here."""
        seen = json.dumps([self._base_url, self._model, self._options.picture_format.value, self._kind.value])
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
        self._client = OpenAIClient(
            self._base_url,
            key=self._key,
            patience=patience,
            reuses_streams=self._dialect.reuses_streams,
            about=self._about,
        )
        root = self._base_url.removesuffix("/v1")
        self._root = OpenAIClient(root, key=self._key, patience=patience, about=self._about)

    async def close(self) -> None:
        """Drop every connection; generations in flight fail with Unavailable."""
        clients = (self._client, self._root)
        self._client = self._root = None
        for client in clients:
            if client is not None:
                await client.close()

    async def health(self) -> Health:
        """Return whether the other server lists its models and, where its kind can tell, calls itself healthy."""
        address = self._about["base_url"]
        if self._breaker.is_open:
            return Health(ready=False, detail=f"{address}: it has not answered; left alone for a while")
        try:
            if self._dialect.health_path is not None and self._root is not None:
                await self._root.check(self._dialect.health_path)  # a router's page is plain text
            trouble = self._standing.check_names(await self._open_client().call("GET", "/models"))
        except Failure as failure:
            if isinstance(failure, KeyRefused):
                self._standing.note_refused_key()
            return Health(ready=False, detail=f"{address}: {type(failure).__name__}")
        self._breaker.note_probe()
        return Health(ready=not trouble, detail=f"{address}: {trouble}" if trouble else address)

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return an estimate by words and signs: the API of OpenAI has no call that counts.

        The last piece has the count of the other side, where it is known.
        """
        texts = sum(MESSAGE_TOKENS + count_words(message.text) for message in prompt.messages)
        calls = sum(count_words(call.arguments) for message in prompt.messages for call in message.tool_calls)
        return texts + calls + sum(count_words(tool.description + tool.parameters) for tool in prompt.tools)

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return words and signs, which only resemble the tokens of the model over there."""
        return tokenize_words(text)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of one answer; retried only while nothing of it has come."""
        self._refuse(prompt)
        refuse(sampling, self._dialect)
        if must_force(prompt, self._dialect):
            forced = self._generate(force_tools(prompt), plan_sampling(sampling))
            pieces = read_calls(forced, sampling, is_json_reply=prompt.response_format is not None)
        elif sampling.stop and not self._dialect.stops_anywhere:
            pieces = cut_at_stop(self._generate(prompt, sampling), sampling.stop)
        else:
            pieces = self._generate(prompt, sampling)
        if must_call(prompt):
            pieces = keep_due_call(pieces, prompt, about=self._about)
        has_called = False
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, ToolCallPiece):
                    if has_called and not prompt.parallel_tool_calls:
                        continue  # not every server keeps to that
                    has_called = True
                yield piece

    async def _generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Leave a budget out that some servers refuse because the context window ends before it."""
        try:
            async with aclosing(self._ask(prompt, sampling)) as pieces:
                async for piece in pieces:
                    yield piece
        except BudgetTooLarge:  # nothing has come
            if sampling.max_tokens is None:
                raise
        else:
            return
        async with aclosing(self._ask(prompt, replace(sampling, max_tokens=None))) as pieces:
            async for piece in pieces:
                yield piece

    async def _ask(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        body = await asyncio.to_thread(self._render_body, prompt, sampling)
        headers = self._routing_headers(prompt)
        with self._breaker.passage() as is_trial:
            retries = 0 if is_trial else self._options.retries
            for attempt in range(retries + 1):
                has_started = False
                try:
                    async with aclosing(self._stream(body, headers, sampling)) as pieces:
                        async for piece in pieces:
                            has_started = True
                            yield read(piece, prompt, sampling, self._dialect)
                    return
                except (KeyRefused, NotServed) as failure:
                    await self._standing.note_refusal(failure, self._open_client())
                    raise
                except (Unavailable, RateLimited) as failure:
                    if has_started or attempt == retries or not self._is_worth_another(failure, attempt):
                        raise
                await self._sleep(self._pause_seconds(attempt))

    async def _stream(self, body: bytes, headers: dict[str, str], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Ask once; each piece is a sign of life."""
        stream = self._open_client().stream_chat(
            "/chat/completions",
            body,
            top_logprobs=sampling.top_logprobs,
            max_tokens=sampling.max_tokens,
            headers=headers,
        )
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                self._breaker.note_life()
                self._standing.note_answer()
                yield piece

    def _is_worth_another(self, failure: Failure, attempt: int) -> bool:
        """Whether the wait that the other side asks for is short; a stalled request has waited enough."""
        asked_seconds = failure.retry_after_seconds or 0.0
        is_hopeless = isinstance(failure, Stalled) or self._breaker.is_open
        return not is_hopeless and asked_seconds <= max(1.0, self._pause_seconds(attempt))

    def _pause_seconds(self, attempt: int) -> float:
        return min(self._options.retry_pause_seconds * 2.0**attempt, LONGEST_PAUSE_SECONDS)

    def _routing_headers(self, prompt: Prompt) -> dict[str, str]:
        """A key that is the same for every request whose first picture is the same, and says nothing about it."""
        if not prompt.images or not self._options.routing_header:
            return {}
        key = hashlib.sha256(f"route {prompt.images[0].content_hash}".encode()).hexdigest()[:32]
        return {self._options.routing_header: key}

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
        return msgspec.json.encode(adapt(body, self._dialect, is_read_whole=prompt.is_read_whole))
