"""Find values below a label that is set smaller, as on tickets and cards. Pure; called by perceive."""

from __future__ import annotations

from collections.abc import Sequence

from vitrail.engines.facts.rows import straighten
from vitrail.engines.facts.sheet import Caption, TextLine, TextRow

SMALLER = 0.88  # height of a label against that of its value
NOT_LARGER = 1.05  # the same on a page that has such pairs for sure
ALIGNED = 0.7  # value heights between the left edges
BELOW = 1.9  # value heights between the centres
FEWEST = 2
COVERED = 0.45  # share of the page's lines that are label or value


def find_captions(rows: Sequence[TextRow]) -> tuple[Caption, ...]:
    """Return the pairs when the page is mostly made of them; a single small line above a large one means nothing."""
    cells = [cell for row in rows for cell in row.cells]
    upright = [cell for row in straighten(rows) for cell in row.cells]
    pairs = _find_pairs(upright, SMALLER)
    if len(pairs) < FEWEST or 2 * len(pairs) < COVERED * len(cells):
        return ()
    used = {*pairs.keys(), *pairs.values()}
    more = {value: label for value, label in _find_pairs(upright, NOT_LARGER).items() if not {value, label} & used}
    return tuple(Caption(cells[label], cells[value]) for value, label in (pairs | more).items())


def _find_pairs(cells: Sequence[TextLine], most: float) -> dict[int, int]:
    """Return value and label for every line below one at most so high; a value is no label of the next."""
    above = {value: label for value in range(len(cells)) if (label := _find_label(value, cells, most)) is not None}
    return {value: label for value, label in above.items() if label not in above}


def _find_label(value: int, cells: Sequence[TextLine], most: float) -> int | None:
    """Return the nearest line above that is smaller and begins at the same place, when nothing stands between."""
    box = cells[value].box
    over = [
        (box.centre_y_px - cell.box.centre_y_px, index)
        for index, cell in enumerate(cells)
        if cell.box.centre_y_px < box.centre_y_px - box.height_px / 2
        and abs(cell.box.left_px - box.left_px) < ALIGNED * box.height_px
    ]
    if not over:
        return None
    distance_px, label = min(over)
    caption = cells[label]
    is_small = caption.box.height_px < most * box.height_px
    is_name = any(map(str.isalpha, caption.text)) and not any(map(str.isdigit, caption.text))
    return label if is_small and is_name and distance_px < BELOW * box.height_px else None
