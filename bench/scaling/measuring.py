"""What a request takes of a core and of the network, by a real Vitrail over real stores before a stand-in upstream.

Called by `python -m bench.scaling --measure`. Clients stream at a pace that leaves cores idle; what processes took is
the kernel's account, not the clock's, so a machine that is busy otherwise disturbs little.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from bench.random_models import draw_photo
from bench.scaling.load import COMPLETION_TOKENS, MIX, Shot
from bench.scaling.processes import core_seconds, find_below, list_below, run_postgres, run_stand_in, run_valkey
from bench.scaling.recorded import RequestCost
from vitrail.testing.server import VitrailServer, start_server

_CLIENTS, _ASKED_BY_EACH, _WARM = 8, 4, 2
_CONFIG = """\
[database]
url = "{postgres}"

[rate_limits]
url = "{valkey}"

[images]
cache_bytes = 0  # every request decodes its picture

[[models]]
id = "m"
engine = "upstream"
server = "vllm"
base_url = "{upstream}/v1"
limits = {{ requests_per_minute = 1000000, tokens_per_minute = 1000000000 }}
"""


def measure_requests(*, rounds: int, is_streamed: bool) -> dict[str, RequestCost]:
    """Return the cost of a request for each kind of image, the cheapest of several rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres may be another user
        with (
            run_postgres(folder / "postgres") as (postgres, postgres_pid),
            run_valkey(folder / "valkey") as (valkey, valkey_pid),
            run_stand_in() as upstream,
        ):
            config = folder / "vitrail.toml"
            config.write_text(_CONFIG.format(postgres=postgres, valkey=valkey, upstream=upstream))
            with start_server(folder, config=config) as server:
                asking = Asking(server, upstream, (postgres_pid, valkey_pid), is_streamed=is_streamed)
                return {shot.name: asyncio.run(asking.measure(shot, rounds)) for shot in MIX}


class Asking:
    """Asks one server, and looks at what every process took meanwhile."""

    def __init__(self, server: VitrailServer, upstream: str, stores: tuple[int, int], *, is_streamed: bool) -> None:
        self._server, self._upstream, self._is_streamed = server, upstream, is_streamed
        self._pids = (find_below("vitrail.testing.child"), *stores)

    async def measure(self, shot: Shot, rounds: int) -> RequestCost:
        """Return the round that took the least of Vitrail."""
        asked = {"model": "m", "max_tokens": COMPLETION_TOKENS, "stream": self._is_streamed}
        image = {"type": "image_url", "image_url": {"url": draw_photo(shot.width_px, shot.height_px, seed=1)}}
        content = [image, {"type": "text", "text": "What is to be seen here? " * 8}]
        body = json.dumps({**asked, "messages": [{"role": "user", "content": content}]}).encode()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
            await self._round(session, body, _WARM)
            costs = [await self._round(session, body, _ASKED_BY_EACH) for _ in range(rounds)]
        return min(costs, key=lambda cost: cost.core_seconds)

    async def _round(self, session: aiohttp.ClientSession, body: bytes, asked: int) -> RequestCost:
        before = [*self._taken(), await self._received(session)]
        sizes = await asyncio.gather(*(self._client(session, body, asked) for _ in range(_CLIENTS)))
        after = [*self._taken(), await self._received(session)]
        requests = _CLIENTS * asked
        server, decode, postgres, valkey, engine = ((b - a) / requests for a, b in zip(before, after, strict=True))
        return RequestCost(server, decode, postgres, valkey, len(body), engine, sum(sizes) / requests)

    async def _client(self, session: aiohttp.ClientSession, body: bytes, asked: int) -> int:
        headers = {"Authorization": f"Bearer {self._server.api_key}", "Content-Type": "application/json"}
        size = 0
        for _ in range(asked):
            async with session.post(f"{self._server.base_url}/chat/completions", data=body, headers=headers) as answer:
                text = await answer.read()
            assert answer.status == 200 and (b"[DONE]" in text[-20:]) == self._is_streamed, text[-300:]
            size += len(text)
        return size

    def _taken(self) -> tuple[float, float, float, float]:
        server, postgres, valkey = self._pids
        workers, backends = list_below(server), list_below(postgres)
        return (
            core_seconds([server]),
            core_seconds(workers),
            core_seconds([postgres, *backends]),
            core_seconds([valkey]),
        )

    async def _received(self, session: aiohttp.ClientSession) -> float:
        async with session.get(f"{self._upstream}/received") as answer:
            received: Any = await answer.json()
        return float(received["bytes"])
