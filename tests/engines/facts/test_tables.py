"""Tables as arithmetic on boxes."""

from __future__ import annotations

import pytest

from vitrail.engines.facts.clock import read_clocks
from vitrail.engines.facts.sheet import Box, TextLine, TextRow
from vitrail.engines.facts.tables import find_tables


def row(top_px: float, *cells: tuple[str, float, float]) -> TextRow:
    return TextRow(tuple(TextLine(text, 0.99, Box(left, top_px, right, top_px + 30)) for text, left, right in cells))


def test_two_columns_are_no_table():
    """A list of labels and values looks like a table of two columns and is left to be read as such."""
    rows = [
        row(0, ("Lot", 0, 50), ("5821-X", 300, 380)),
        row(40, ("Weight", 0, 90), ("300 g", 300, 360)),
        row(80, ("Model", 0, 80), ("UP-566", 300, 380)),
    ]
    assert find_tables(rows) == ()


def test_header_cells_read_as_one_are_cut_where_columns_begin():
    """`Tuesday Wednesday` in one box is two days when cells below begin at both."""
    rows = [
        row(0, ("Monday", 200, 330), ("Tuesday Wednesday", 360, 700)),
        row(40, ("08:30", 80, 160), ("Chess", 525, 620)),
        row(80, ("09:45", 80, 160), ("Latin", 200, 280), ("Choir", 362, 450)),
        row(120, ("11:00", 80, 160), ("Botany", 362, 470), ("Drawing", 526, 640)),
    ]
    (table,) = find_tables(rows)
    assert table.header == ("", "Monday", "Tuesday", "Wednesday")
    assert table.records[0] == ("08:30", "", "", "Chess")
    assert table.records[2] == ("11:00", "", "Botany", "Drawing")


def test_a_header_of_two_words_stays_one():
    """`Unit price` over right-aligned amounts is one column."""
    rows = [
        row(0, ("Item", 0, 60), ("Quantity", 200, 310), ("Unit price", 400, 540)),
        row(40, ("Bolts", 0, 70), ("5", 290, 310), ("142.35", 455, 540)),
        row(80, ("Nuts", 0, 60), ("12", 280, 310), ("9.20", 480, 540)),
    ]
    (table,) = find_tables(rows)
    assert table.header == ("Item", "Quantity", "Unit price")


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["06.10", "10.57", "13.44"], "06:10"),
        (["17.15", "18.25", "19.49", "20.06"], "17:15"),
        (["10.99", "14.75", "12.79"], None),
        (["6.10", "10.57", "13.44"], None),
        (["10.15", "12.30"], None),
    ],
)
def test_figures_with_dots_are_times_only_together(texts, first):
    """Amounts have ninety-nine cents, one digit before the dot, or too few of them to tell."""
    assert read_clocks(texts).get(texts[0]) == first
