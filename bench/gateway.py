"""Measure Vitrail in front of an engine against the same engine asked directly, in turns, in one run.

    python -m bench.gateway [--size tiny|135m|internvit] [--cases text,photo] [--rounds 3] [--seconds 4]
    python -m bench.gateway --base-url http://127.0.0.1:8001/v1 --server vllm --model NAME --key KEY

The engine is the HTTP server of llama.cpp with a random model (see `random_models`), or any server at `--base-url`.
Three ways are compared: `direct`; `upstream`, Vitrail in front of that very server; `llama`, Vitrail with a process of
its own, started with the same options. Every way gets the same body, pictures as they are. Each question begins with a
number of its own and Vitrail keeps no prepared pictures, so that no cache helps anyone. Before a time counts, every way
has to use as many prompt tokens as `direct` by the engine's count, and `llama` to give the same answer where pixels
travel unchanged (`upstream` would find the prompt in the cache, where a random model's near ties can flip). Beside
other load, many short rounds (`--rounds 12 --seconds 0.5`) compare better than a few long ones.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from bench.measured import Measured, measure
from bench.random_models import CONTEXT_TOKENS, SIZES, draw_photo, serve, write_weights
from vitrail.engines.llama.options import LlamaOptions
from vitrail.engines.llama.process import start_child
from vitrail.testing.server import VitrailServer

_CLIENTS = (1, 8)
_QUESTION = "How does one walk from the harbour to the old market, and what may one see there in the morning? " * 3
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of request, with several sets of images to take in turn.

    `is_lossless`: the engine gets the same pixels every way, so the answers are the same.
    """

    name: str
    image_sets: tuple[tuple[str, ...], ...] = ((),)
    is_lossless: bool = True

    def body(self, model: str, number: int, *, max_tokens: int, stream: bool) -> bytes:
        """Return a request that begins with its number."""
        urls = self.image_sets[number % len(self.image_sets)]
        question = {"type": "text", "text": f"{number}: {_QUESTION}"}
        images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        messages = [{"role": "user", "content": [question, *images]}]
        asked = {"model": model, "messages": messages, "max_tokens": max_tokens, "temperature": 0, "seed": 1}
        return json.dumps({**asked, "stream": stream}).encode()


@dataclass(frozen=True, slots=True)
class Way:
    """A server to ask, and under which name; `metrics_url` tells Vitrail's count of what the engine used."""

    name: str
    base_url: str
    key: str
    model: str
    metrics_url: str | None = None
    has_own_cache: bool = False


def draw_cases(photos: int) -> tuple[Case, ...]:
    """Return every case; the JPEGs are decoded by different libraries, which differ by a grey level here and there."""
    small = [draw_photo(448, 448, seed=seed, format="PNG") for seed in range(10)]
    return (
        Case("text"),
        Case("small", tuple((url,) for url in small)),
        Case("photo", tuple((draw_photo(4032, 3024, seed=99 + k),) for k in range(photos)), is_lossless=False),
        Case("ten", (tuple(small),)),
    )


