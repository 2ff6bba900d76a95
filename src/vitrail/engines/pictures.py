"""Turn a checked picture into an image file for an engine in another process. Knows nothing of tiles."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pybase64

from vitrail.domain.pictures import Picture
from vitrail.engines.picture_format import PictureFormat

# Runs and one filter: half the time of zlib's level 1 with all filters, 0.95 to 1.5 times the size (bench/README.md).
PNG_FLAGS = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
]
# Full colour resolution: subsampling blurs coloured text.
JPEG_FLAGS = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def render_data_uri(picture: Picture, format: PictureFormat) -> str:
    """Return the picture as a data URI; lossless but for JPEG."""
    match format:
        case PictureFormat.BMP:
            data = _render_bmp(picture)
        case PictureFormat.PNG:
            data = _encode(picture, ".png", PNG_FLAGS)
        case PictureFormat.JPEG:
            data = _encode(picture, ".jpg", JPEG_FLAGS)
    return f"data:image/{format.value};base64,{pybase64.b64encode(data).decode('ascii')}"


def render_ppm_header(picture: Picture) -> bytes:
    """Return what makes a file in PPM of the picture's bytes when it stands before them."""
    return b"P6\n%d %d\n255\n" % (picture.width_px, picture.height_px)


def _pixels(picture: Picture) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The pixels as (rows, columns, 3) uint8, RGB."""
    return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height_px, picture.width_px, 3)


def _encode(picture: Picture, suffix: str, flags: list[int]) -> bytes:
    blue_first = np.ascontiguousarray(_pixels(picture)[:, :, ::-1])
    done, data = cv2.imencode(suffix, blue_first, flags)
    assert done
    return bytes(data)


def _render_bmp(picture: Picture) -> bytes:
    """A 24-bit BMP: rows bottom to top, blue first, each row padded to four bytes."""
    width, height = picture.width_px, picture.height_px
    rows = np.zeros((height, (3 * width + 3) // 4 * 4), np.uint8)
    rows[:, : 3 * width] = _pixels(picture)[::-1, :, ::-1].reshape(height, 3 * width)
    head_bytes, info_bytes = 14, 40
    start = head_bytes + info_bytes
    head = struct.pack("<2sIHHI", b"BM", start + rows.size, 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", info_bytes, width, height, 1, 24, 0, rows.size, 2835, 2835, 0, 0)
    return head + info + rows.tobytes()
