"""Rows and reading order, as arithmetic on boxes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from vitrail.engines.facts.rows import arrange_rows, measure_tilt
from vitrail.engines.facts.sheet import Box, TextLine


def line(text: str, left_px: float, top_px: float, *, width_px: float = 80, height_px: float = 20, angle: float = 0.0):
    return TextLine(text, 0.99, Box(left_px, top_px, left_px + width_px, top_px + height_px), angle)


grids = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(grids, st.randoms(use_true_random=False))
def test_a_grid_is_read_row_by_row_whatever_the_order_found(columns, random):
    """Cells of a grid come out in rows, left to right, however they were shuffled."""
    lines = [line(f"r{row}c{at}", 120.0 * at, 50.0 * row) for row, count in enumerate(columns) for at in range(count)]
    expected = [tuple(f"r{row}c{at}" for at in range(count)) for row, count in enumerate(columns)]
    random.shuffle(lines)
    assert [row.texts for row in arrange_rows(lines)] == expected


@given(st.floats(-8, 8))
def test_a_tilted_grid_keeps_its_rows(degrees):
    """Rows that rise or fall across the page stay together."""
    angle = math.radians(degrees)
    lines = []
    for row in range(4):
        for column in range(3):
            x_px, y_px = 200.0 * column, 60.0 * row
            turned_x = x_px * math.cos(angle) - y_px * math.sin(angle)
            turned_y = x_px * math.sin(angle) + y_px * math.cos(angle)
            lines.append(line(f"r{row}c{column}", turned_x, turned_y, angle=angle))
    assert [row.texts for row in arrange_rows(lines)] == [tuple(f"r{r}c{c}" for c in range(3)) for r in range(4)]


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=9), st.floats(0, 900), st.floats(0, 900), st.floats(-1, 1))).map(
        lambda found: [line(text, x, y, angle=angle) for text, x, y, angle in found]
    )
)
def test_no_line_is_lost_or_doubled(lines):
    """Arranging only orders: every line found is in exactly one row."""
    arranged = [cell for row in arrange_rows(lines) for cell in row.cells]
    assert sorted(arranged, key=id) == sorted(lines, key=id)


def test_running_text_in_columns_is_read_column_by_column():
    """A page of two columns is not read across."""
    words = "a line of running text, long enough"
    lines = [
        line(f"{side}{row} {words}", 20.0 + 400 * (side == "R"), 30.0 * row + 60, width_px=330)
        for row in range(6)
        for side in "LR"
    ]
    lines.append(line("The headline across both columns of text", 100, 10, width_px=560))
    read = [row.texts[0][:2] for row in arrange_rows(lines)]
    assert read == ["Th", *(f"L{row}" for row in range(6)), *(f"R{row}" for row in range(6))]


def test_no_lines_have_no_tilt():
    """An empty page has no tilt and no rows."""
    assert measure_tilt([]) == 0.0
    assert arrange_rows([]) == ()
