"""Put text lines into rows and rows into reading order, also on a tilted page or in columns. Pure; called by
perceive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from vitrail.engines.facts.sheet import Box, TextLine, TextRow

STEEPEST = math.radians(30)  # lines steeper than this say nothing about the page's tilt
SLIGHTEST = math.radians(0.3)
SAME_ROW = 0.5  # of the smaller line height
COLUMN_LINES = 4  # a column of running text has at least so many lines on either side of the gap
COLUMN_CHARACTERS = 18  # ... of at least so many characters (median)
CROSSING_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line with its place on the page once the tilt is taken out."""

    line: TextLine
    left: float
    right: float
    middle: float
    height: float


def arrange_rows(lines: Sequence[TextLine]) -> tuple[TextRow, ...]:
    """Return the rows in reading order, the cells of each from left to right."""
    tilt = measure_tilt(lines)
    placed = [_place(line, tilt) for line in lines]
    return tuple(
        TextRow(tuple(one.line for one in row)) for block in _split_columns(placed) for row in _group_rows(block)
    )


def measure_tilt(lines: Sequence[TextLine]) -> float:
    """Return the median slope of the lines in radians, long lines counting more; 0 when it hardly slopes."""
    slopes = [line.angle for line in lines for _ in range(1 + len(line.text) // 8) if abs(line.angle) < STEEPEST]
    tilt = median(slopes) if slopes else 0.0
    return tilt if abs(tilt) > SLIGHTEST else 0.0


def straighten(rows: Sequence[TextRow]) -> tuple[TextRow, ...]:
    """Return the rows with the tilt of the page taken out of their cells' boxes."""
    tilt = measure_tilt([cell for row in rows for cell in row.cells])
    return tuple(TextRow(tuple(_straighten(cell, tilt) for cell in row.cells)) for row in rows)


def _straighten(line: TextLine, tilt: float) -> TextLine:
    one = _place(line, tilt)
    return replace(line, box=Box(one.left, one.middle - one.height / 2, one.right, one.middle + one.height / 2))


def _place(line: TextLine, tilt: float) -> _Placed:
    """Turn the line's centre back by the tilt; width and height are those of the unturned rectangle."""
    cosine, sine = math.cos(tilt), math.sin(tilt)
    x_px, y_px = line.box.centre_x_px, line.box.centre_y_px
    across, down = x_px * cosine + y_px * sine, y_px * cosine - x_px * sine
    slope = abs(math.sin(line.angle)) if abs(line.angle) < STEEPEST else 0.0
    width = line.box.width_px
    height = max(4.0, line.box.height_px - width * slope)
    return _Placed(line, across - width / 2, across + width / 2, down, height)


def _group_rows(placed: list[_Placed]) -> list[list[_Placed]]:
    """Join each line to the row whose last cell stands level with it and to its left."""
    rows: list[list[_Placed]] = []
    for one in sorted(placed, key=lambda item: item.left):
        level = [
            (abs(row[-1].middle - one.middle), row)
            for row in rows
            if abs(row[-1].middle - one.middle) < SAME_ROW * min(row[-1].height, one.height)
            and row[-1].right <= one.left + one.height
        ]
        if level:
            min(level, key=lambda item: item[0])[1].append(one)
        else:
            rows.append([one])
    return sorted(rows, key=lambda row: sum(one.middle for one in row) / len(row))


def _split_columns(placed: list[_Placed]) -> list[list[_Placed]]:
    """Cut running text in columns into blocks read one after the other; anything else stays one block."""
    for cut in sorted({one.left for one in placed}):
        left = [one for one in placed if one.right <= cut]
        right = [one for one in placed if one.left >= cut]
        crossing = [one for one in placed if one.left < cut < one.right]
        if not (_is_running_text(left) and _is_running_text(right)):
            continue
        top = min(one.middle for one in left + right)
        bottom = max(one.middle for one in left + right)
        if len(crossing) <= CROSSING_SHARE * len(placed) and not any(top <= one.middle <= bottom for one in crossing):
            above = [one for one in crossing if one.middle < top]
            below = [one for one in crossing if one.middle > bottom]
            return [above, left, *_split_columns(right), below]
    return [placed]


def _is_running_text(placed: list[_Placed]) -> bool:
    if len(placed) < COLUMN_LINES:
        return False
    return median(len(one.line.text) for one in placed) >= COLUMN_CHARACTERS
