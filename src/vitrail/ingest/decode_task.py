"""What goes to a decode worker and what comes back: plain values that both sides import without an image library."""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrail.domain.pictures import ImageFormat, Picture


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """One image to decode: size and orientation as its header said, and the upright size that is wanted."""

    data: bytes = field(repr=False)
    format: ImageFormat
    orientation: int
    stored_width_px: int
    stored_height_px: int
    width_px: int
    height_px: int
    scaled_jpeg: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture with the SHA-256 of its pixels, made where there is a core to spare."""

    picture: Picture
    pixels_sha256: str
