"""Measure how much sooner a second question on the same image is answered than the first one, to the first token.

    python -m bench.follow_up [--size tiny|135m|internvit] [--side 448] [--images 6]

Vitrail with its llama engine, one server, streamed answers. For each of several images: a first question, then the
follow-up with the first turn before it, then another first question on the same image without it. With `--slots 1
--between`, a conversation about another image comes in between each time, so that the slot has to be given up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from bench.random_models import SIZES, draw_photo, serve, write_weights
from vitrail.testing.server import VitrailServer

_QUESTIONS = ("What is in this picture?", "And what is in the corner of it?", "Which colours does it have?")
_CACHE_BYTES = 128 << 20  # Vitrail's default
Turns = list[dict[str, Any]]


class Asker:
    """Asks one server over one session."""

    def __init__(self, session: aiohttp.ClientSession, server: VitrailServer) -> None:
        self._session = session
        self._server = server

    async def ask(self, turns: Turns) -> tuple[float, str]:
        """Return the seconds to the first token, and the whole answer."""
        asked = {"model": "llama", "messages": turns, "stream": True, "max_tokens": 8, "temperature": 0}
        headers = {"Authorization": f"Bearer {self._server.api_key}", "Content-Type": "application/json"}
        body = BytesIO(json.dumps(asked).encode())
        first_seconds, said = 0.0, ""
        began = time.perf_counter()
        async with self._session.post(
            f"{self._server.base_url}/chat/completions", data=body, headers=headers
        ) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        first_seconds = first_seconds or time.perf_counter() - began
                        said += text
        assert first_seconds and said
        return first_seconds, said


def ask_about(url: str, question: str) -> Turns:
    """Return a conversation's first turn."""
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    return [{"role": "user", "content": content}]


async def run(told: argparse.Namespace, server: VitrailServer) -> None:
    """Ask about each image in turn and print the medians."""
    seconds: dict[str, list[float]] = {"first": [], "follow-up": [], "other": []}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        asker = Asker(session, server)
        await asker.ask(ask_about(draw_photo(told.side, told.side, seed=1), _QUESTIONS[0]))  # warm

        async def ask_another(seed: int) -> None:
            if told.between:
                await asker.ask(ask_about(draw_photo(told.side, told.side, seed=seed), _QUESTIONS[0]))

        for number in range(told.images):
            url = draw_photo(told.side, told.side, seed=100 + number)
            turns = ask_about(url, _QUESTIONS[0])
            waited, said = await asker.ask(turns)
            seconds["first"].append(waited)
            await ask_another(1000 + number)
            turns += [{"role": "assistant", "content": said}, {"role": "user", "content": _QUESTIONS[1]}]
            waited, _ = await asker.ask(turns)
            seconds["follow-up"].append(waited)
            await ask_another(2000 + number)
            waited, _ = await asker.ask(ask_about(url, _QUESTIONS[2]))
            seconds["other"].append(waited)
    first = statistics.median(seconds["first"])
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {told.images} images of {told.side} px")
    for name, waits in seconds.items():
        p50 = statistics.median(waits)
        print(f"{name:10} first token after {p50 * 1000:9.1f} ms, {first / p50:6.1f} x faster than the first question")


def main() -> None:
    """Start the server and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="tiny")
    parser.add_argument("--side", type=int, default=448, help="of the images, in pixels; 448 is one tile")
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--slots", type=int, default=2, help="generations at once")
    parser.add_argument("--between", action="store_true", help="ask about other images in between")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = write_weights(told.size, folder / "weights")
        model = {"id": "llama", "engine": "llama", "gguf": str(weights.gguf), "mmproj": str(weights.mmproj)}
        how = {"parallel": told.slots, "cache_bytes": _CACHE_BYTES}
        with serve(folder, [model], **how) as server:
            asyncio.run(run(told, server))


if __name__ == "__main__":
    main()
