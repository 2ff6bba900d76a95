"""An upstream that costs nothing: it answers every question with so many tokens at a model's pace, and counts bytes.

    python -m bench.scaling.stand_in PORT

Started by `measuring` as a process of its own, so that what it takes of a core is not counted as Vitrail's.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aiohttp import web

TOKENS_PER_SECOND = 80.0
_LARGEST_BYTES = 256 << 20


class StandIn:
    """The routes, and what came over them."""

    def __init__(self) -> None:
        self._requests = self._bytes = 0

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=_LARGEST_BYTES)
        app.router.add_get("/health", self._nothing)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/received", self._received)
        app.router.add_post("/v1/chat/completions", self._chat)
        return app

    async def _nothing(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

    async def _received(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": self._requests, "bytes": self._bytes})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._requests, self._bytes = self._requests + 1, self._bytes + len(body)
        asked = json.loads(body)
        tokens, step = asked["max_tokens"], asked.get("stream_interval", 1)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number in range(step, tokens + 1, step):
            await asyncio.sleep(step / TOKENS_PER_SECOND)
            choice = {"index": 0, "delta": {"content": " word" * step}, "finish_reason": None}
            await answer.write(_event([choice], number))
        await answer.write(_event([{"index": 0, "delta": {}, "finish_reason": "length"}], tokens))
        await answer.write(b"data: [DONE]\n\n")
        return answer


def _event(choices: list[dict[str, object]], tokens: int) -> bytes:
    """Return an event as vLLM sends it with `continuous_usage_stats`."""
    usage = {"prompt_tokens": 1000, "completion_tokens": tokens, "total_tokens": 1000 + tokens}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "stand-in", "choices": choices}
    return b"data: " + json.dumps({**chunk, "usage": usage}).encode() + b"\n\n"


if __name__ == "__main__":
    web.run_app(StandIn().app(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
