"""How many Vitrail processes, cores and GPUs a load needs: arithmetic over what requests cost. Called by the table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.scaling.load import Gpu, Shot, mean
from bench.scaling.recorded import Costs, RequestCost
from vitrail.engines.upstream_options import UpstreamOptions

SLOTS = UpstreamOptions().generations  # of a process
BUSY = 0.7  # how much of cores, slots and GPUs a plan uses; above, waiting grows without bound


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rate needs, and what flows through; `cores` are all of Vitrail's, decoding included."""

    rate: float
    processes: int
    cores: float
    gpus: int
    in_bytes: float
    engine_bytes: float
    out_bytes: float
    postgres_cores: float
    valkey_cores: float

    @property
    def workers(self) -> int:
        """Return how many decode workers a process needs."""
        return max(1, math.ceil(self.cores / self.processes) - 1)


def plan(rate: float, costs: Costs, gpu: Gpu, *, busy: float = BUSY) -> Plan:
    """Return the fewest processes and replicas that are no busier than `busy`.

    A process has one core for its loop and `SLOTS` generations at once: whichever is used up first.
    """

    def flow(name: str) -> float:
        return rate * mean(lambda shot: float(getattr(cost_of(shot, costs), name)))

    running = rate * mean(gpu.idle_seconds)
    return Plan(
        rate=rate,
        processes=math.ceil(max(flow("server_seconds"), running / SLOTS) / busy),
        cores=flow("core_seconds") / busy,
        gpus=math.ceil(rate * mean(gpu.busy_seconds) / busy),
        in_bytes=flow("in_bytes"),
        engine_bytes=flow("engine_bytes"),
        out_bytes=flow("out_bytes"),
        postgres_cores=flow("postgres_seconds") / busy,
        valkey_cores=flow("valkey_seconds") / busy,
    )


def cost_of(shot: Shot, costs: Costs) -> RequestCost:
    """Return what a request with an image of this kind takes."""
    return costs.requests[shot.name]
