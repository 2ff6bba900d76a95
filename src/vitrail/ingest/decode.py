"""Turn checked image bytes into an upright 8-bit RGB picture at the size wanted. Runs in a worker process only.

Colour, the same for both formats: numbers are taken as sRGB (ICC profiles and gAMA are ignored, as the processors of
open models do); transparency is laid over white; 16-bit samples become 8-bit by dividing by 257; grey becomes three
equal channels; CMYK and YCCK follow Adobe's inverted convention. Of an animation the default image is taken.

Libraries, chosen by bench/ingest.py: simplejpeg for JPEG and pyvips for PNG are the fastest that check what they read,
kornia-rs has the fastest resize within 75 dB of Pillow's bicubic. Pillow resizes what is small or shrunk extremely,
where kornia-rs loses precision. Turning comes after the resize: 2 ms, not 23, for 12 megapixels.
"""

from __future__ import annotations

import re
from typing import cast

import kornia_rs
import numpy as np
import pyvips
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import ImageFormat, Picture
from vitrail.ingest.decode_task import DecodeTask

Pixels = NDArray[np.uint8]  # (rows, columns, 3)

_EOI = b"\xff\xd9"
_CUT_OFF = "Premature end of JPEG file"
# Warnings of libjpeg after which the pixels are whole all the same. The bytes before the end marker are padding that
# cameras write; a stream that lost its way leaves more of them.
_HARMLESS = re.compile(
    r"Corrupt JPEG data: ([1-9]|1\d) extraneous bytes before marker 0xd9|unknown JFIF revision|Adobe"
)
_EXACT_RESIZE_BELOW_PX = 65_536
_EXACT_RESIZE_ABOVE_RATIO = 16


def decode_picture(task: DecodeTask) -> Picture:
    """Return the picture of a task, or raise InvalidArgument when the bytes do not decode whole."""
    turned = task.orientation >= 5
    target = (task.height_px, task.width_px) if turned else (task.width_px, task.height_px)
    try:
        pixels = _turn_upright(_resize(_decode_stored(task, target), *target), task.orientation)
        return Picture(task.width_px, task.height_px, pixels.tobytes())
    except MemoryError as error:
        raise InvalidArgument("The image needs more memory to decode than one image may use.") from error


def _decode_stored(task: DecodeTask, target: tuple[int, int]) -> Pixels:
    try:
        match task.format:
            case ImageFormat.JPEG:
                return _decode_jpeg(task, target)
            case ImageFormat.PNG:
                return _decode_png(task)
    except (ValueError, pyvips.Error) as error:  # the text of either may tell of the inside
        raise InvalidArgument(f"The {task.format.upper()} does not decode: it is damaged or cut off.") from error


def _decode_jpeg(task: DecodeTask, target: tuple[int, int]) -> Pixels:
    """Return the pixels of a JPEG at its own size, or nearer the target where the fast, scaled decoding is wanted."""
    data, halvings = task.data, _count_halvings(task, target)
    least = {
        "min_width": -(-task.stored_width_px >> halvings) if halvings else 0,
        "min_height": -(-task.stored_height_px >> halvings) if halvings else 0,
    }
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", strict=True, **least)
    except ValueError as error:
        if str(error) == _CUT_OFF:  # whole but for its end marker, or cut off: decoding it closed tells which
            pixels = simplejpeg.decode_jpeg(data + _EOI, "RGB", strict=True, **least)
        elif _HARMLESS.search(str(error)):
            pixels = simplejpeg.decode_jpeg(data, "RGB", strict=False, **least)
        else:
            raise
    _check_size(pixels, task, may_be_smaller=halvings > 0)
    return pixels


def _count_halvings(task: DecodeTask, target: tuple[int, int]) -> int:
    halvings = 0
    while (
        task.scaled_jpeg
        and halvings < 3
        and task.stored_width_px >> (halvings + 1) >= target[0]
        and task.stored_height_px >> (halvings + 1) >= target[1]
    ):
        halvings += 1
    return halvings


def _decode_png(task: DecodeTask) -> Pixels:
    """Return the pixels of a PNG, whatever its colour type. Only the PNG reader of libvips ever sees the bytes."""
    image = pyvips.Image.pngload_buffer(task.data, access="sequential", fail_on="error")
    top = 65_535 if image.format == "ushort" else 255
    if image.hasalpha():
        image = image.flatten(background=[top], max_alpha=top)
    if top > 255:
        image = image.linear(1 / 257, 0.5, uchar=True)  # the cast cuts off, so a half rounds
    if image.bands == 1:
        image = image.bandjoin([image, image])
    memory: bytes = image.write_to_memory()
    pixels = np.frombuffer(memory, np.uint8).reshape(image.height, image.width, image.bands)
    _check_size(pixels, task)
    return pixels


def _check_size(pixels: Pixels, task: DecodeTask, *, may_be_smaller: bool = False) -> None:
    rows, columns, channels = pixels.shape
    as_announced = (columns, rows) == (task.stored_width_px, task.stored_height_px)
    if channels != 3 or not (as_announced or may_be_smaller):
        raise ValueError("the decoder's picture is not the one that the header announced")


def _resize(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    rows, columns, _ = pixels.shape
    if (columns, rows) == (width_px, height_px):
        return pixels
    extreme = columns > width_px * _EXACT_RESIZE_ABOVE_RATIO or rows > height_px * _EXACT_RESIZE_ABOVE_RATIO
    if extreme or width_px * height_px < _EXACT_RESIZE_BELOW_PX:
        exact = Image.fromarray(pixels).resize((width_px, height_px), Image.Resampling.BICUBIC)
        return np.asarray(exact, np.uint8)
    return cast(Pixels, kornia_rs.imgproc.resize(pixels, (height_px, width_px), "bicubic", antialias=True))


def _turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Return a view of the stored pixels as EXIF's orientation wants them seen."""
    if orientation >= 5:  # stored by columns
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
