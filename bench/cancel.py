"""Measure how long after a client left its engine is free again and its usage is on record, over a real socket.

    python -m bench.cancel [--rounds 50]

A script pauses for a minute after its first chunk; the client reads that chunk and closes its connection. The slot of
the engine is watched on /metrics, whose own round trip, measured beside it, is the floor of what can be seen.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from vitrail.testing.server import VitrailServer, start_server

_GOAL_SECONDS = 0.2
_RULES = [{"chunks": ["First", {"text": " never", "delay_seconds": 60}]}]
_BODY = {"model": "grok-2-vision-1212", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


async def count_running(session: aiohttp.ClientSession, server: VitrailServer) -> float:
    """Return how many generations the server runs."""
    async with session.get(f"{server.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    rows = [line for line in lines if line.startswith("vitrail_slots{") and 'state="running"' in line]
    return sum(float(row.rpartition(" ")[2]) for row in rows)


async def leave_once(session: aiohttp.ClientSession, server: VitrailServer) -> tuple[float, float]:
    """Return the seconds from leaving until no generation runs, and those of one look at the metrics."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    answer = await session.post(f"{server.base_url}/chat/completions", json=_BODY, headers=headers)
    await answer.content.readline()
    assert await count_running(session, server) == 1
    answer.close()
    left = time.perf_counter()
    while True:
        looked = time.perf_counter()
        running = await count_running(session, server)
        if not running:
            return time.perf_counter() - left, time.perf_counter() - looked


async def measure(server: VitrailServer, rounds: int) -> None:
    """Print the median and the worst of many rounds."""
    async with aiohttp.ClientSession() as session:
        seen = [await leave_once(session, server) for _ in range(rounds)]
    freed, looks = [each for each, _ in seen], [each for _, each in seen]
    print(f"free after: median {statistics.median(freed) * 1000:.1f} ms, worst {max(freed) * 1000:.1f} ms")
    print(f"a look at the metrics: median {statistics.median(looks) * 1000:.1f} ms")
    print(f"worst / goal of {_GOAL_SECONDS * 1000:.0f} ms: {max(freed) / _GOAL_SECONDS:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder)) as server:
        server.script(rules=_RULES)
        asyncio.run(measure(server, rounds))


if __name__ == "__main__":
    main()
