"""The figures of docs/scaling.md are those that `python -m bench.scaling` gives for the recorded costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.scaling.load import MIX, Gpu, mean
from bench.scaling.planning import SLOTS, plan
from bench.scaling.recorded import RECORDED
from bench.scaling.simulation import Cell
from bench.scaling.tables import list_tables

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()


def test_every_table_stands_on_the_page() -> None:
    """With the same seed the simulation gives the same figures."""
    tables = list(list_tables(RECORDED, Gpu()))
    assert len(tables) == 5
    for title, lines in tables:
        assert f"**{title}**" in PAGE and "\n".join(lines) in PAGE, title


def test_a_plan_has_slots_for_all_who_are_served() -> None:
    """By Little's law: as many run at once as come in the time that one takes."""
    needed = plan(1000.0, RECORDED, Gpu())
    running = 1000.0 * mean(Gpu().idle_seconds)
    assert running / (needed.processes * SLOTS) <= 0.7
    assert needed.gpus * 0.7 >= 1000.0 * mean(Gpu().busy_seconds)
    assert abs(sum(shot.share for shot in MIX) - 1) < 1e-9


def test_a_load_that_is_too_large_waits() -> None:
    """The simulation is no formality: six times what was planned is seen at once."""
    needed = plan(100.0, RECORDED, Gpu())
    planned, flooded = Cell(needed, RECORDED, Gpu()).run(), Cell(needed, RECORDED, Gpu(), burst=6.0).run()
    assert planned.refused == 0.0 and planned.ratio < 1.1
    assert flooded.late_seconds > 5 * planned.late_seconds


def test_replicas_that_are_too_slow_fill_every_slot_and_then_requests_are_refused() -> None:
    """As Vitrail does it: who has waited too long for a slot, or finds the queue full."""
    slow = replace(Gpu(), completion_tokens_per_second=250.0)
    assert Cell(plan(100.0, RECORDED, Gpu()), RECORDED, slow).run().refused > 0.1
