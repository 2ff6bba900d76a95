"""Fit a picture into a model's square input and map boxes back. Pixels only: knows nothing of models or meaning."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vitrail.engines.facts.sheet import Box

Rgb = npt.NDArray[np.uint8]  # (rows, columns, 3)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture scaled into the top left of a square, the rest filled with one grey."""

    pixels: Rgb
    scale: float

    def restore(self, left: float, top: float, right: float, bottom: float, picture: Rgb) -> Box:
        """Return the box of the square as a box of the picture, cut at its edges."""
        rows, columns = picture.shape[:2]
        across = np.clip(np.array([left, right]) / self.scale, 0, columns)
        down = np.clip(np.array([top, bottom]) / self.scale, 0, rows)
        return Box(float(across[0]), float(down[0]), float(across[1]), float(down[1]))


def fit_letterbox(picture: Rgb, side_px: int, *, grey: int) -> Letterbox:
    """Scale the longer edge to `side_px`, keep the aspect, fill what is left."""
    rows, columns = picture.shape[:2]
    scale = side_px / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    square = np.full((side_px, side_px, 3), grey, np.uint8)
    square[: size[1], : size[0]] = resize(picture, size)
    return Letterbox(square, scale)


def resize(picture: Rgb, size: tuple[int, int]) -> Rgb:
    """Return the picture at `size` (columns, rows), anti-aliased when it shrinks."""
    shrinks = size[0] < picture.shape[1] or size[1] < picture.shape[0]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=mode), np.uint8)


def overlap(one: Box, other: Box) -> float:
    """Return intersection over union, 0 to 1."""
    shared = Box(
        max(one.left_px, other.left_px),
        max(one.top_px, other.top_px),
        min(one.right_px, other.right_px),
        min(one.bottom_px, other.bottom_px),
    )
    if shared.width_px <= 0 or shared.height_px <= 0:
        return 0.0
    return shared.area_px / (one.area_px + other.area_px - shared.area_px)
