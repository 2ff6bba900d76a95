"""Keep one child running: start it, notice its death or silence, start it again with growing pauses."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from vitrail.domain.errors import Failure
from vitrail.engines.llama.process import Child

Spawn = Callable[[], Awaitable[Child]]
Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]


COMMON_CAUSES: dict[int, str] = {
    signal.SIGKILL: ": killed by hand, or by the kernel for want of memory",
    signal.SIGBUS: ": a model file was cut short while it was in use, or the disk failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPauses:
    """How long to wait before a restart: each pause doubles, until a child lived for `stable_seconds`."""

    first_seconds: float
    longest_seconds: float
    stable_seconds: float


@dataclass(frozen=True, slots=True)
class Watchdog:
    """How a child that runs and yet does nothing is found out: `probe` raises Failure where no answer comes.

    It is probed after every `pause_seconds`; a child that is silent `silences` times in a row is killed. One that let a
    request stall is probed at once, and the first silence is enough.
    """

    probe: Callable[[], Awaitable[None]]
    pause_seconds: float
    silences: int = 3


class Supervisor:
    """Owns the child; `child` is None while none is ready, `is_silent` tells that its last probe went unanswered."""

    def __init__(
        self,
        spawn: Spawn,
        pauses: RestartPauses,
        *,
        watchdog: Watchdog | None = None,
        sleep: Sleep = asyncio.sleep,
        monotonic: Clock = time.monotonic,
    ) -> None:
        self.child: Child | None = None
        self.is_silent = False
        self.restarts = 0
        self.pause_seconds = 0.0
        self._spawn = spawn
        self._pauses = pauses
        self._watchdog = watchdog
        self._sleep = sleep
        self._monotonic = monotonic
        self._doubted = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(engine="llama")

    async def start(self) -> None:
        """Start the first child; raises Unavailable when that fails, and nothing is left running."""
        self.child = await self._spawn()
        self._watch = asyncio.create_task(self._keep_running(self.child))

    async def close(self) -> None:
        """End the child for good."""
        if self._watch is not None:
            self._watch.cancel()
        if self.child is not None:
            self.child.kill()  # before anything is awaited: whoever closes may be cancelled
        if self._watch is not None:
            await asyncio.wait((self._watch,))
            self._watch = None
        if self.child is not None:
            child, self.child = self.child, None
            child.kill()
            await child.wait()

    def kill(self, child: Child, *, reason: str) -> None:
        """Kill `child` if it is still the current one; another takes its place."""
        if child is self.child:
            self._log.error("killing the engine process", reason=reason, pid=child.pid)
            child.kill()

    def doubt(self, child: Child) -> None:
        """Have a child that let a request stall probed at once, if it is still the current one."""
        if child is self.child:
            self._doubted.set()

    async def _keep_running(self, child: Child) -> None:
        while True:
            born = self._monotonic()
            status = await self._wait(child)
            self.child = None
            self._log.error("the engine process ended", status=status, pid=child.pid, cause=_tell_cause(status))
            if self._monotonic() - born >= self._pauses.stable_seconds:
                self.pause_seconds = 0.0
            child = await self._restart()
            self.child = child

    async def _wait(self, child: Child) -> int:
        """Return the exit status once the child has ended, by itself or because it was silent for too long."""
        probing = asyncio.create_task(self._probe(child))
        try:
            return await child.wait()
        finally:
            probing.cancel()
            self.is_silent = False
            await asyncio.wait((probing,))  # unlike awaiting it, this lets a cancellation of our own through

    async def _probe(self, child: Child) -> None:
        if self._watchdog is None:
            return
        silences = 0
        self._doubted.clear()  # it was of an earlier child
        while silences < self._watchdog.silences:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._watchdog.pause_seconds):
                    await self._doubted.wait()
            is_doubted = self._doubted.is_set()
            self._doubted.clear()
            try:
                await self._watchdog.probe()
            except Failure:
                silences = self._watchdog.silences if is_doubted else silences + 1
            else:
                silences = 0
            self.is_silent = silences > 0
        self.kill(child, reason="silent when it was asked for its health")

    async def _restart(self) -> Child:
        """Return a new child, however often it takes."""
        while True:
            self.pause_seconds = min(
                max(2 * self.pause_seconds, self._pauses.first_seconds), self._pauses.longest_seconds
            )
            await self._sleep(self.pause_seconds)
            self.restarts += 1
            try:
                child = await self._spawn()
            except Exception as failure:  # noqa: BLE001 - a loop's outermost frame: without it nobody would try again
                self._log.error("the engine process did not start", error=str(failure))
            else:
                self._log.info("the engine process is ready again", pid=child.pid, restarts=self.restarts)
                return child


def _tell_cause(status: int) -> str:
    """Return what an exit status says, with what is behind it most often."""
    if status >= 0:
        return f"it ended by itself with status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"{name}{COMMON_CAUSES.get(-status, '')}"
