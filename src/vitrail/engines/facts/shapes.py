"""Count circles, triangles, squares and the like on a flat drawn picture, by colour. Called by perceive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vitrail.engines.facts.colours import name_colour
from vitrail.engines.facts.pixels import Rgb
from vitrail.engines.facts.sheet import Shape

Mask = npt.NDArray[np.uint8]

COLOUR_BIN = 32
MOST_COLOURS = 12
SMALLEST_SHARE = 0.0008  # of the picture, for a shape and for a colour
MOST_SHAPES = 60
FEWEST_ON_GROUND = 2
PALE = frozenset({"beige", "pink"})  # what is left of orange, yellow and red
VIVID = 100  # between the strongest and the weakest channel
GROUND_SHARE = 0.99  # of the largest
POLYGONS = {3: "triangle", 5: "pentagon", 6: "hexagon"}
SURE = 0.9
UNSURE = 0.4


@dataclass(frozen=True, slots=True)
class _Blob:
    """One connected area of one colour, holes filled."""

    colour: npt.NDArray[np.uint8]
    outline: npt.NDArray[np.int32]
    area_px: float
    filled: float  # share of the outline's area that really has the colour
    bounds: Sequence[int]  # left, top, width, height


def count_shapes(picture: Rgb, *, is_faded: bool = False) -> tuple[Shape, ...]:
    """Return how many there are of every kind and colour, most first; what has no clear form makes all unsure.

    Of a scan or photo of a drawing (`is_faded`) only vivid colours are named, the others are left empty.
    """
    blobs = list(_find_blobs(picture))
    if not blobs or len(blobs) > MOST_SHAPES:
        return ()
    whole = [blob for blob in blobs if not (_is_border_of_another(blob, blobs) or _is_ground(blob, blobs))]
    named = [(_name_form(blob), _name_colour(blob, is_faded=is_faded)) for blob in whole]
    confidence = UNSURE if any(form is None for form, _ in named) else SURE
    counts = Counter((form, colour) for form, colour in named if form)
    return tuple(Shape(form, colour, count, confidence) for (form, colour), count in counts.most_common())


def _find_blobs(picture: Rgb) -> Iterator[_Blob]:
    nearest, palette = _reduce_colours(picture)
    edge = np.concatenate([nearest[0], nearest[-1], nearest[:, 0], nearest[:, -1]])
    background = int(np.bincount(edge, minlength=len(palette)).argmax())
    smallest_px = SMALLEST_SHARE * nearest.size
    for index, colour in enumerate(palette):
        if index == background:
            continue
        mask = (nearest == index).astype(np.uint8)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for contour in outlines:
            outline = np.asarray(contour, np.int32)
            area_px = cv2.contourArea(outline)
            if area_px >= smallest_px:
                yield _Blob(colour, outline, area_px, _filled_share(mask, outline), cv2.boundingRect(outline))


def _reduce_colours(picture: Rgb) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return (rows, columns) indices into a palette of the picture's main colours, and the palette (n, 3)."""
    pixels = picture.reshape(-1, 3)
    bins = (pixels // COLOUR_BIN).astype(np.int32) @ np.array([64, 8, 1], np.int32)
    counts = np.bincount(bins, minlength=512)
    main = [int(one) for one in np.argsort(-counts)[:MOST_COLOURS] if counts[one] >= SMALLEST_SHARE * len(pixels)]
    palette = np.array([np.median(pixels[bins == one], axis=0) for one in main], np.uint8)
    palette = _merge_near(palette)
    distances = np.stack([np.abs(pixels.astype(np.int16) - colour).sum(axis=1) for colour in palette])
    return distances.argmin(axis=0).reshape(picture.shape[:2]), palette


def _merge_near(palette: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Leave out colours hardly different from a more frequent one."""
    kept: list[npt.NDArray[np.uint8]] = []
    for colour in palette:
        if all(np.abs(colour.astype(np.int16) - other).max() > COLOUR_BIN for other in kept):
            kept.append(colour)
    return np.array(kept, np.uint8)


def _filled_share(mask: Mask, outline: npt.NDArray[np.int32]) -> float:
    left, top, width, height = cv2.boundingRect(outline)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [outline - np.array([left, top])], -1, 1, cv2.FILLED)
    part = mask[top : top + height, left : left + width]
    return float((inside & part).sum()) / max(1, int(inside.sum()))


def _is_border_of_another(blob: _Blob, blobs: list[_Blob]) -> bool:
    """Tell whether a hollow blob is the drawn border of a filled one that takes up most of its inside."""
    if blob.filled > 0.5:
        return False
    return any(
        other is not blob and other.area_px > 0.6 * blob.area_px and _holds(blob.bounds, other.bounds)
        for other in blobs
    )


def _is_ground(blob: _Blob, blobs: list[_Blob]) -> bool:
    """Tell whether a blob is the sheet that several others lie on, as in a photographed page."""
    inside = [other for other in blobs if other is not blob and _holds(blob.bounds, other.bounds)]
    return len(inside) >= FEWEST_ON_GROUND and blob.area_px > GROUND_SHARE * max(one.area_px for one in blobs)


def _holds(outer: Sequence[int], inner: Sequence[int]) -> bool:
    left, top, width, height = outer
    return (
        left <= inner[0]
        and top <= inner[1]
        and inner[0] + inner[2] <= left + width
        and inner[1] + inner[3] <= top + height
    )


def _name_colour(blob: _Blob, *, is_faded: bool) -> str:
    name = name_colour(blob.colour)
    vividness = int(blob.colour.max()) - int(blob.colour.min())
    return "" if is_faded and (vividness < VIVID or name in PALE) else name


def _name_form(blob: _Blob) -> str | None:
    length_px = cv2.arcLength(blob.outline, closed=True)
    corners = len(cv2.approxPolyDP(blob.outline, 0.03 * length_px, closed=True))
    _, (width, height), _ = cv2.minAreaRect(blob.outline)
    long, short = max(width, height, 1.0), max(min(width, height), 1.0)
    fills = blob.area_px / (long * short)
    hull_px = max(1.0, cv2.contourArea(cv2.convexHull(blob.outline)))
    if blob.area_px / hull_px < 0.93:
        return "star" if corners == 10 else None
    if fills > 0.92:
        return "square" if long / short < 1.1 else "rectangle" if long / short < 12 else "line"
    if corners in POLYGONS:
        return POLYGONS[corners]
    if corners == 4:
        return "diamond" if fills < 0.7 else None
    if abs(fills - np.pi / 4) < 0.05:
        return "circle" if long / short < 1.1 else "ellipse"
    return None
