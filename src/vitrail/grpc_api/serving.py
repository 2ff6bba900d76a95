"""Serve the gRPC surface on grpc.aio: bind, with TLS where certificates are set, and drain at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from vitrail.grpc_api.call import Surface
from vitrail.grpc_api.health import Health
from vitrail.grpc_api.methods import list_services, make_handlers
from vitrail.grpc_api.options import GrpcOptions
from vitrail.service.arguments import ArgumentLimits
from vitrail.service.services import Services

_HURRY_SECONDS = 0.1
_PING_MS = 10_000  # the SDK pings every 30 s, also between calls; without this it would be cut off as a nuisance
_KEEPALIVE_MS = 60_000


class GrpcNotServed(Exception):
    """The address or the certificates cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """A running gRPC server and where it listens."""

    server: Any  # grpc.aio.Server
    host: str
    port: int

    @property
    def address(self) -> str:
        """Return what the SDK takes as `api_host`: it speaks plain text with `localhost` alone."""
        return f"{'localhost' if self.host in ('127.0.0.1', '::1') else self.host}:{self.port}"

    async def stop(self, *, drain_seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Take no more calls, and let running ones end; those that have not by then are cancelled and settled."""
        stopping = asyncio.ensure_future(self.server.stop(drain_seconds))
        while not stopping.done():
            await asyncio.wait((stopping,), timeout=_HURRY_SECONDS)
            if hurry():
                await self.server.stop(None)
        await stopping


@asynccontextmanager
async def serve_grpc(services: Services, options: GrpcOptions, limits: ArgumentLimits) -> AsyncIterator[GrpcServer]:
    """Serve for as long as the block runs; raises GrpcNotServed before it is entered."""
    assert options.port is not None
    server = grpc.aio.server(options=_channel_options(options))
    server.add_generic_rpc_handlers(tuple(make_handlers(Surface(services, options, limits))))
    names = frozenset(service.full_name for service in list_services())
    health_pb2_grpc.add_HealthServicer_to_server(Health(services.health, names), server)
    if options.reflection:
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((*sorted(names), health_name, reflection.SERVICE_NAME), server)
    running = GrpcServer(server, options.host, _bind(server, options))
    await server.start()
    try:
        yield running
    finally:
        await server.stop(None)


def _bind(server: Any, options: GrpcOptions) -> int:
    """Return the port that is listened on."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.port}"
    try:
        if options.has_tls:
            return int(server.add_secure_port(address, _read_credentials(options)))
        return int(server.add_insecure_port(address))
    except RuntimeError as error:
        raise GrpcNotServed(
            f"Port {options.port} on {options.host} cannot be used for gRPC; choose another with --grpc-port."
        ) from error


def _read_credentials(options: GrpcOptions) -> Any:
    assert options.tls_certificate is not None and options.tls_key is not None
    try:
        certificate, key = options.tls_certificate.read_bytes(), options.tls_key.read_bytes()
    except OSError as error:
        raise GrpcNotServed(f"The certificate for gRPC cannot be read: {error.filename}: {error.strerror}") from error
    return grpc.ssl_server_credentials([(key, certificate)])


def _channel_options(options: GrpcOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", options.message_bytes),
        ("grpc.max_send_message_length", options.message_bytes),
        ("grpc.so_reuseport", 0),  # or a second server would share the port in silence
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _PING_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ]
