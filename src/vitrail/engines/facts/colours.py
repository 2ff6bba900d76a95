"""Name the colours of a picture. Called by perceive and shapes; plain arithmetic in the CIE Lab space."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vitrail.engines.facts.pixels import Rgb, resize
from vitrail.engines.facts.sheet import Colour

PROTOTYPES = {
    "black": ((0, 0, 0), (25, 25, 25)),
    "white": ((255, 255, 255), (240, 240, 240)),
    "gray": ((128, 128, 128), (90, 90, 90), (60, 60, 60), (160, 160, 160)),
    "light gray": ((205, 205, 205),),
    "red": ((220, 20, 30), (255, 0, 0), (180, 20, 30)),
    "dark red": ((110, 10, 15),),
    "orange": ((255, 140, 0), (240, 110, 20)),
    "brown": ((120, 70, 30), (90, 55, 30), (60, 40, 25)),
    "beige": ((225, 205, 165), (200, 175, 135)),
    "yellow": ((250, 225, 30), (255, 235, 110)),
    "green": ((0, 128, 0), (40, 160, 60), (90, 140, 60)),
    "light green": ((130, 220, 110), (0, 255, 0)),
    "dark green": ((10, 70, 30),),
    "turquoise": ((50, 200, 190), (0, 128, 128)),
    "light blue": ((135, 195, 235), (90, 170, 240)),
    "blue": ((0, 0, 255), (30, 80, 200), (40, 110, 220)),
    "dark blue": ((10, 25, 90), (20, 50, 80)),
    "purple": ((128, 0, 128), (110, 60, 180)),
    "pink": ((255, 150, 190), (250, 90, 170)),
}
THUMBNAIL_PX = 64
SMALLEST_SHARE = 0.04
GREY_SPREAD = 4.0

_NAMES = tuple(name for name, samples in PROTOTYPES.items() for _ in samples)


def _to_lab(rgb: Rgb) -> npt.NDArray[np.float32]:
    """Return (..., 3) CIE Lab of (..., 3) RGB bytes."""
    flat = np.ascontiguousarray(rgb.reshape(-1, 1, 3), np.float32) / 255
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2LAB), np.float32).reshape(*rgb.shape)


_LAB = _to_lab(np.array([sample for samples in PROTOTYPES.values() for sample in samples], np.uint8))


def name_colour(rgb: Rgb) -> str:
    """Return the nearest named colour of one (3,) RGB value."""
    return _NAMES[int(((_LAB - _to_lab(rgb.reshape(1, 3))) ** 2).sum(axis=1).argmin())]


def measure_colours(picture: Rgb) -> tuple[Colour, ...]:
    """Return the named colours with at least 4 % of the picture, largest share first."""
    pixels = _to_lab(resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX))).reshape(-1, 1, 3)
    nearest = ((pixels - _LAB[None]) ** 2).sum(axis=2).argmin(axis=1)
    shares: dict[str, float] = {}
    for index, count in enumerate(np.bincount(nearest, minlength=len(_NAMES))):
        shares[_NAMES[index]] = shares.get(_NAMES[index], 0.0) + float(count) / len(pixels)
    named = (Colour(name, share) for name, share in shares.items() if share >= SMALLEST_SHARE)
    return tuple(sorted(named, key=lambda colour: -colour.share))


def is_greyscale(picture: Rgb) -> bool:
    """Tell whether the picture has no colour: red, green and blue differ by less than four levels on average."""
    sample = resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX)).astype(np.int16)
    return float((sample.max(axis=2) - sample.min(axis=2)).mean()) < GREY_SPREAD
