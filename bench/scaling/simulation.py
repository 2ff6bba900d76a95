"""Let a planned system meet its load: random arrivals, queues at loops, decode workers, slots and GPUs.

Called by the tables. What waits, for how long and what is refused is what Vitrail does by its defaults; the balancer
takes the process with the fewest requests, the router before the GPUs the better of two by chance, as Ray Serve does.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from dataclasses import dataclass

from bench.scaling.load import MIX, Gpu
from bench.scaling.planning import Plan, cost_of
from bench.scaling.recorded import Costs
from bench.scaling.stations import Process, Replica
from vitrail.engines.slots import SlotsOptions

CELL_RATE = 1000.0  # more is many such cells beside each other, and one of them is simulated
_SECONDS, _LEAST_REQUESTS, _WARM = 40.0, 20_000, 0.25
_BURST_SECONDS = 10.0
_WAITS = SlotsOptions()


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened to the requests that came when the system was warm."""

    median_seconds: float
    late_seconds: float  # 95 of 100 are earlier
    ratio: float  # the median's to that of an idle system
    refused: float  # of all


@dataclass(slots=True)
class _Request:
    came: float
    alone: float  # seconds it would take in an idle system
    there: float  # seconds it takes of a replica
    process: Process
    ready: float  # when it wants a slot


class Cell:
    """One Postgres, one Valkey, and the processes and replicas of up to `CELL_RATE` images a second."""

    def __init__(self, planned: Plan, costs: Costs, gpu: Gpu, *, burst: float = 1.0, seed: int = 1) -> None:
        cells = max(1.0, planned.rate / CELL_RATE)
        self._rate, self._burst, self._costs, self._gpu = planned.rate / cells, burst, costs, gpu
        self._draw = random.Random(seed)
        self._processes = [Process(planned.workers) for _ in range(math.ceil(planned.processes / cells))]
        self._replicas = [Replica(gpu) for _ in range(math.ceil(planned.gpus / cells))]
        self._running: dict[int, _Request] = {}
        self._ends: list[tuple[float, int, int]] = []  # when, replica, its version
        self._seconds = max(_SECONDS, _LEAST_REQUESTS / self._rate)
        self._latencies: list[tuple[float, float]] = []  # seconds, and times of what it takes alone
        self._refused = 0

    def run(self) -> Seen:
        """Return what clients saw; from the middle on the rate is `burst` times the planned one for ten seconds."""
        ready: list[tuple[float, int]] = []
        now, number = 0.0, 0
        while now < self._seconds or ready or self._running:
            coming = now + self._draw.expovariate(self._rate_at(now)) if now < self._seconds else math.inf
            while (ready and ready[0][0] <= coming) or (self._ends and self._ends[0][0] <= coming):
                if not self._ends or (ready and ready[0][0] <= self._ends[0][0]):
                    self._want_slot(*heapq.heappop(ready))
                else:
                    self._end(*heapq.heappop(self._ends))
            if coming == math.inf:
                break
            now, number = coming, number + 1
            heapq.heappush(ready, (self._arrive(now, number), number))
        seconds, ratios = (sorted(column) for column in zip(*self._latencies, strict=True))
        late = seconds[int(len(seconds) * 0.95)]
        refused = self._refused / (self._refused + len(seconds))
        return Seen(statistics.median(seconds), late, statistics.median(ratios), refused)

    def _rate_at(self, now: float) -> float:
        return self._rate * (self._burst if 0 <= now - self._seconds / 2 < _BURST_SECONDS else 1.0)

    def _arrive(self, now: float, number: int) -> float:
        shot = self._draw.choices(MIX, [each.share for each in MIX])[0]
        cost, there = cost_of(shot, self._costs), self._gpu.busy_seconds(shot) * self._draw.uniform(0.5, 1.5)
        process = min(self._processes, key=lambda each: each.requests)
        ready = process.prepare(now, cost.server_seconds, cost.decode_seconds)
        alone = cost.core_seconds + there / self._replicas[0].top_speed
        self._running[number] = _Request(now, alone, there, process, ready)
        return ready

    def _want_slot(self, at: float, number: int) -> None:
        process = self._running[number].process
        if process.free:
            process.free -= 1
            self._generate(at, number)
        elif len(process.waiting) < _WAITS.queue:
            process.waiting.append(number)
        else:
            self._refuse(number)

    def _generate(self, at: float, number: int) -> None:
        places = [self._draw.randrange(len(self._replicas)) for _ in range(2)]
        place = min(places, key=lambda each: len(self._replicas[each]))
        self._replicas[place].add(at, number, self._running[number].there)
        self._look_at(place)

    def _end(self, at: float, place: int, version: int) -> None:
        replica = self._replicas[place]
        if replica.version != version:
            return  # something came or went since
        ended = self._leave(replica.finish(at))
        if ended.came > self._seconds * _WARM:
            self._latencies.append((at - ended.came, (at - ended.came) / ended.alone))
        self._look_at(place)
        self._pass_on(at, ended.process)

    def _look_at(self, place: int) -> None:
        replica = self._replicas[place]
        if len(replica):
            heapq.heappush(self._ends, (replica.next_end, place, replica.version))

    def _pass_on(self, at: float, process: Process) -> None:
        """Hand the slot of an answer that ended to who waits, longest first, but not for too long."""
        while process.waiting:
            number = process.waiting.popleft()
            if at - self._running[number].ready <= _WAITS.wait_seconds:
                self._generate(at, number)
                return
            self._refuse(number)
        process.free += 1

    def _refuse(self, number: int) -> None:
        if self._leave(number).came > self._seconds * _WARM:
            self._refused += 1

    def _leave(self, number: int) -> _Request:
        gone = self._running.pop(number)
        gone.process.requests -= 1
        return gone
