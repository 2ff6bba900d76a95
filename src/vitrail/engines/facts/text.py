"""Read the text lines of a picture with PP-OCR (from the rapidocr package). Called by perceive."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import rapidocr

from vitrail.engines.facts.pixels import Rgb
from vitrail.engines.facts.sheet import Box, TextLine

SURE = 0.75
SURE_WHEN_FEW = 0.9
SURE_WHEN_SHORT = 0.85
FEW_LINES = 3
SHORT_TEXT = 2
THINNEST = 4  # detection enlarges the short edge to 736 px, which makes a thin picture enormous


class TextReader:
    """Text detection and recognition, loaded once. Lines turned by 180 degrees are not looked for: it mistakes `90`."""

    def __init__(self, *, threads: int) -> None:
        self._ocr: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            }
        )

    def read(self, picture: Rgb) -> tuple[TextLine, ...]:
        """Return the lines that are surely text, in the order found."""
        found = self._ocr(np.ascontiguousarray(_pad_thin(picture)[:, :, ::-1]))
        if found.txts is None:
            return ()
        lines = tuple(map(_text_line, found.txts, found.scores, found.boxes))
        return drop_noise(tuple(line for line in lines if line.text))


def drop_noise(lines: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """Leave out what recognition makes of leaves and bricks: unsure, very short or one character repeated."""
    sure = tuple(line for line in lines if line.confidence >= SURE and not _is_one_character(line.text))
    if len(sure) < FEW_LINES:
        return tuple(line for line in sure if line.confidence >= SURE_WHEN_FEW and len(line.text) > SHORT_TEXT)
    return tuple(line for line in sure if len(line.text) > SHORT_TEXT or line.confidence > SURE_WHEN_SHORT)


def _pad_thin(picture: Rgb) -> Rgb:
    """Return the picture widened to the right or below, in its own most common grey, until it is no thin strip."""
    rows, columns = picture.shape[:2]
    down, across = max(0, columns // THINNEST - rows), max(0, rows // THINNEST - columns)
    if not (down or across):
        return picture
    grey = int(np.median(picture))
    return np.pad(picture, ((0, down), (0, across), (0, 0)), constant_values=grey)


def _is_one_character(text: str) -> bool:
    return len(text) > 1 and len(set(text)) == 1 and not text.isdigit()


def _text_line(text: str, score: float, corners: Any) -> TextLine:
    """Take over one result; `corners` are (4, 2) pixels from the top left, clockwise."""
    points = np.asarray(corners, np.float64)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    (across, down) = points[1] - points[0] + points[2] - points[3]
    box = Box(float(left), float(top), float(right), float(bottom))
    return TextLine(text.strip(), float(score), box, math.atan2(float(down), float(across)))
