"""The process that `server` starts: serves, says where on stdout, and ends when stdin closes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from vitrail.app import Runtime, open_grpc, open_runtime
from vitrail.http_api.routes import create_http_app
from vitrail.http_api.serving import Server, bind_listener, listener_url, make_server
from vitrail.settings import Settings, load_settings
from vitrail.telemetry import configure_logging


def main() -> None:
    """Serve until the parent closes stdin or ends."""
    settings = plan_settings(json.loads(sys.argv[1]))
    configure_logging(settings.log)
    uvloop.run(_serve(settings))


def plan_settings(told: Mapping[str, Any]) -> Settings:
    """Return the settings of a server for tests: any free port, nothing waited for at its end."""
    models = [{"id": name, "engine": "scripted"} for name in told["models"]]
    quick: dict[str, Any] = {
        "data_dir": told["data_dir"],
        "http": {"host": "127.0.0.1", "port": 0},
        "server": {"drain_seconds": 0},
        "slots": {"drain_seconds": 0},
        "log": {"level": "error"},
    }
    if told.get("grpc"):
        quick["grpc"] = {"host": "127.0.0.1", "port": 0}
    config = told["config"]
    return load_settings(
        file=Path(config) if config else None,
        overrides=quick if config else {**quick, "models": models, "decode": {"workers": 1}},
        environment={},
    )


async def _serve(settings: Settings) -> None:
    listener = bind_listener(settings.http.host, settings.http.port)
    async with open_runtime(settings) as runtime, open_grpc(settings, runtime.services) as grpc:
        server = make_server(
            create_http_app(runtime.services, settings.http),
            settings.server,
            settings.http,
            on_ready=lambda: _announce(runtime, listener_url(listener), grpc.address if grpc else None),
        )
        watch = asyncio.create_task(_end_with_parent(server))
        await server.serve(sockets=[listener])
        watch.cancel()


def _announce(runtime: Runtime, url: str, grpc_host: str | None) -> None:
    secret = runtime.keyring.create(name="tests").secret
    print(json.dumps({"url": url, "api_key": secret, "grpc_host": grpc_host}), flush=True)  # noqa: T201 - what the parent waits for


async def _end_with_parent(server: Server) -> None:
    """Tell the server to stop when stdin closes, which it does however the parent ends."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await reader.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
