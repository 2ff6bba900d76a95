"""Turn the head of an image file into its format, size and orientation, without decoding a pixel.

Called by prepare on bytes that nobody has looked at. Knows nothing of limits, tiles or where the bytes came from.
The work is bounded: offsets only grow, and the number of segments that are walked is capped.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import ImageFormat
from vitrail.ingest.exif import EXIF_HEADER, parse_orientation
from vitrail.ingest.formats import FORMATS_HINT, name_format

MAX_JPEG_SEGMENTS = 4_000  # an ICC profile alone may take 255

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = struct.Struct(">8s4xIIBBBBB")  # IHDR's length and name, size, depth, colour, and three more
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_LARGEST_PNG_SIDE = 2**31 - 1

_JPEG_SEGMENT = struct.Struct(">BBH")  # FF, marker, length
_JPEG_FRAME = struct.Struct(">BHHB")  # bits a sample, height, width, components
_SOI, _EOI, _SOS, _APP1, _PROGRESSIVE = 0xD8, 0xD9, 0xDA, 0xE1, 0xC2
_FRAMES_DECODED = frozenset({0xC0, 0xC1, _PROGRESSIVE})  # baseline, extended and progressive; all Huffman-coded
_FRAMES_REFUSED = {
    0xC3: "lossless",
    0xC5: "differential",
    0xC6: "differential",
    0xC7: "differential lossless",
    0xC9: "arithmetic-coded",
    0xCA: "arithmetic-coded",
    0xCB: "arithmetic-coded lossless",
    0xCD: "arithmetic-coded differential",
    0xCE: "arithmetic-coded differential",
    0xCF: "arithmetic-coded differential lossless",
}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and restarts carry no length
_NOT_FILL = re.compile(rb"[^\xff]")


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself; the size is as stored, before the orientation (EXIF, 1-8) is applied.

    `rest_at` is the offset behind the header. `components` (1, 3 or 4) and `progressive` are of JPEG alone.
    """

    format: ImageFormat
    width_px: int
    height_px: int
    orientation: int
    rest_at: int
    components: int = 0
    progressive: bool = False

    @property
    def upright_size_px(self) -> tuple[int, int]:
        """Return width and height after the orientation was applied."""
        turned = self.orientation >= 5
        return (self.height_px, self.width_px) if turned else (self.width_px, self.height_px)


def sniff_image(data: bytes) -> ImageHeader:
    """Return the header of a JPEG or PNG, or raise InvalidArgument naming what the bytes are instead.

    A PNG's eXIf chunk is not honoured: its orientation is 1. Broken EXIF counts as none, and so does EXIF that comes
    behind the frame header, where no camera puts it.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _sniff_jpeg(data)
        if data.startswith(_PNG_SIGNATURE):
            return _sniff_png(data)
    except struct.error as error:
        raise InvalidArgument("The image is cut off in its header.") from error
    raise InvalidArgument(f"The image is not a JPEG or PNG: {name_format(data)}.", hint=FORMATS_HINT)


def _sniff_png(data: bytes) -> ImageHeader:
    start, width_px, height_px, depth, colour, compression, filtering, interlace = _PNG_HEADER.unpack_from(data, 4)
    if start != b"\r\n\x1a\n\x00\x00\x00\r" or data[12:16] != b"IHDR":
        raise InvalidArgument("The PNG has no header: it is damaged.")
    if not (0 < width_px <= _LARGEST_PNG_SIDE and 0 < height_px <= _LARGEST_PNG_SIDE):
        raise InvalidArgument(f"The PNG gives its size as {width_px} x {height_px} pixels.")
    if depth not in _PNG_DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise InvalidArgument("The PNG's header has values that PNG does not know.")
    return ImageHeader(ImageFormat.PNG, width_px, height_px, 1, rest_at=33)


def _sniff_jpeg(data: bytes) -> ImageHeader:
    orientation, at = 0, 2
    for _ in range(MAX_JPEG_SEGMENTS):
        lead, marker, length = _JPEG_SEGMENT.unpack_from(data, at)
        if lead != 0xFF:
            raise InvalidArgument("The JPEG is damaged: a segment is missing where one has to start.")
        if marker in _FRAMES_DECODED or marker in _FRAMES_REFUSED:
            return _read_frame(data, at + 4, marker, length, orientation or 1)
        if marker in (_SOI, _EOI, _SOS):
            raise InvalidArgument("The JPEG has no frame header: it is damaged.")
        if marker == 0xFF:  # fill bytes may stand before a marker
            found = _NOT_FILL.search(data, at + 1)
            at = found.start() - 1 if found else len(data)
            continue
        if marker in _BARE_MARKERS:
            at += 2
            continue
        if marker == _APP1 and not orientation and data.startswith(EXIF_HEADER, at + 4):
            orientation = parse_orientation(data[at + 4 + len(EXIF_HEADER) : at + 2 + length])
        at += 2 + max(2, length)
    raise InvalidArgument(f"The JPEG has more than {MAX_JPEG_SEGMENTS} segments before its frame header.")


def _read_frame(data: bytes, at: int, marker: int, length: int, orientation: int) -> ImageHeader:
    bits, height_px, width_px, components = _JPEG_FRAME.unpack_from(data, at)
    if marker in _FRAMES_REFUSED:
        raise InvalidArgument(f"The JPEG is {_FRAMES_REFUSED[marker]}, which is not supported.", hint=FORMATS_HINT)
    if bits != 8:
        raise InvalidArgument(f"The JPEG has {bits} bits a sample, which is not supported.", hint=FORMATS_HINT)
    if components not in (1, 3, 4):
        raise InvalidArgument(f"The JPEG has {components} colour components, which is not supported.")
    if not width_px or not height_px:
        raise InvalidArgument(f"The JPEG gives its size as {width_px} x {height_px} pixels.")
    return ImageHeader(
        ImageFormat.JPEG,
        width_px,
        height_px,
        orientation,
        rest_at=at - 2 + max(2, length),
        components=components,
        progressive=marker == _PROGRESSIVE,
    )
