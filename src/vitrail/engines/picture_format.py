"""The encodings in which pictures travel to an engine; options name them, `pictures` writes them."""

from __future__ import annotations

from enum import StrEnum


class PictureFormat(StrEnum):
    """How pixels travel to an engine: lossless but for JPEG. BMP costs least to make and read, if size is no matter."""

    BMP = "bmp"
    PNG = "png"
    JPEG = "jpeg"
