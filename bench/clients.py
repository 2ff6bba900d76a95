"""Measure one process under many clients at once: answers, time and memory at 1, 20 and 200, as ratios in one run.

    python -m bench.clients [--clients 1,20,200] [--rounds 3] [--megapixels 2]

Every client sends its own picture (nothing is found in a cache) and reads a streamed answer, then does it again. The
engine plays a script that pauses between chunks, so what is measured is Vitrail: bodies, decoding, waiting, streams.
Memory is the highest sum of proportional set sizes of the server and its decode processes, sampled all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np
from PIL import Image

from vitrail.testing.server import VitrailServer, start_server

_MIB = 1024 * 1024
_SAMPLE_SECONDS = 0.1
_WORDS = ("a", "red", "square", "on", "white")
_RULES = [{"chunks": [{"text": f"{word} ", "delay_seconds": 0.05} for word in _WORDS]}]


@dataclass(slots=True)
class Round:
    """What one number of clients met."""

    clients: int
    seconds: float = 0.0
    refused: int = 0
    first_chunk_seconds: list[float] = field(default_factory=list)
    image_tokens: set[int] = field(default_factory=set)
    peak_bytes: int = 0


def draw_picture(number: int, megapixels: float) -> bytes:
    """Return a JPEG of 4:3 with some detail, different for every number."""
    height_px = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width_px = height_px * 4 // 3
    coarse = np.random.default_rng(number).integers(0, 255, (height_px // 16, width_px // 16, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((width_px, height_px), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def build_body(picture: bytes) -> bytes:
    """Return a streaming chat request about one picture."""
    url = b"data:image/jpeg;base64," + base64.b64encode(picture)
    return (
        b'{"model":"grok-2-vision-1212","stream":true,"messages":[{"role":"user","content":'
        b'[{"type":"image_url","image_url":{"url":"' + url + b'"}},{"type":"text","text":"What is this?"}]}]}'
    )


async def run_round(server: VitrailServer, clients: int, rounds: int, megapixels: float) -> Round:
    """Let `clients` clients each ask `rounds` times, all at once."""
    met = Round(clients)
    bodies = [build_body(draw_picture(clients * 1000 + k, megapixels)) for k in range(clients)]
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    with watch_memory() as peak:
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            started = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for body in bodies:
                    group.create_task(_ask(session, f"{server.base_url}/chat/completions", body, rounds, met))
            met.seconds = time.perf_counter() - started
    met.peak_bytes = peak[0]
    return met


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes, rounds: int, met: Round) -> None:
    for _ in range(rounds):
        started = time.perf_counter()
        async with session.post(url, data=io.BytesIO(body)) as answer:
            if answer.status != 200:
                met.refused += 1
                continue
            whole = b""
            async for line in answer.content:
                if not whole:
                    met.first_chunk_seconds.append(time.perf_counter() - started)
                whole += line
            assert whole.rstrip().endswith(b"data: [DONE]"), whole[-200:]
            met.image_tokens.add(int(whole.split(b'"image_tokens":')[1].split(b",")[0]))


@contextmanager
def watch_memory() -> Iterator[list[int]]:
    """Yield a list whose one number is the highest memory of all processes below this one, in bytes."""
    peak = [0]
    stopped = False

    async def sample() -> None:
        while not stopped:
            peak[0] = max(peak[0], await asyncio.to_thread(_children_bytes))
            await asyncio.sleep(_SAMPLE_SECONDS)

    task = asyncio.create_task(sample())
    try:
        yield peak
    finally:
        stopped = True
        task.cancel()


def _children_bytes() -> int:
    """Return the proportional set size of every process started below this one."""
    total, left = 0, [Path("/proc/self")]
    while left:
        for task in (left.pop() / "task").glob("*/children"):
            for pid in task.read_text().split():
                child = Path("/proc") / pid
                try:
                    rollup = (child / "smaps_rollup").read_text()
                except OSError:
                    continue
                total += 1024 * int(rollup.split("\nPss:")[1].split()[0])
                left.append(child)
    return total


def report(rounds: list[Round]) -> None:
    """Print a line for each number of clients, as ratios to the first."""
    base = rounds[0]
    print(" clients answered refused answers/s x first  first chunk p50 s  peak MiB x first  image tokens")
    for met in rounds:
        answered = len(met.first_chunk_seconds)
        rate = answered / met.seconds
        p50 = statistics.median(met.first_chunk_seconds or [0.0])
        print(
            f"{met.clients:>8} {answered:>8} {met.refused:>7} {rate:>9.1f}"
            f" {rate * base.seconds / max(1, len(base.first_chunk_seconds)):>7.1f} {p50:>18.2f}"
            f" {met.peak_bytes / _MIB:>9.0f} {met.peak_bytes / base.peak_bytes:>7.2f}  {sorted(met.image_tokens)}"
        )


def main() -> None:
    """Run every number of clients against one server, fewest first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clients", default="1,20,200", help="numbers of clients, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="requests of each client")
    parser.add_argument("--megapixels", type=float, default=2.0, help="size of the pictures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder)) as server:
        server.script(rules=_RULES)
        asyncio.run(run_round(server, 1, 2, given.megapixels))  # warm
        rounds = []
        for clients in (int(number) for number in given.clients.split(",")):
            rounds.append(asyncio.run(run_round(server, clients, given.rounds, given.megapixels)))
            server.forget()
    report(rounds)


if __name__ == "__main__":
    main()
