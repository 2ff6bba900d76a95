"""A server on loopback that answers chat completions as the tests of upstream want."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web


class OtherServer:
    """Answers each request with the next scripted answer; notes bodies, headers and broken connections."""

    def __init__(self):
        self.answers = []
        self.bodies = []
        self.headers = []
        self.peers = []
        self.models = []
        self.models_status = 200
        self.health_status = 200
        self.health_text = None
        self.left = asyncio.Event()
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)

    async def start(self):
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def close(self):
        await self._runner.cleanup()

    async def _models(self, request):
        return web.json_response({"data": [{"id": name} for name in self.models]}, status=self.models_status)

    async def _health(self, request):
        return web.Response(status=self.health_status, text=self.health_text)

    async def _chat(self, request):
        self.bodies.append(await request.json())
        self.headers.append(request.headers)
        self.peers.append(request.transport.get_extra_info("peername"))
        answer = self.answers.pop(0)
        if isinstance(answer, web.StreamResponse):
            return answer
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for item in answer:
                match item:
                    case bytes():
                        await response.write(item)
                    case dict():
                        await response.write(b"data: " + json.dumps(item).encode() + b"\n\n")
                    case asyncio.Event():
                        await item.wait()
                    case "hang":
                        await asyncio.sleep(60)
                    case "pause":
                        await asyncio.sleep(0.05)
                    case "cut":
                        request.transport.abort()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return response


def delta(finish=None, **content):
    """One chunk."""
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


def usage(**counts):
    """The chunk that ends a stream."""
    return {"choices": [], "usage": counts}


DONE = b"data: [DONE]\n\n"
FINE = [delta(role="assistant", content=""), delta(content="Hello"), delta("stop"), DONE]
