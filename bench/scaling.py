"""Plan how many Vitrail processes and GPUs a load needs, and check the plan by simulating its queues.

    python -m bench.scaling [--rates 10,1000,100000] [--measure]

The plan is arithmetic over costs: what a request takes of a core (measured here with `--measure`, or the figures that
a run of it gave), and what a GPU gives in tokens a second (yours to fill in: none can be measured here). The simulation
then lets requests arrive at random and wait for cores and for GPU slots; large loads are simulated as one cell of many
alike, since a load balancer splits them evenly.
"""

from __future__ import annotations

import argparse
import heapq
import io
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pybase64
from PIL import Image

from vitrail.domain.pictures import Detail
from vitrail.ingest.decode import decode_picture
from vitrail.ingest.decode_task import DecodeTask
from vitrail.ingest.sniff import sniff_image
from vitrail.ingest.tile import plan_tiles

_BUSY = 0.7  # how much of cores and GPUs a plan uses; above, waiting grows without bound
_CELL_REQUESTS = 20_000
_CELL_GPUS = 16


@dataclass(frozen=True, slots=True)
class Costs:
    """What Vitrail takes of one core; `--measure` prints those of this machine."""

    request_seconds: float = 0.0012  # everything that does not depend on the image
    mebibyte_seconds: float = 0.0016  # body, base64
    megapixel_seconds: float = 0.0065  # JPEG decoded, turned, scaled


@dataclass(frozen=True, slots=True)
class Gpu:
    """What one replica of a vision model gives; fill in what your own server shows. These are round numbers."""

    prompt_tokens_per_second: float = 20_000.0
    completion_tokens_per_second: float = 2_500.0  # over all answers that run together
    answer_tokens_per_second: float = 80.0  # of one answer, however idle the replica is
    slots: int = 64


@dataclass(frozen=True, slots=True)
class Shot:
    """A kind of image in the load: its share, size and prompt tokens."""

    name: str
    share: float
    width_px: int
    height_px: int
    mebibytes: float

    @property
    def megapixels(self) -> float:
        """Return the pixels in millions."""
        return self.width_px * self.height_px / 1e6

    @property
    def image_tokens(self) -> int:
        """Return what the tile rule bills, and an InternVL-style engine about uses."""
        return plan_tiles(self.width_px, self.height_px, Detail.HIGH).image_tokens


MIX = (
    Shot("screenshot crop", 0.4, 640, 480, 0.1),
    Shot("web photo", 0.4, 1632, 1224, 0.4),
    Shot("phone photo", 0.2, 4032, 3024, 4.0),
)
TEXT_TOKENS, COMPLETION_TOKENS = 60, 120


@dataclass(frozen=True, slots=True)
class Plan:
    """How many cores for Vitrail and GPU replicas a rate needs, and what flows through."""

    rate: float
    cores: int
    gpus: int
    mebibytes_per_second: float


def core_seconds(shot: Shot, costs: Costs) -> float:
    """Return what one request takes of a core."""
    return costs.request_seconds + shot.mebibytes * costs.mebibyte_seconds + shot.megapixels * costs.megapixel_seconds


def gpu_seconds(shot: Shot, gpu: Gpu) -> float:
    """Return what one request takes of a whole replica."""
    prompt = (TEXT_TOKENS + shot.image_tokens) / gpu.prompt_tokens_per_second
    return prompt + COMPLETION_TOKENS / gpu.completion_tokens_per_second


def idle_seconds(shot: Shot, gpu: Gpu) -> float:
    """Return how long a replica takes for one request when it has no other."""
    prompt = (TEXT_TOKENS + shot.image_tokens) / gpu.prompt_tokens_per_second
    return prompt + COMPLETION_TOKENS / gpu.answer_tokens_per_second


def plan(rate: float, costs: Costs, gpu: Gpu) -> Plan:
    """Return the fewest cores and replicas that are busy no more than `_BUSY`."""
    cores = rate * mean(lambda shot: core_seconds(shot, costs)) / _BUSY
    gpus = rate * mean(lambda shot: gpu_seconds(shot, gpu)) / _BUSY
    return Plan(rate, math.ceil(cores), math.ceil(gpus), rate * mean(lambda shot: shot.mebibytes))


def mean(of: Callable[[Shot], float]) -> float:
    """Return the mean over the mix."""
    return sum(shot.share * of(shot) for shot in MIX)


