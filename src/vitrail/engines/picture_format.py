"""The encodings in which pictures travel to an engine; options name them, `pictures` writes them."""

from __future__ import annotations

from enum import StrEnum


class PictureFormat(StrEnum):
    """How pixels travel to an engine. BMP costs least where the bytes only cross the machine's own memory."""

    BMP = "bmp"
    PNG = "png"
    JPEG = "jpeg"
