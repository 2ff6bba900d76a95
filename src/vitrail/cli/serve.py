"""`vitrail serve`: pull what is missing, start every part, say how to use it, and serve until told to stop."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from vitrail.app import Runtime, describe_models, open_grpc, open_runtime
from vitrail.app_engines import pull_weights
from vitrail.cli.options import ConfigFile, DataDir, load
from vitrail.engines.weights_progress import ConsoleProgress
from vitrail.http_api.routes import create_http_app
from vitrail.http_api.serving import PortTaken, Server, bind_listener, listener_url, make_server
from vitrail.settings import Settings, SettingsError
from vitrail.telemetry import configure_logging

# A 16 px PNG in one colour, so that the example runs without any file.
_EXAMPLE_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGklEQVR42mO8JKfBQApgYiARjGoY1TB0NAAAjDcBOHib0zYAAAAASUVORK5CYII="
)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on (8000).")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Serve the API. Every setting of docs/configuration.md can also be given as `--group-name VALUE`."""
    http: dict[str, Any] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load(data_dir=data_dir, config=config, flags=context.args, overrides={"http": http})
    configure_logging(settings.log)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    try:
        listener = bind_listener(settings.http.host, settings.http.port)
    except PortTaken as error:
        raise SettingsError(str(error)) from error
    with listener:
        await _serve_on(listener, settings)


async def _serve_on(listener: socket.socket, settings: Settings) -> None:
    """Start everything behind the bound `listener`, then take its connections until told to stop."""
    console = Console(stderr=True, highlight=False)
    with ConsoleProgress(console) as progress:
        await asyncio.to_thread(pull_weights, settings, progress)
    server: Server | None = None
    async with (
        open_runtime(
            settings, tell=console.print, draining=lambda: server is not None and server.should_exit
        ) as runtime,
        open_grpc(settings, runtime.services) as grpc,
    ):

        async def stop_grpc() -> None:
            if grpc is not None:
                await grpc.stop(
                    drain_seconds=settings.server.drain_seconds, hurry=lambda: server is not None and server.force_exit
                )

        server = make_server(
            create_http_app(replace(runtime.services, grpc_address=grpc.address if grpc else None), settings.http),
            settings.server,
            settings.http,
            on_ready=lambda: _announce(runtime, listener_url(listener) + "/v1", grpc.address if grpc else None),
            stop_beside=[runtime.drain, stop_grpc],
        )
        await server.serve(sockets=[listener])


def _announce(runtime: Runtime, base_url: str, grpc_address: str | None) -> None:
    """Print how to use the server; the first key is made and shown here, once."""
    console = base_url.removesuffix("/v1") + "/console"
    grpc_line = [f"and gRPC on {grpc_address}"] if grpc_address else []
    lines = ["", f"Vitrail serves {base_url}", *grpc_line, f"The console in a browser: {console}", ""]
    new = runtime.keyring.create_first(name="first key")
    if new is not None:
        lines += [
            "Your first API key; only its hash is kept, so it is shown this once:",
            f"  export XAI_API_KEY={new.secret}",
        ]
    else:
        data_dir = runtime.settings.data_dir
        lines += [f"API key: one you made before, or a new one: vitrail keys create --name NAME --data-dir {data_dir}"]
    lines += ["", *describe_models(runtime), "", "Try it:", f"  {_curl(base_url, runtime)}", ""]
    print("\n".join(lines), flush=True)


def _curl(base_url: str, runtime: Runtime) -> str:
    models = runtime.settings.models
    model = next((model for model in models if not model.makes_images), models[0])
    headers = '-H "Authorization: Bearer $XAI_API_KEY" -H "Content-Type: application/json"'
    name = model.aliases[0] if model.aliases else model.id
    if model.makes_images:
        return f'curl {base_url}/images/generations {headers} -d \'{{"model":"{name}","prompt":"A red square"}}\''
    body = (
        f'{{"model":"{name}","messages":[{{"role":"user","content":['
        f'{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{_EXAMPLE_PICTURE}"}}}},'
        '{"type":"text","text":"What color is this picture?"}]}]}'
    )
    return f"curl {base_url}/chat/completions {headers} -d '{body}'"
