"""The process that stands in for the SDK's fake server: Vitrail on gRPC, with the key that the SDK's tests send.

Says its port on stdout, and ends when stdin closes. It is the real server; two things are put in from outside, since
no client can ask for them: the key `123`, and calls that fail at first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from vitrail.app import open_grpc, open_runtime
from vitrail.data_dir import make_data_dir
from vitrail.domain.errors import Unavailable
from vitrail.domain.keys import ALLOW_ALL_ENDPOINTS, ALLOW_ALL_MODELS, ApiKey, Grant, hash_key
from vitrail.service.admission import Admission
from vitrail.settings import Settings, load_settings
from vitrail.store import keys as sql
from vitrail.store import teams as sql_teams
from vitrail.store.database import open_database
from vitrail.telemetry import configure_logging

CHAT_MODELS = ("grok-3", "grok-3-latest", "grok-4-fast", "grok-4.3")


def main() -> None:
    """Serve until the parent closes stdin or ends."""
    told = json.loads(sys.argv[1])
    settings = plan_settings(told)
    configure_logging(settings.log)
    make_data_dir(settings)
    add_key(settings, secret=told["api_key"])
    uvloop.run(_serve(settings, initial_failures=told["initial_failures"]))


def plan_settings(told: dict[str, Any]) -> Settings:
    """Return settings with the models of the test, or one that answers to every name; `n` may be 10."""
    script = told["script"]
    models = [{**model, "engine": "scripted", "script": script} for model in told["language_models"]]
    models += [
        {**model, "engine": "upstream", "base_url": "http://127.0.0.1:9/v1", "output": ["image"]}
        for model in told["image_models"]
    ]
    if not models:
        models = [{"id": "dummy-model", "aliases": CHAT_MODELS, "engine": "scripted", "script": script}]
    return load_settings(
        overrides={
            "data_dir": told["data_dir"],
            "http": {"choices": 10},
            "grpc": {"port": 0},
            "deferred": {"poll_seconds": 0.05, "runs": 4},
            "decode": {"workers": 1},
            "log": {"level": "error"},
            "models": models,
        },
        environment={},
    )


def add_key(settings: Settings, *, secret: str) -> None:
    """Store the key that the SDK's tests send, as they want it shown."""
    database = open_database(settings.database, data_dir=settings.data_dir)
    now = datetime.now(UTC)
    key = ApiKey(
        id="11111111-1111-4111-8111-111111111111",
        name="api key 0",
        team_id="22222222-2222-4222-8222-222222222222",
        user_id="22222222-2222-4222-8222-222222222222",
        redacted=f"{secret[0]}**",
        acls=(ALLOW_ALL_MODELS, ALLOW_ALL_ENDPOINTS),
        created_at=now,
        modified_at=now,
        modified_by="operator",
    )
    database.run(lambda c: sql_teams.insert_team(c, team_id=key.team_id, name="tests", now=now))
    database.run(lambda c: sql.insert_key(c, key, key_hash=hash_key(secret)))
    database.close()


class FailingAtFirst:
    """An admission that refuses its first calls as a server does that is just starting."""

    def __init__(self, admission: Admission, failures: int) -> None:
        self._admission = admission
        self._failures = failures

    async def admit(self, **told: Any) -> Grant:
        """Refuse, or ask the real one."""
        if self._failures > 0:
            self._failures -= 1
            raise Unavailable
        return await self._admission.admit(**told)


async def _serve(settings: Settings, *, initial_failures: int) -> None:
    async with open_runtime(settings) as runtime:
        failing: Any = FailingAtFirst(runtime.services.admission, initial_failures)
        async with open_grpc(settings, replace(runtime.services, admission=failing)) as server:
            assert server is not None
            print(server.port, flush=True)
            await _wait_for_parent()


async def _wait_for_parent() -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await reader.read()


def script_path() -> Path:
    """Return the script that answers as the SDK's tests want."""
    return Path(__file__).with_name("script.yaml")


if __name__ == "__main__":
    main()