class Bench:
    """Asks every way with one session."""

    def __init__(
        self, session: aiohttp.ClientSession, ways: tuple[Way, ...], *, max_tokens: int, is_streamed: bool
    ) -> None:
        self._session = session
        self._ways = ways
        self._max_tokens = max_tokens
        self._is_streamed = is_streamed
        self._numbers = itertools.count(1_000_000)

    async def compare(self, case: Case, *, clients: int, rounds: int, seconds: float) -> None:
        """Print a line for each way but the first, which is the engine itself."""
        met = {way.name: Measured() for way in self._ways}
        for number in range(rounds):
            turns = self._ways if number % 2 == 0 else self._ways[::-1]
            for way in turns:
                await self._measure(way, case, met[way.name], clients=clients, seconds=seconds)
        direct = met[self._ways[0].name]
        for way in self._ways[1:]:
            through = met[way.name]
            print(
                f"{case.name:7}{clients:8}  {way.name:9}{direct.per_second:10.2f}{through.per_second:10.2f}"
                f"{through.per_second / direct.per_second:8.2f}{direct.p50_ms:12.1f}{through.p50_ms:12.1f}"
                f"{through.p50_ms - direct.p50_ms:+10.1f}   {len(direct.waits)}, {len(through.waits)}",
                flush=True,
            )

    async def check(self, case: Case) -> None:
        """Hold every way to what the engine itself says; raises AssertionError that names the way."""
        number = next(self._numbers)
        expected: tuple[str, int] | None = None
        for way in self._ways:
            before = await self._read_engine_tokens(way)
            answer = await self._ask(way, case, number)
            after = await self._read_engine_tokens(way)
            used = answer["usage"]["prompt_tokens"] if after is None else after - (before or 0)
            said = answer["choices"][0]["message"]["content"]
            if expected is None:
                expected = said, used
            assert used == expected[1], f"{way.name}, {case.name}: {used} prompt tokens for {expected[1]}"
            if way.has_own_cache and case.is_lossless:
                assert said == expected[0], f"{way.name}, {case.name}: another answer"

    async def _measure(self, way: Way, case: Case, met: Measured, *, clients: int, seconds: float) -> None:
        await measure(lambda: self._measure_one(way, case, next(self._numbers)), met, clients=clients, seconds=seconds)

    async def _measure_one(self, way: Way, case: Case, number: int) -> None:
        if self._is_streamed:
            async with self._post(way, case, number, stream=True) as response:
                last = (await response.read()).rstrip()[-6:]
            assert last == b"[DONE]", (way.name, last)
        else:
            await self._ask(way, case, number)

    async def _ask(self, way: Way, case: Case, number: int) -> Any:
        """Return a whole answer, which has as many tokens as were asked for."""
        async with self._post(way, case, number) as response:
            answer = json.loads(await response.read())
        assert answer["choices"][0]["finish_reason"] == "length", answer
        assert answer["usage"]["completion_tokens"] == self._max_tokens, answer["usage"]
        return answer

    @asynccontextmanager
    async def _post(
        self, way: Way, case: Case, number: int, *, stream: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        body = BytesIO(case.body(way.model, number, max_tokens=self._max_tokens, stream=stream))
        headers = {"Authorization": f"Bearer {way.key}", "Content-Type": "application/json"}
        if stream:
            headers["Connection"] = "close"  # llama.cpp closes it after a stream without saying so
        async with self._session.post(f"{way.base_url}/chat/completions", data=body, headers=headers) as response:
            assert response.status == 200, (way.name, await response.text())
            yield response

    async def _read_engine_tokens(self, way: Way) -> int | None:
        if way.metrics_url is None:
            return None
        async with self._session.get(way.metrics_url) as response:
            text = await response.text()
        found = re.search(rf'^vitrail_engine_prompt_tokens_total{{model="{way.model}"}} (\S+)$', text, re.MULTILINE)
        return int(float(found[1])) if found else 0


@asynccontextmanager
async def open_ways(told: argparse.Namespace, folder: Path) -> AsyncIterator[tuple[Way, ...]]:
    """Start what is to be compared; the engine itself comes first."""
    images = {"picture_format": told.picture_format, "scaled_jpeg": told.scaled_jpeg}
    if told.base_url:
        direct = Way("direct", told.base_url, told.key, told.model)
        models = [_upstream(direct, told.server)]
        with serve(folder, models, parallel=max(_CLIENTS), cache_bytes=0, **images) as server:
            yield direct, _through(server, "upstream")
        return
    weights = write_weights(told.size, folder / "weights")
    options = LlamaOptions(context_tokens=CONTEXT_TOKENS, parallel=max(_CLIENTS))
    child = await start_child(options.plan_child(weights.gguf, weights.mmproj), deadline_seconds=_START_SECONDS)
    try:
        direct = Way("direct", f"{child.url}/v1", child.key, "random")
        own = {"id": "llama", "engine": "llama", "gguf": str(weights.gguf), "mmproj": str(weights.mmproj)}
        models = [_upstream(direct, "llama-server"), own]
        with serve(folder, models, parallel=max(_CLIENTS), cache_bytes=0, **images) as server:
            yield direct, _through(server, "upstream"), _through(server, "llama", has_own_cache=True)
    finally:
        child.kill()
        await child.wait()


def _upstream(direct: Way, kind: str) -> dict[str, Any]:
    asked = {"base_url": direct.base_url, "api_key": direct.key, "upstream_model": direct.model, "server": kind}
    return {"id": "upstream", "engine": "upstream", **asked}


def _through(server: VitrailServer, model: str, *, has_own_cache: bool = False) -> Way:
    return Way(model, server.base_url, server.api_key, model, f"{server.url}/metrics", has_own_cache)


async def run(told: argparse.Namespace, folder: Path) -> None:
    """Check and measure every case that was asked for."""
    wanted = told.cases.split(",")
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=600)
    async with (
        open_ways(told, folder) as ways,
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
    ):
        bench = Bench(session, ways, max_tokens=told.tokens, is_streamed=told.stream)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; answers of {told.tokens} tokens")
        print(f"{'case':7}{'clients':>8}  {'way':9}{'direct/s':>10}{'its/s':>10}{'ratio':>8}", end="")
        print(f"{'direct p50':>12}{'its p50 ms':>12}{'added':>10}   answers")
        cases = [case for case in draw_cases(told.photos) if case.name in wanted]
        for case in cases * 2:  # twice, so that all that is made at first use has been made
            await bench.check(case)
        for case in cases:
            for clients in (int(number) for number in told.clients.split(",")):
                await bench.compare(case, clients=clients, rounds=told.rounds, seconds=told.seconds)
        print(f"load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="tiny")
    parser.add_argument("--cases", default="text,small,photo,ten", help="of text, small, photo, ten; with commas")
    parser.add_argument("--clients", default=",".join(map(str, _CLIENTS)), help="how many at once; with commas")
    parser.add_argument("--tokens", type=int, default=32, help="length of the answers")
    parser.add_argument("--stream", action="store_true", help="measure streamed answers; the check before is not")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--photos", type=int, default=1, help="different 12 MP photos, for servers that keep images")
    parser.add_argument("--picture-format", default="png", help="how `upstream` sends pictures: png, jpeg or bmp")
    parser.add_argument("--scaled-jpeg", action="store_true", help="with `[decode] scaled_jpeg`")
    parser.add_argument("--base-url", help="ask this server instead of llama.cpp, `/v1` included")
    parser.add_argument("--server", default="vllm", help="its kind")
    parser.add_argument("--model", default="", help="what it calls its model")
    parser.add_argument("--key", default="", help="the key that it takes")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(told, Path(folder)))


if __name__ == "__main__":
    main()
