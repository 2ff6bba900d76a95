"""Read upright bar charts that print each value on its bar. Called by perceive.

A number belongs to the axis label below it only if a bar of one colour stands between them, and only if the bars are as
long as the numbers say.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vitrail.engines.facts.numerals import read_number
from vitrail.engines.facts.pixels import Rgb
from vitrail.engines.facts.sheet import Bar, TextLine, TextRow

FEWEST_BARS = 2
NEAR = 0.35  # of the distance between two labels
PLAIN_SHARE = 0.7
COLOUR_STEP = 24
LENGTHS_AGREE = 0.97


def read_bars(picture: Rgb, rows: Sequence[TextRow]) -> tuple[Bar, ...]:
    """Return the bars from left to right, or nothing unless every label has its bar and its number."""
    for row in reversed(rows):
        if len(row.cells) < FEWEST_BARS:
            continue
        bars = _bind(picture, row.cells, [cell for other in rows if other is not row for cell in other.cells])
        if bars:
            return bars
    return ()


def _bind(picture: Rgb, labels: tuple[TextLine, ...], lines: list[TextLine]) -> tuple[Bar, ...]:
    centres = [label.box.centre_x_px for label in labels]
    spacing = min(right - left for left, right in pairwise(centres))
    bars, lengths, values = [], [], []
    for label in labels:
        over = [
            line
            for line in lines
            if read_number(line.text) is not None
            and abs(line.box.centre_x_px - label.box.centre_x_px) < NEAR * spacing
            and line.box.bottom_px < label.box.top_px
        ]
        if len(over) != 1:
            return ()
        length_px = _bar_length(picture, over[0], label)
        value = read_number(over[0].text)
        if length_px is None or value is None:
            return ()
        bars.append(Bar(label.text, over[0].text, min(label.confidence, over[0].confidence)))
        lengths.append(length_px)
        values.append(value)
    return tuple(bars) if _agree(lengths, values) else ()


def _bar_length(picture: Rgb, number: TextLine, label: TextLine) -> float | None:
    """Return the length in pixels of the plain strip between number and label, or None when there is no bar."""
    column = int(min(max(label.box.centre_x_px, 0), picture.shape[1] - 1))
    top, bottom = int(number.box.bottom_px), int(label.box.top_px)
    strip = picture[max(0, top) : max(0, bottom), column].astype(np.int16)
    if len(strip) < 3:
        return None
    colour = np.median(strip, axis=0)
    bar = np.abs(strip - colour).max(axis=1) < COLOUR_STEP
    background = np.median(picture.reshape(-1, 3)[:: max(1, picture.size // 30000)], axis=0)
    stands_out = np.abs(colour - background).max() >= COLOUR_STEP
    return float(bar.sum()) if stands_out and bar.mean() >= PLAIN_SHARE else None


def _agree(lengths: list[float], values: list[float]) -> bool:
    """Tell whether lengths and values rise together, so that no number sits on the wrong bar."""
    if max(values) == min(values):
        return max(lengths) - min(lengths) < 0.1 * max(lengths)
    if max(lengths) == min(lengths):
        return False
    return float(np.corrcoef(lengths, values)[0, 1]) >= LENGTHS_AGREE
