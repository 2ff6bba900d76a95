"""Find tables of three columns or more among text rows: a header, and the records below it. Pure; called by perceive.

Two columns are no table: a list of labels and values looks the same, and is read right either way (see pairs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vitrail.engines.facts.clock import find_clocks
from vitrail.engines.facts.dates import holds_date
from vitrail.engines.facts.numerals import read_number
from vitrail.engines.facts.rows import straighten
from vitrail.engines.facts.sheet import Box, Table, TextLine, TextRow

FEWEST_COLUMNS = 3
FEWEST_RECORDS = 2
ALIGNED = 1.2  # line heights between a cell and the column that it stands in without touching its header
GAP = 6.0  # line heights between neighbouring rows
FULL = 0.3  # share of the cells that are not empty
NUMBER_COLUMN = 0.6  # share of a column's cells with digits
SAME_EDGE = 0.8  # line heights between the left edges of cells in a column


def find_tables(rows: Sequence[TextRow]) -> tuple[Table, ...]:
    """Return the tables whose header is sure: words, not values, over at least one column of figures."""
    upright = straighten(rows)
    tables: list[Table] = []
    at = 0
    while at < len(rows):
        table = _read_table(upright, at)
        if table:
            tables.append(table)
            at += 1 + len(table.records)
        else:
            at += 1
    return tuple(tables)


def _read_table(rows: Sequence[TextRow], first: int) -> Table | None:
    header = rows[first].cells
    if len(header) < FEWEST_COLUMNS - 1 or not all(map(_is_name, header)):
        return None
    body = _body(rows, first)
    header = _split_joined(header, [cell for row in body for cell in row.cells])
    if body and _stands_left_of(body[0], header[0]):
        header = (replace(body[0].cells[0], text=""), *header)
    if len(header) < FEWEST_COLUMNS:
        return None
    records: list[tuple[str, ...]] = []
    for row in body:
        placed = _place_cells(row, header)
        if placed is None:
            break
        records.append(tuple(placed[index].text if index in placed else "" for index in range(len(header))))
    return _judge(tuple(cell.text for cell in header), records, first)


def _body(rows: Sequence[TextRow], first: int) -> list[TextRow]:
    """Return the rows of at least two cells that follow each other closely below the header."""
    body: list[TextRow] = []
    for above, row in zip(rows[first:], rows[first + 1 :], strict=False):
        if len(row.cells) < FEWEST_COLUMNS - 1 or _distance(above, row) > GAP:
            break
        body.append(row)
    return body


def _judge(names: tuple[str, ...], records: list[tuple[str, ...]], first: int) -> Table | None:
    """Accept the rows as a table when they are enough, full enough, and some column holds figures."""
    if len(records) < FEWEST_RECORDS:
        return None
    used = sum(map(any, zip(*records, strict=True)))
    figures = max(sum(map(_has_digit, column)) / len(records) for column in zip(*records, strict=True))
    cells = [bool(cell) for record in records for cell in record]
    full = sum(cells) / len(cells)
    if used < FEWEST_COLUMNS or figures < NUMBER_COLUMN or full < FULL or not any(map(_has_digit, "".join(records[0]))):
        return None
    return Table(names, tuple(records), first, min(1.0, 0.5 + full / 2))


def _place_cells(row: TextRow, header: Sequence[TextLine]) -> dict[int, TextLine] | None:
    """Return the row's cells by column, or None when one of them stands in no column or two in the same."""
    placed: dict[int, TextLine] = {}
    for cell in row.cells:
        off, index = min((_misalignment(cell.box, head.box), index) for index, head in enumerate(header))
        if off > ALIGNED or index in placed:
            return None
        placed[index] = cell
    return placed


def _misalignment(cell: Box, head: Box) -> float:
    """Return how far a cell is from standing under a header cell, in line heights.

    The better of: the distance of the edges or centres that are nearest, and the gap between the two; what overlaps is
    told apart by its edges alone.
    """
    height_px = max(1.0, min(cell.height_px, head.height_px))
    edges_px = min(
        abs(cell.left_px - head.left_px),
        abs(cell.right_px - head.right_px),
        abs(cell.centre_x_px - head.centre_x_px),
    )
    gap_px = max(cell.left_px - head.right_px, head.left_px - cell.right_px)
    touching = min(edges_px / height_px, ALIGNED)
    return touching if gap_px <= 0 else min(edges_px, 2 * gap_px + ALIGNED * height_px / 2) / height_px


def _split_joined(header: tuple[TextLine, ...], cells: Sequence[TextLine]) -> tuple[TextLine, ...]:
    """Cut header cells that were read as one, such as `Monday Tuesday`, where two columns stand below them."""
    return tuple(part for head in header for part in _split(head, cells))


def _split(head: TextLine, cells: Sequence[TextLine]) -> list[TextLine]:
    box, reach_px = head.box, SAME_EDGE * head.box.height_px
    for index, character in enumerate(head.text):
        if character != " ":
            continue
        cut_px = box.left_px + box.width_px * (index + 1) / len(head.text)
        under = [cell.box for cell in cells if cell.box.right_px > box.left_px and cell.box.left_px < box.right_px]
        left = [one for one in under if abs(one.left_px - box.left_px) < reach_px and one.left_px < cut_px - reach_px]
        right = [one for one in under if abs(one.left_px - cut_px) < reach_px]
        if left and right and all(one.right_px < cut_px + reach_px / 2 for one in left):
            first = replace(head, text=head.text[:index], box=replace(box, right_px=cut_px - reach_px / 4))
            rest = replace(head, text=head.text[index + 1 :], box=replace(box, left_px=cut_px))
            return [first, *_split(rest, cells)]
    return [head]


def _distance(above: TextRow, row: TextRow) -> float:
    """Return the distance between the rows' first cells in line heights."""
    height_px = max(1.0, row.cells[0].box.height_px)
    return (row.cells[0].box.centre_y_px - above.cells[0].box.centre_y_px) / height_px


def _stands_left_of(row: TextRow, header: TextLine) -> bool:
    """Tell whether the row begins with a column that has no head, as the hours of a timetable do."""
    return len(row.cells) > 1 and row.cells[0].box.right_px < header.box.left_px


def _is_name(cell: TextLine) -> bool:
    """Tell whether a cell can name a column: letters, more of them than digits or a short code, no date or time."""
    letters, digits = sum(map(str.isalpha, cell.text)), sum(map(str.isdigit, cell.text))
    if not letters or (digits and (holds_date(cell.text, cell.text) or find_clocks(cell.text))):
        return False
    return read_number(cell.text) is None and digits <= max(2, letters)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
