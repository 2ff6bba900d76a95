"""Serve an ASGI app on uvicorn: bind first, say when connections are taken, drain on SIGTERM. Called by `serve`."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp

from vitrail.http_api.connection import BoundedProtocol, bounded_protocol
from vitrail.http_api.options import HttpOptions

_LOOK_SECONDS = 0.05
_SETTLE_SECONDS = 5.0
_FLUSH_SECONDS = 1.0


class ServerOptions(BaseModel):
    """How the process takes connections and lets go of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_connections: int = Field(
        2000, ge=1, description="Connections at once; above it, requests are refused with 503."
    )
    drain_seconds: int = Field(30, ge=0, description="After SIGTERM, how long running answers may take to end.")


class PortTaken(Exception):
    """The address cannot be listened on; the text says why."""


class Server(uvicorn.Server):
    """Uvicorn that calls `on_ready` once it takes connections, and returns after a signal instead of dying of it.

    The first SIGTERM or SIGINT drains, the second ends at once; either way the caller gets to close what it opened.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain_seconds: float,
        on_ready: Callable[[], None],
        stop_beside: Sequence[Callable[[], Awaitable[None]]],
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._stop_beside = stop_beside

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the two signals as requests to end, for as long as the server runs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections and drain, and what is served beside it too."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        await asyncio.gather(self._drain(), *(stop() for stop in self._stop_beside))

    async def _drain(self) -> None:
        """Let running answers end until the limit; cut the others, which settle their usage; close every connection.

        Until then the open connections stay open, so that a request on one of them is refused in words.
        """
        state, clock = self.server_state, asyncio.get_running_loop().time
        until = clock() + self._drain_seconds
        for connection in state.connections:
            if isinstance(connection, BoundedProtocol):
                connection.close_after_answer()
        while state.tasks and not self.force_exit and clock() < until:
            await asyncio.wait(state.tasks, timeout=_LOOK_SECONDS)
        if state.tasks:
            for task in state.tasks:
                task.cancel()
            await asyncio.wait(state.tasks, timeout=_SETTLE_SECONDS)
        for connection in tuple(state.connections):
            connection.shutdown()
        until = max(until, clock() + _FLUSH_SECONDS)
        while state.connections and clock() < until:  # they still send what was written before
            await asyncio.sleep(_LOOK_SECONDS)
            if self.force_exit:
                return

    def _end(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def make_server(
    app: ASGIApp,
    options: ServerOptions,
    http: HttpOptions,
    *,
    on_ready: Callable[[], None],
    stop_beside: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Server:
    """Return a server for `app`; `serve(sockets=[...])` runs it until SIGTERM or SIGINT.

    Each of `stop_beside` is called when it drains, and waited for.
    """
    config = uvicorn.Config(
        app,
        http=bounded_protocol(http, draining=lambda: server.should_exit),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(http.idle_seconds),
        limit_concurrency=options.max_connections,
    )
    server = Server(config, drain_seconds=options.drain_seconds, on_ready=on_ready, stop_beside=stop_beside)
    return server


def bind_listener(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, so that a taken port is known before anything slow; raises PortTaken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        why = (
            "is taken; choose another with --port (make serve PORT=...)"
            if taken
            else f"cannot be used: {error.strerror}"
        )
        raise PortTaken(f"Port {port} on {host} {why}.") from error
    listener.setblocking(False)
    return listener


def listener_url(listener: socket.socket) -> str:
    """Return the base URL of what listens there, without a path."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
