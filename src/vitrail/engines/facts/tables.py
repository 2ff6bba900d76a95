"""Find tables among text rows: a header, and the records below it, cell by cell. Pure; called by perceive."""

from __future__ import annotations

from collections.abc import Sequence

from vitrail.engines.facts.numerals import read_number
from vitrail.engines.facts.sheet import Table, TextLine, TextRow

FEWEST_COLUMNS = 2
FEWEST_RECORDS = 2
ALIGNED = 1.2  # line heights between the edges or centres of cells in one column
GAP = 6.0  # line heights between neighbouring rows
FULL = 0.4  # share of the cells that are not empty
NUMBER_COLUMN = 0.6  # share of a column's cells with digits


def find_tables(rows: Sequence[TextRow]) -> tuple[Table, ...]:
    """Return the tables whose header is sure: words without digits over at least one column of figures."""
    tables: list[Table] = []
    at = 0
    while at < len(rows):
        table = _read_table(rows, at)
        if table:
            tables.append(table)
            at += 1 + len(table.records)
        else:
            at += 1
    return tuple(tables)


def _read_table(rows: Sequence[TextRow], first: int) -> Table | None:
    header = rows[first].cells
    if len(header) < FEWEST_COLUMNS or not all(_has_letter(cell.text) for cell in header):
        return None
    names = tuple(cell.text for cell in header)
    columns = [[cell] for cell in header]
    records: list[tuple[str, ...]] = []
    above = rows[first]
    for row in rows[first + 1 :]:
        if not records and header[0] is rows[first].cells[0] and _stands_left_of(row, header[0]):
            header = (row.cells[0], *header)
            names = ("", *names)
            columns.insert(0, [row.cells[0]])
        placed = _place_cells(row, columns)
        if placed is None or _distance(above, row) > GAP:
            break
        for index, cell in placed.items():
            columns[index].append(cell)
        records.append(tuple(placed[index].text if index in placed else "" for index in range(len(header))))
        above = row
    return _judge(names, records, first)


def _judge(names: tuple[str, ...], records: list[tuple[str, ...]], first: int) -> Table | None:
    """Accept the rows as a table when they are enough, mostly full, and some column holds figures."""
    if len(records) < FEWEST_RECORDS:
        return None
    figures = max(sum(map(_has_digit, column)) / len(records) for column in zip(*records, strict=True))
    cells = [bool(cell) for record in records for cell in record]
    full = sum(cells) / len(cells)
    if figures < NUMBER_COLUMN or full < FULL or not any(map(_has_digit, "".join(records[0]))):
        return None
    return Table(names, tuple(records), first, min(1.0, 0.5 + full / 2))


def _place_cells(row: TextRow, columns: list[list[TextLine]]) -> dict[int, TextLine] | None:
    """Return the row's cells by column, or None when one of them stands in no column or two in the same."""
    if len(row.cells) < FEWEST_COLUMNS:
        return None
    placed: dict[int, TextLine] = {}
    for cell in row.cells:
        near = [(_misalignment(cell, column), index) for index, column in enumerate(columns)]
        off, index = min(near)
        if off > ALIGNED or index in placed:
            return None
        placed[index] = cell
    return placed


def _misalignment(cell: TextLine, column: list[TextLine]) -> float:
    """Return how far the cell is from the column's nearest alignment (left, centre, right), in line heights."""
    height_px = max(1.0, min(cell.box.height_px, column[0].box.height_px))
    return min(
        min(
            abs(cell.box.left_px - other.box.left_px),
            abs(cell.box.right_px - other.box.right_px),
            abs(cell.box.centre_x_px - other.box.centre_x_px),
        )
        / height_px
        for other in (column[0], column[-1])
    )


def _distance(above: TextRow, row: TextRow) -> float:
    """Return the distance between the rows' first cells in line heights."""
    height_px = max(1.0, row.cells[0].box.height_px)
    return (row.cells[0].box.centre_y_px - above.cells[0].box.centre_y_px) / height_px


def _stands_left_of(row: TextRow, header: TextLine) -> bool:
    """Tell whether the row begins with a column that has no head, as the hours of a timetable do."""
    return len(row.cells) > 1 and row.cells[0].box.right_px < header.box.left_px


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text) and read_number(text) is None


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
