"""The tables of docs/scaling.md, as lines of Markdown, from recorded costs and the simulation.

Called by `python -m bench.scaling`, which prints them, and by the test that compares them with the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.scaling.load import MIX, Gpu
from bench.scaling.planning import BUSY, Plan, plan
from bench.scaling.recorded import Costs, RequestCost
from bench.scaling.simulation import CELL_RATE, Cell

RATES = (10.0, 1_000.0, 100_000.0)
_BUSIER = 0.9
_BURSTS = (1.5, 2.0)
_MB = 1e6


def list_tables(costs: Costs, gpu: Gpu, *, rates: tuple[float, ...] = RATES) -> Iterator[tuple[str, list[str]]]:
    """Yield each table with what it is about."""
    yield "What a request takes", list(_requests(costs))
    yield "What one Postgres takes of the ledger", list(_ledger(costs))
    yield "What a load needs", list(_plans(costs, gpu, rates))
    yield "What clients see", list(_seen(costs, gpu, rates))
    yield f"Bursts of ten seconds, at {CELL_RATE:,.0f} images/s", list(_bursts(costs, gpu))


def _requests(costs: Costs) -> Iterator[str]:
    yield from _head("image, answer", "server", "decoding", "Postgres", "Valkey", "MB in", "MB to engine", "MB out")
    ways: tuple[tuple[str, Mapping[str, RequestCost]], ...] = (("streamed", costs.requests), ("whole", costs.whole))
    for shot in MIX:
        for way, all_costs in ways:
            cost = all_costs[shot.name]
            seconds = (cost.server_seconds, cost.decode_seconds, cost.postgres_seconds, cost.valkey_seconds)
            sizes = (cost.in_bytes, cost.engine_bytes, cost.out_bytes)
            yield _row(
                f"{shot.name}, {shot.width_px} x {shot.height_px}, {way}",
                *(f"{each * 1000:.1f} ms" for each in seconds),
                *(f"{each / _MB:.2f}" for each in sizes),
            )


def _ledger(costs: Costs) -> Iterator[str]:
    ledger = costs.ledger
    yield from _head(
        "rows/s in groups", "each by itself", "in groups, charged to one team", "bytes a row", "bytes of log"
    )
    rates = (ledger.rows_per_second, ledger.single_rows_per_second, ledger.charged_rows_per_second)
    yield _row(*(f"{each:,.0f}" for each in (*rates, ledger.row_bytes, ledger.log_bytes)))


def _plans(costs: Costs, gpu: Gpu, rates: tuple[float, ...]) -> Iterator[str]:
    names = ("processes", "cores", "GPUs", "Gbit/s in", "Gbit/s to engines", "Gbit/s out")
    yield from _head("images/s", *names, "Postgres cores", "Valkey cores", "GB of ledger a day")
    for rate in rates:
        needed = plan(rate, costs, gpu)
        yield _row(
            f"{rate:,.0f}",
            *(f"{each:,.0f}" for each in (needed.processes, needed.cores, needed.gpus)),
            *(_gigabits(each) for each in (needed.in_bytes, needed.engine_bytes, needed.out_bytes)),
            *(f"{each:,.2f}" for each in (needed.postgres_cores, needed.valkey_cores)),
            f"{rate * 86_400 * costs.ledger.row_bytes / 1e9:,.1f}",
        )


def _seen(costs: Costs, gpu: Gpu, rates: tuple[float, ...]) -> Iterator[str]:
    yield from _head("images/s", "busy", "processes", "GPUs", "median", "p95", "median, x of an idle system", "refused")
    for rate in rates:
        for busy in (BUSY, _BUSIER):
            needed = plan(rate, costs, gpu, busy=busy)
            yield _row(f"{rate:,.0f}", f"{busy:.0%}", *_outcome(needed, costs, gpu, 1.0))


def _bursts(costs: Costs, gpu: Gpu) -> Iterator[str]:
    yield from _head("load", "busy", "processes", "GPUs", "median", "p95", "median, x of an idle system", "refused")
    for burst in _BURSTS:
        for busy in (BUSY, _BUSIER):
            needed = plan(CELL_RATE, costs, gpu, busy=busy)
            yield _row(f"{burst:g} x", f"{busy:.0%}", *_outcome(needed, costs, gpu, burst))


def _outcome(needed: Plan, costs: Costs, gpu: Gpu, burst: float) -> tuple[str, ...]:
    seen = Cell(needed, costs, gpu, burst=burst).run()
    times = (f"{seen.median_seconds:.1f} s", f"{seen.late_seconds:.1f} s", f"{seen.ratio:.2f}")
    return f"{needed.processes:,}", f"{needed.gpus:,}", *times, f"{seen.refused:.1%}"


def _gigabits(bytes_per_second: float) -> str:
    return f"{bytes_per_second * 8 / 1e9:,.2f}"


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
