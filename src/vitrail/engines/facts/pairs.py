"""Tell which rows are a label and its value side by side, as on forms, receipts and price lists. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from vitrail.engines.facts.numerals import read_number
from vitrail.engines.facts.sheet import TextRow

ALIGNED = 1.0  # line heights between the left edges of two labels


def find_pair_rows(rows: Sequence[TextRow]) -> frozenset[int]:
    """Return the rows of two cells whose first is words that begin where those of a neighbouring such row do.

    The head of a list of numbers (`Product | Price`) is left out.
    """
    pairs = {index for index, row in enumerate(rows) if _is_pair(row)}
    runs = {index for index in pairs if _fits(rows, pairs, index, -1) or _fits(rows, pairs, index, 1)}
    return frozenset(index for index in runs if not _is_head(rows, runs, index))


def _is_pair(row: TextRow) -> bool:
    if len(row.cells) != 2:
        return False
    label = row.texts[0]
    return read_number(label) is None and sum(map(str.isalpha, label)) > sum(map(str.isdigit, label))


def _fits(rows: Sequence[TextRow], pairs: set[int], index: int, step: int) -> bool:
    """Tell whether the next row before or after, a heading between left aside, is a pair with the same left edge."""
    for other in (index + step, index + 2 * step):
        if other in pairs:
            one, two = rows[index].cells[0].box, rows[other].cells[0].box
            return abs(one.left_px - two.left_px) <= ALIGNED * max(one.height_px, two.height_px)
    return False


def _is_head(rows: Sequence[TextRow], runs: set[int], index: int) -> bool:
    """Tell whether a row of words alone stands over a list of bare numbers."""
    if index - 1 in runs or any(map(str.isdigit, "".join(rows[index].texts))):
        return False
    below: list[str] = []
    for other in range(index + 1, len(rows)):
        if other not in runs:
            break
        below.append(rows[other].texts[1])
    return bool(below) and all(read_number(text) is not None for text in below)
