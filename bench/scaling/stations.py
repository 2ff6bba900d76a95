"""Where requests of the simulation wait and are served: a Vitrail process and a GPU replica. Called by `simulation`."""

from __future__ import annotations

import heapq
import math
from collections import deque

from bench.scaling.load import Gpu, mean
from bench.scaling.planning import SLOTS


class Process:
    """A Vitrail process: when its loop and its decode workers are free, and who awaits one of its slots."""

    def __init__(self, workers: int) -> None:
        self.requests = 0
        self.free = SLOTS
        self.waiting: deque[int] = deque()
        self._workers = [0.0] * workers
        self._loop = 0.0

    def prepare(self, at: float, server_seconds: float, decode_seconds: float) -> float:
        """Return when a request that comes now is ready for a slot: first come, first served."""
        self.requests += 1
        self._loop = max(at, self._loop) + server_seconds
        begun = max(self._loop, heapq.heappop(self._workers))
        heapq.heappush(self._workers, begun + decode_seconds)
        return begun + decode_seconds


class Replica:
    """A GPU replica that shares what it can do evenly between the answers it runs.

    One answer alone uses no more than `top_speed` of it. `version` changes whenever `next_end` may have.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._slots = gpu.slots
        self.top_speed = mean(gpu.busy_seconds) / mean(gpu.idle_seconds)
        self.version = 0
        self._clock = 0.0  # what each running answer got so far, in seconds of the whole replica
        self._at = 0.0
        self._running: list[tuple[float, int]] = []  # clock at its end, number
        self._queue: deque[tuple[float, int]] = deque()  # seconds, number

    def __len__(self) -> int:
        return len(self._running) + len(self._queue)

    @property
    def next_end(self) -> float:
        """Return when the next answer ends."""
        return self._at + (self._running[0][0] - self._clock) / self._speed if self._running else math.inf

    def add(self, at: float, number: int, seconds: float) -> None:
        """Take a request."""
        self._move(at)
        if len(self._running) < self._slots:
            heapq.heappush(self._running, (self._clock + seconds, number))
        else:
            self._queue.append((seconds, number))

    def finish(self, at: float) -> int:
        """End the next answer; return its number."""
        self._move(at)
        _, number = heapq.heappop(self._running)
        if self._queue:
            seconds, waiting = self._queue.popleft()
            heapq.heappush(self._running, (self._clock + seconds, waiting))
        return number

    @property
    def _speed(self) -> float:
        return min(1 / len(self._running), self.top_speed)

    def _move(self, at: float) -> None:
        if self._running:
            self._clock += (at - self._at) * self._speed
        self._at = at
        self.version += 1