class Replica:
    """A GPU replica that shares what it can do evenly between the answers it runs.

    One answer alone uses no more than `top_speed` of it.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._slots = gpu.slots
        self.top_speed = mean(lambda shot: gpu_seconds(shot, gpu)) / mean(lambda shot: idle_seconds(shot, gpu))
        self._clock = 0.0  # what each running answer got so far, in seconds of the whole replica
        self._at = 0.0
        self._running: list[tuple[float, int, float]] = []  # clock at its end, number, when it came
        self._queue: deque[tuple[float, int, float]] = deque()  # seconds, number, when it came

    def __len__(self) -> int:
        return len(self._running) + len(self._queue)

    @property
    def _speed(self) -> float:
        return min(1 / len(self._running), self.top_speed)

    @property
    def next_end(self) -> float:
        """Return when the next answer ends."""
        return self._at + (self._running[0][0] - self._clock) / self._speed if self._running else math.inf

    def add(self, at: float, number: int, seconds: float) -> None:
        """Take a request."""
        self._move(at)
        if len(self._running) < self._slots:
            heapq.heappush(self._running, (self._clock + seconds, number, at))
        else:
            self._queue.append((seconds, number, at))

    def finish(self, at: float) -> tuple[int, float]:
        """End the next answer; return its number and how long it was here."""
        self._move(at)
        _, number, came = heapq.heappop(self._running)
        if self._queue:
            seconds, waiting, waits_since = self._queue.popleft()
            heapq.heappush(self._running, (self._clock + seconds, waiting, waits_since))
        return number, at - came

    def _move(self, at: float) -> None:
        if self._running:
            self._clock += (at - self._at) * self._speed
        self._at = at


def simulate(planned: Plan, costs: Costs, gpu: Gpu, *, seed: int = 1) -> tuple[float, float, float]:
    """Return median and 95th percentile of seconds to the whole answer, and the median's ratio to an idle system's.

    First come, first served at the cores; then the replica with the fewest requests.
    """
    cells = max(1, planned.gpus // _CELL_GPUS)
    cores, gpus, rate = math.ceil(planned.cores / cells), math.ceil(planned.gpus / cells), planned.rate / cells
    draw = random.Random(seed)
    core_free, replicas = [0.0] * cores, [Replica(gpu) for _ in range(gpus)]
    prepared: list[tuple[float, int, float]] = []
    came, now, ratios, latencies = {}, 0.0, [], []
    for number in range(_CELL_REQUESTS):
        now += draw.expovariate(rate)
        shot = draw.choices(MIX, [each.share for each in MIX])[0]
        core, there = core_seconds(shot, costs), gpu_seconds(shot, gpu) * draw.uniform(0.5, 1.5)
        came[number] = (now, core + there / replicas[0].top_speed)
        prepared.append((_serve(core_free, now, core)[1], number, there))
    for at, number, there in [*sorted(prepared), (math.inf, -1, 0.0)]:
        while (soonest := min(replicas, key=lambda each: each.next_end)).next_end <= at:
            ended = soonest.next_end
            if ended == math.inf:
                break
            begun, alone = came[soonest.finish(ended)[0]]
            latencies.append(ended - begun)
            ratios.append((ended - begun) / alone)
        if number >= 0:
            min(replicas, key=len).add(at, number, there)
    latencies.sort()
    return statistics.median(latencies), latencies[int(len(latencies) * 0.95)], statistics.median(ratios)


def _serve(free: list[float], at: float, seconds: float) -> tuple[float, float]:
    """Take the core that is free first; return when it begins and when it is done."""
    begun = max(at, heapq.heappop(free))
    heapq.heappush(free, begun + seconds)
    return begun, begun + seconds


def measure(costs: Costs) -> Costs:
    """Return the costs with what bodies and pixels take on this machine; the fixed part is kept."""
    noise = np.random.default_rng(1).integers(0, 255, (1224 // 8, 1632 // 8, 3), dtype=np.uint8)
    picture, out = Image.fromarray(noise).resize((4032, 3024), Image.Resampling.BICUBIC), io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    data = out.getvalue()
    text = pybase64.b64encode(data)
    decoding = _median_seconds(lambda: _decode(data))
    unpacking = _median_seconds(lambda: pybase64.b64decode(text, validate=True))
    return replace(
        costs,
        megapixel_seconds=decoding / (4032 * 3024 / 1e6),
        mebibyte_seconds=max(costs.mebibyte_seconds, unpacking / (len(data) / 2**20)),
    )


def _decode(data: bytes) -> None:
    header = sniff_image(data)
    plan_of = plan_tiles(header.width_px, header.height_px, Detail.HIGH)
    size = (plan_of.fitted_width_px, plan_of.fitted_height_px)
    decode_picture(DecodeTask(data, header.format, 1, header.width_px, header.height_px, *size, False))


def _median_seconds(call: Callable[[], object]) -> float:
    seen = []
    for _ in range(7):
        begun = time.perf_counter()
        call()
        seen.append(time.perf_counter() - begun)
    return statistics.median(seen)


def print_plans(rates: Sequence[float], costs: Costs, gpu: Gpu) -> None:
    """Print a row for each rate: what it needs, and what the simulation of it showed."""
    print(f"{costs}\n{gpu}\n")
    print("images/s   cores   GPUs   MiB/s in   p50 s   p95 s   p50 x idle")
    for rate in rates:
        planned = plan(rate, costs, gpu)
        median, late, ratio = simulate(planned, costs, gpu)
        row = f"{rate:8,.0f} {planned.cores:7,d} {planned.gpus:6,d} {planned.mebibytes_per_second:10,.0f}"
        print(f"{row} {median:7.2f} {late:7.2f} {ratio:12.2f}")


def main() -> None:
    """Plan, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="10,1000,100000")
    parser.add_argument("--measure", action="store_true", help="measure pixels and bytes on this machine first")
    parser.add_argument("--gpu-prompt-tokens", type=float, default=Gpu().prompt_tokens_per_second)
    parser.add_argument("--gpu-completion-tokens", type=float, default=Gpu().completion_tokens_per_second)
    asked = parser.parse_args()
    gpu = Gpu(asked.gpu_prompt_tokens, asked.gpu_completion_tokens)
    costs = measure(Costs()) if asked.measure else Costs()
    print_plans([float(rate) for rate in asked.rates.split(",")], costs, gpu)


if __name__ == "__main__":
    main()
