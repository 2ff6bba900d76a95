"""`grpc.health.v1.Health`: whether this server can answer now, as `/readyz` says it. Needs no key."""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vitrail.grpc_api.call import Context, Message
from vitrail.service.health import HealthReport

_WATCH_SECONDS = 1.0
_MOST_WATCHERS = 64  # since anybody may watch
_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """Answers for the whole server (the name "") and for each service by its name."""

    def __init__(self, report: HealthReport, names: frozenset[str]) -> None:
        self._report = report
        self._names = names | {""}
        self._watchers = 0

    async def Check(self, request: Message, context: Context) -> Message:
        """Return the state now; NOT_FOUND for a service that this server does not have."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"This server has no service {request.service[:100]}.")
        return _Status(status=await self._state(request.service))

    async def Watch(self, request: Message, context: Context) -> None:
        """Send the state, and again whenever it is another one."""
        if self._watchers >= _MOST_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{_MOST_WATCHERS} watch already: use Check.")
        self._watchers += 1
        try:
            sent: int | None = None
            while True:
                state = await self._state(request.service)
                if state != sent:
                    await context.write(_Status(status=state))
                    sent = state
                await asyncio.sleep(_WATCH_SECONDS)
        finally:
            self._watchers -= 1

    async def _state(self, service: str) -> int:
        if service not in self._names:
            return int(_Status.SERVICE_UNKNOWN)
        ready, _ = await self._report.ready()
        return int(_Status.SERVING if ready else _Status.NOT_SERVING)
