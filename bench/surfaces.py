"""Measure REST and gRPC against each other in one run: small answers at 1 and 32 clients, and a 10 MiB picture.

    python -m bench.surfaces [--rounds 3] [--seconds 3]

One server plays a script that answers at once, so what is measured is the surfaces and their clients: aiohttp for
REST, the xAI SDK's message classes over grpc.aio for gRPC, both without the SDK's own work. Rounds alternate.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import tempfile
from pathlib import Path

import aiohttp
import grpc
import numpy as np
from PIL import Image
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, image_pb2

from bench.measured import Ask, Measured, measure
from vitrail.testing.server import VitrailServer, start_server

_MODEL = "grok-2-vision-1212"
_RULES = [{"text": "A red square on a white background."}]
_SIDE_PX = 1860  # noise of this size is a PNG of just under 10 MiB, which is the most that an image may have
_MESSAGE_BYTES = ("grpc.max_send_message_length", 20 * 1024 * 1024)


def rest_asker(session: aiohttp.ClientSession, server: VitrailServer, url: str | None) -> Ask:
    """Return what asks REST once."""
    image = [{"type": "image_url", "image_url": {"url": url}}] if url else []
    content = [*image, {"type": "text", "text": "What is this?"}]
    body = json.dumps({"model": _MODEL, "messages": [{"role": "user", "content": content}]}).encode()

    async def ask() -> None:
        async with session.post(f"{server.base_url}/chat/completions", data=body) as answer:
            assert answer.status == 200, await answer.text()
            assert json.loads(await answer.read())["choices"][0]["message"]["content"] == _RULES[0]["text"]

    return ask


def grpc_asker(channel: grpc.aio.Channel, server: VitrailServer, url: str | None) -> Ask:
    """Return what asks gRPC once."""
    content = [chat_pb2.Content(image_url=image_pb2.ImageUrlContent(image_url=url))] if url else []
    content.append(chat_pb2.Content(text="What is this?"))
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, content=content)
    request = chat_pb2.GetCompletionsRequest(model=_MODEL, messages=[message])
    complete = chat_pb2_grpc.ChatStub(channel).GetCompletion
    metadata = (("authorization", f"Bearer {server.api_key}"),)

    async def ask() -> None:
        answer = await complete(request, metadata=metadata)
        assert answer.outputs[0].message.content == _RULES[0]["text"]

    return ask


def draw_noise() -> str:
    """Return a picture that does not compress as a data URI."""
    pixels = np.random.default_rng(1).integers(0, 255, (_SIDE_PX, _SIDE_PX, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


async def compare(server: VitrailServer, *, rounds: int, seconds: float) -> None:
    """Print one line for each number of clients and kind of request."""
    assert server.grpc_host is not None
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        grpc.aio.insecure_channel(server.grpc_host, options=[_MESSAGE_BYTES]) as channel,
    ):
        print(f"{'':28}{'REST/s':>9}{'gRPC/s':>9}{'ratio':>7}{'REST p50':>11}{'gRPC p50':>11}")
        for about, url, clients in (
            ("text, 1 client", None, 1),
            ("text, 32 clients", None, 32),
            ("10 MiB PNG, 1 client", draw_noise(), 1),
        ):
            askers = (rest_asker(session, server, url), grpc_asker(channel, server, url))
            met = (Measured(), Measured())
            for ask in askers:
                await ask()  # warm: connections, decode workers, the picture's cache
            for _ in range(rounds):
                for ask, of_it in zip(askers, met, strict=True):
                    await measure(ask, of_it, clients=clients, seconds=seconds)
            rest, rpc = met
            rates = f"{rest.per_second:9.1f}{rpc.per_second:9.1f}{rpc.per_second / rest.per_second:7.2f}"
            print(f"{about:28}{rates}{rest.p50_ms:8.1f} ms{rpc.p50_ms:8.1f} ms")


def main() -> None:
    """Start the server and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder), models=(_MODEL,), grpc=True) as server:
        server.script(rules=_RULES)
        asyncio.run(compare(server, rounds=told.rounds, seconds=told.seconds))


if __name__ == "__main__":
    main()
